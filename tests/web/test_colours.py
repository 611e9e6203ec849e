"""The tokens' promise: every pair of colours that carries text has the contrast look.md asks for, in every mode."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
ROOM = STATIC.parent
# What carries text on what. Numbers stand on surfaces too; fills carry no text.
PAIRS = [
    ("text", "bg"), ("text", "surface"), ("text", "surface-2"), ("text-2", "bg"), ("text-2", "surface"),
    ("text-2", "surface-2"), ("brand", "bg"), ("brand", "surface"), ("brand", "brand-tint"), ("on-brand", "brand"),
    ("on-brand", "brand-strong"), ("on-hero", "hero"), ("ok", "ok-tint"), ("ok", "surface"), ("ok", "bg"),
    ("warn", "warn-tint"), ("warn", "surface"), ("bad", "bad-tint"), ("bad", "surface"), ("bad", "bg"),
    ("on-bad", "bad-fill"), ("info", "info-tint"), ("info", "surface"), ("on-band", "band"), ("text", "ok-tint"),
    ("text", "warn-tint"), ("text", "bad-tint"), ("text", "info-tint"),
]  # fmt: skip
MODES = {
    "light": ([], 4.5),
    "dark": (['[data-theme="dark"]'], 4.5),
    "elder": (['[data-mode="elder"]'], 7.0),
    "dark elder": (
        ['[data-theme="dark"]', '[data-mode="elder"]', '[data-theme="dark"][data-mode="elder"]'],
        7.0,
    ),
    "high contrast": (['[data-contrast="high"]'], 4.5),
    "dark high contrast": (['[data-theme="dark"]', '[data-contrast="high"]'], 4.5),
    "kiosk": (['[data-surface="kiosk"]'], 7.0),
    "staff": (['[data-surface="staff"]'], 4.5),
}


def blocks(css: str) -> dict[str, dict[str, str]]:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    css = re.sub(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", css)
    found: dict[str, dict[str, str]] = {}
    for selector, body in re.findall(r":root([^{]*)\{([^}]*)\}", css):
        found[selector.strip()] = dict(re.findall(r"--([\w-]+):\s*([^;]+);", body))
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", MODES)
def test_every_text_can_be_read_in_every_mode(mode: str) -> None:
    sheet = blocks((STATIC / "tokens.css").read_text())
    selectors, least = MODES[mode]
    tokens = dict(sheet[""])
    for selector in selectors:
        tokens |= sheet[selector]
    weak = {
        f"{front} on {ground}": round(contrast(tokens[front], tokens[ground]), 2)
        for front, ground in PAIRS
        if contrast(tokens[front], tokens[ground]) < least
    }
    assert weak == {}


def test_the_device_s_own_dark_is_the_chosen_dark_word_for_word() -> None:
    sheet = blocks((STATIC / "tokens.css").read_text())
    assert sheet['[data-theme="dark"]'] == sheet['[data-theme="auto"]']
    elder = '[data-mode="elder"]'
    assert sheet[f'[data-theme="dark"]{elder}'] == sheet[f'[data-theme="auto"]{elder}']


def test_the_tv_s_texts_reach_seven_to_one() -> None:
    grounds = {
        "#0b1215": ("#edf2f0", "#a9b9b8"),
        "#0b3d31": ("#edf2f0", "#f2d28c", "#c9d8d5"),
        "#0a4838": ("#edf2f0", "#f2d28c", "#c9d8d5"),
        "#1e2d33": ("#edf2f0", "#f2d28c", "#c9d8d5"),
        "#142025": ("#edf2f0", "#a9b9b8"),
        "#ffffff": ("#0b1215", "#33464e", "#5c3a00"),
        "#7d1d17": ("#ffffff",),
        "#5c120d": ("#ffffff",),
        "#8c1f18": ("#ffffff",),
        "#4a3200": ("#ffffff",),
        "#332200": ("#ffffff",),
        "#072a22": ("#ffffff",),
    }
    sheet = (STATIC / "tv.css").read_text()
    for ground, texts in grounds.items():
        assert ground in sheet
        for text in texts:
            assert text in sheet
            assert contrast(text, ground) >= 7.0, (text, ground)
    used = set(re.findall(r"#[0-9a-f]{6}\b", sheet))
    frames = {"#e8b95a"}  # the focus ring carries no text
    assert used == set(grounds) | {text for texts in grounds.values() for text in texts} | frames


def test_no_sheet_but_the_tokens_names_a_colour() -> None:
    offenders = []
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(")
    for path in [*ROOM.rglob("*.css"), *ROOM.rglob("*.html"), *ROOM.parent.glob("hub/civic/*/static/*.css")]:
        if path.name in ("tokens.css", "tv.css"):
            continue
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        text = re.sub(r"href=\"#[^\"]*\"", "", text)
        offenders += [f"{path.name}: {hit}" for hit in colour.findall(text)]
    assert offenders == []

"""Knobs: one list, four sources in order, a reason for each, secrets masked, mistakes named."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settings import Secret, Settings, SettingsError, load
from tests.sources import files, name, text

KNOBS = [each for each in fields(Settings) if "reason" in each.metadata]


def test_the_nearest_source_wins_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "linli.toml"
    file.write_text("http_port = 1\nmqtt_port = 2\nkiosk_idle_s = 33\n", encoding="utf-8")
    settings = load(
        {"http_port": 4, "speed": None}, {"LINLI_HTTP_PORT": "3", "LINLI_MQTT_PORT": "5", "HOME": "x"}, file
    )
    assert (settings.http_port, settings.mqtt_port, settings.kiosk_idle_s, settings.speed) == (4, 5, 33, 1.0)
    sources = {row.name: row.source for row in settings.describe()}
    named = [sources[knob] for knob in ("http_port", "mqtt_port", "kiosk_idle_s", "speed")]
    assert named == ["flag", "environment", "linli.toml", "default"]


def test_every_knob_has_a_reason_and_is_read_somewhere() -> None:
    code = "\n".join(text(path) for path in files(".py", "hub", "web") if name(path) != "hub/settings.py")
    own = text(next(path for path in files("settings.py", "hub") if name(path) == "hub/settings.py"))
    for knob in KNOBS:
        assert len(knob.metadata["reason"]) > 5, knob.name
        used = re.search(rf"settings\.{knob.name}\b", code) or re.search(rf"self\.{knob.name}\b", own)
        assert used, f"nothing reads {knob.name}: a knob that does nothing is a lie"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LINLI_HTPP_PORT", "80", "did you mean http_port?"),
        ("LINLI_HTTP_PORT", "eighty", "must be a whole number"),
        ("LINLI_HTTP_PORT", "70000", "must be between 0 and 65535"),
        ("LINLI_SPEED", "nan", "must be a number"),
        ("LINLI_STATE_DIR", "", "must name a folder"),
        ("LINLI_WECHAT_SECRET_FILE", "/nowhere/at/all", "cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_do(variable: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        load({}, {variable: value})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "linli.toml"
    file.write_text("http_port = = 1", encoding="utf-8")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load({}, {}, file)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=40))
def test_a_secret_never_shows_itself(word: str) -> None:
    settings = load({}, {"LINLI_WECHAT_SECRET": word, "LINLI_MQTT_URL": f"mqtts://hub:{word}@broker.example"})
    shown = repr(settings) + "".join(row.value for row in settings.describe())
    assert word not in shown
    assert "mqtts://hub:***@broker.example" in shown
    assert str(settings.wechat_secret) == word


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("from the vault\n", encoding="utf-8")
    settings = load({}, {"LINLI_WECHAT_SECRET_FILE": str(tmp_path / "word")})
    assert settings.wechat_secret == Secret("from the vault")

"""The Chinese font: what it must draw, what is told when it cannot, and that it is never made twice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hub import font
from tests.sources import files, text


def test_the_font_is_to_draw_every_character_our_own_texts_use() -> None:
    wanted = font.wanted()
    spoken = [*files(".po", "hub", "web", "channels"), *files(".html", "hub", "web")]
    lacking = {character for path in spoken for character in text(path) if ord(character) not in wanted}
    assert not lacking - {"\n", "\t"}
    assert {ord(character) for character in "血压℃①⑩→《》。,浏河社区"} <= wanted
    assert 7_400 < len(wanted) < 8_000


def test_a_glyph_that_is_missing_is_named(tmp_path: Path) -> None:
    ready = font.files(tmp_path)
    ready.coverage.parent.mkdir()
    ready.coverage.write_text("20-7e\n738b\n", encoding="ascii")
    assert font.missing("王 A\n", tmp_path) == set()
    assert font.missing("王\U00020bb7", tmp_path) == {"\U00020bb7"}
    assert font.missing("王", tmp_path / "none") == {"王"}


def test_a_font_that_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = font.files(tmp_path)
    ready.otf.parent.mkdir()
    for path in (ready.woff2, ready.otf, ready.licence, ready.coverage):
        path.write_bytes(b"x")
    monkeypatch.setattr(subprocess, "run", lambda *words, **more: pytest.fail("nothing needs to be run"))
    assert font.subset(tmp_path) == ready


def test_without_its_packages_the_reason_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "none"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(font.FontUnavailable, match="the system's own font is used"):
        font.subset(tmp_path / "state")
    assert list((tmp_path / "state").iterdir()) == []

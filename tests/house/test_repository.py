"""What a newcomer meets first: two commands, a licence, short pages, and a CI that runs what they say."""

from __future__ import annotations

import os
import re
import tomllib

from tests.sources import ROOT, files, name, text


def test_the_two_commands_are_what_the_read_me_says() -> None:
    for page in ("README.md", "README.zh-CN.md"):
        words = text(ROOT / page)
        assert "./linli demo" in words
        assert "./linli test" in words
    assert os.access(ROOT / "linli", os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_ci_runs_the_whole_check_with_nothing_skipped() -> None:
    words = text(ROOT / ".ci" / "run")
    assert "LINLI_TEST_ALL=1" in words
    assert "./linli check" in words


def test_pages_stay_short_enough_to_be_read() -> None:
    assert text(ROOT / "CONTRIBUTING.md").count("\n") <= 60
    assert text(ROOT / "README.md").count("\n") <= 90
    decisions = files(".md", "hub")
    long = [name(path) for path in decisions if "/decisions/" in name(path) and text(path).count("\n") > 60]
    assert not long


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in files(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(page)):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.append(f"{name(page)}: {target}")
    assert not broken, "\n" + "\n".join(broken)


def test_the_change_log_has_the_version_of_the_project() -> None:
    version = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["version"]
    assert f"## [{version}]" in text(ROOT / "CHANGELOG.md") or "## [Unreleased]" in text(ROOT / "CHANGELOG.md")


def test_the_bootstrap_stays_one_readable_file() -> None:
    assert text(ROOT / "linli").count("\n") <= 120
    assert not re.search(
        r"^(?:from|import) (?!hashlib|os|re|shutil|subprocess|sys|importlib|pathlib)",
        text(ROOT / "linli"),
        re.MULTILINE,
    )

"""The planter itself: a bug that no test sees, and a patch that has gone stale, must not pass."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.planting import plant
from tests.sources import ROOT

pytestmark = needs("git")

CODE = "def double(n):\n    return n * 2\n"
TESTS = """
from code_under_test import double

def test_two():
    assert double(2) == 4

def test_zero():
    assert double(0) == 0
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    place = tmp_path / "tree"
    place.mkdir()
    (place / "code_under_test.py").write_text(CODE, encoding="utf-8")
    (place / "test_it.py").write_text(TESTS, encoding="utf-8")
    return place


def patch(tree: Path, kills: str, old: str = "    return n * 2", new: str = "    return n * 3") -> Path:
    path = tree.parent / "bug.patch"
    path.write_text(
        f"{kills}\n--- a/code_under_test.py\n+++ b/code_under_test.py\n"
        f"@@ -1,2 +1,2 @@\n def double(n):\n-{old}\n+{new}\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("kills", "word"),
    [
        ("# kills: test_it.py::test_two", "red"),
        ("# kills: test_it.py::test_zero", "GREEN"),
        ("# kills: test_it.py::test_of_another_name", "DOES NOT RUN"),
        ("# a bug", "NAMES NO TEST"),
    ],
)
def test_only_a_red_test_counts(tree: Path, kills: str, word: str) -> None:
    assert plant(tree, patch(tree, kills)).word == word
    assert (tree / "code_under_test.py").read_text(encoding="utf-8") == CODE


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "planted").glob("*.patch")), ids=lambda path: path.stem)
def test_every_planted_bug_still_fits_the_code(path: Path, tmp_path: Path) -> None:
    """Whether its test sees it is asked by `./linli test --planted`, which takes its time; that it applies, here."""
    said = path.read_text(encoding="utf-8")
    assert re.match(r"# kills: tests/\S+::test_", said)
    for name in re.findall(r"^\+\+\+ b/(\S+)", said, re.MULTILINE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    words = ["git", "apply", "--check", str(path)]
    answer = subprocess.run(words, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_a_stale_patch_is_an_error(tree: Path) -> None:
    stale = patch(tree, "# kills: test_it.py::test_two", old="    return n + n")
    assert plant(tree, stale).word == "DOES NOT APPLY"

"""How code reads here, as tests: short functions, named nouns, no silent errors, tests that assert."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from hub.__main__ import ROOMS, strangers
from tests.sources import ROOT, files, name, text, tracked, tree

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600  # most stand between 50 and 300; past two screens of scrolling it hides a second noun
DRAWERS = {
    "utils",
    "util",
    "service",
    "services",
    "const",
    "constants",
    "common",
    "helpers",
    "helper",
    "misc",
    "manager",
}
# hub/services.py is a noun here: the handful of parts that are handed to every slice.
NOUNS = {"hub/services.py"}
# Pictographs and their joiner; arrows, check marks and geometric shapes of the basic plane are text, not emoji.
EMOJI = re.compile("[\U0001f000-\U0001faff\ufe0f\u200d]")
CODE = [*files(".py"), ROOT / "linli"]
# What fails a test without the word: pytest's own, Playwright's, and our waits, which fail at their deadline.
SAYS_NO = {"raises", "warns", "fail", "expect", "until", "eventually", "settled"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def places(found: list[str]) -> str:
    return "\n" + "\n".join(found)


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{name(path)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, FUNCTIONS) and node.end_lineno and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long, places(long)


def test_no_file_hides_a_second_noun() -> None:
    long = [
        f"{name(path)}: {text(path).count(chr(10))} lines" for path in CODE if text(path).count("\n") > FILE_LINES_MAX
    ]
    assert not long, places(long)


def test_no_file_is_a_drawer() -> None:
    drawers = [name(path) for path in files(".py") if path.stem in DRAWERS and name(path) not in NOUNS]
    assert not drawers, places(drawers)


def test_every_file_of_code_says_what_it_is_for() -> None:
    silent = [name(path) for path in CODE if text(path).strip() and not ast.get_docstring(tree(path))]
    assert not silent, places(silent)


def test_no_emoji_where_a_person_reads() -> None:
    endings = (".py", ".html", ".po", ".js", ".css", ".toml", ".md", ".svg")
    shown = [path for ending in endings for path in files(ending) if not name(path).startswith("tests/")]
    found = [f"{name(path)}: {EMOJI.findall(text(path))[:3]}" for path in shown if EMOJI.search(text(path))]
    assert not found, places(found)


def test_no_error_is_swallowed_in_silence() -> None:
    silent = []
    for path in CODE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and _catches_all(node) and _does_nothing(node.body):
                silent.append(f"{name(path)}:{node.lineno}")
    assert not silent, places(silent)


def _catches_all(node: ast.ExceptHandler) -> bool:
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )


def _does_nothing(body: list[ast.stmt]) -> bool:
    empty = (ast.Pass, ast.Continue, ast.Break)
    return all(
        isinstance(step, empty) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
        for step in body
    )


def test_nothing_is_left_for_later() -> None:
    # The words are put together here, so that this file does not find itself.
    later = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")) + r")\b")
    found = [f"{name(path)}: {match[0]}" for path in CODE if (match := later.search(text(path)))]
    assert not found, places(found)


def test_the_five_rooms_are_ours_and_share_one_parent() -> None:
    assert not strangers()
    assert all((ROOT / room / "__init__.py").exists() for room in ROOMS)


def test_a_foreign_package_of_the_same_name_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for loaded in [module for module in sys.modules if module.split(".")[0] == "channels"]:
        monkeypatch.delitem(sys.modules, loaded)
    assert [word for word in strangers() if word.startswith("channels (")]


TESTS = [path for path in files(".py", "tests") if path.name.startswith("test_")]


def test_no_folder_of_tests_is_a_package() -> None:
    packages = [name(path) for path in files("__init__.py", "tests") if path.parent != ROOT / "tests"]
    assert not packages, "tests/hub/__init__.py would hide the real hub: " + ", ".join(packages)


def test_test_files_have_names_of_their_own() -> None:
    twice = [stem for stem, count in Counter(path.name for path in TESTS).items() if count > 1]
    assert not twice


def test_every_test_asserts_something() -> None:
    hollow = []
    for path in TESTS:
        asserting = {
            node.name for node in ast.walk(tree(path)) if isinstance(node, FUNCTIONS) and _asserts(node, frozenset())
        }
        for node in ast.walk(tree(path)):
            is_test = isinstance(node, FUNCTIONS) and node.name.startswith("test_")
            if is_test and not _asserts(node, frozenset(asserting - {node.name})):
                hollow.append(f"{name(path)}:{node.lineno} {node.name}")
    assert not hollow, places(hollow)


def _asserts(function: ast.AST, through: frozenset[str]) -> bool:
    """An assert, a `pytest.raises`, a wait with a deadline, or a call of something in this file that asserts."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in SAYS_NO or "assert" in called or called.startswith("wait_for") or called in through:
                return True
        if isinstance(node, ast.Name) and node.id in through:  # asyncio.run(scenario()), a state machine's class
            return True
    return False


def test_no_test_is_switched_off() -> None:
    off = re.compile(r"@pytest\.mark\.(skip|skipif|xfail)|pytest\.skip\(|unittest\.skip")
    found = [
        name(path) for path in TESTS if off.search(text(path).replace('"@pytest', "")) and path.name != "test_style.py"
    ]
    assert not found, "a test that needs a system package says so by needs(): " + ", ".join(found)


def test_a_swallowed_error_would_be_seen() -> None:
    bad = ast.parse("try:\n    x()\nexcept (ValueError, Exception):\n    pass\n").body[0]
    good = ast.parse("try:\n    x()\nexcept ValueError:\n    pass\n").body[0]
    assert isinstance(bad, ast.Try)
    assert isinstance(good, ast.Try)
    assert _catches_all(bad.handlers[0])
    assert not _catches_all(good.handlers[0])


def test_what_git_tracks_is_text_we_wrote() -> None:
    foreign = [
        name(path) for path in tracked() if path.suffix in (".whl", ".zip", ".gz", ".ttf", ".otf", ".woff2", ".mo")
    ]
    assert not foreign, places(foreign)

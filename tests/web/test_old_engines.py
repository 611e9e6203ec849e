"""What set-top boxes of 2015 must read: scripts that a parser of ES5 takes, plain CSS, and no newer words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from calmjs.parse.exceptions import ECMASyntaxError
from calmjs.parse.parsers.es5 import parse

from hub.module import discover

STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
CIVIC = STATIC.parents[1] / "hub" / "civic"
NEWER_SYNTAX = [
    r"=>", r"\b(?:let|const|class|async|await|yield|import|export|of)\b(?=[\s{(])", r"`", r"\.\.\.", r"\?\.", r"\?\?",
    r"\*\*", r"\bfunction\s*\*", r"for\s*\([^;)]*\bof\b", r"\{\s*\w+\s*(?:,\s*\w+\s*)*\}\s*=[^=]",
]  # fmt: skip
NEWER_WORDS = [
    r"\bfetch\(", r"\bPromise\b", r"\.includes\(", r"\.startsWith\(", r"\.endsWith\(", r"\.padStart\(", r"\.repeat\(",
    r"\bObject\.(?:assign|entries|values)\b", r"\bArray\.from\b", r"\bSymbol\b", r"\bnew (?:Map|Set|Proxy|URL|Event)\(",
    r"\bURLSearchParams\b", r"\.closest\(", r"\.classList\b", r"\.dataset\b", r"\.append\(", r"\.remove\(\)",
    r"\bIntersectionObserver\b", r"\bNumber\.is", r"\.find\(", r"\.forEach\(", r"\.isConnected\b",
]  # fmt: skip
NEWER_CSS = [
    r"var\(", r"calc\(", r"\bgrid\b", r"\bgap\s*:", r"\bflex\b", r"clamp\(", r"\bmin\(", r"\bmax\(", r"\binset\b",
    r":is\(", r":where\(", r":has\(", r"@supports", r"aspect-ratio", r"--\w",
    r"\d(?:rem|vw|vh|vmin|dvh)\b", r":focus-visible",
]  # fmt: skip


def bare(source: str) -> str:
    """The source without comments, strings and regular expressions."""
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    source = re.sub(r"(?<![\w)\]])/(?![/*])(?:\\.|\[(?:\\.|[^\]])*\]|[^/\n\\])+/[gimuy]*", "/x/", source)
    return re.sub(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", '""', source)


def found(patterns: list[str], text: str) -> list[str]:
    return [hit.group(0) for pattern in patterns for hit in re.finditer(pattern, text)]


@pytest.mark.parametrize("name", ["live.js", "tv.js", "page.js"])
def test_the_shell_s_scripts_are_es5(name: str) -> None:
    assert found(NEWER_SYNTAX, bare((STATIC / name).read_text())) == []


@pytest.mark.parametrize("name", ["live.js", "tv.js"])
def test_what_a_box_runs_asks_for_nothing_newer_than_es5(name: str) -> None:
    text = bare((STATIC / name).read_text())
    assert found(NEWER_WORDS, text) == []
    assert len((STATIC / name).read_bytes()) < 20_000


def test_the_scripts_of_every_slice_are_es5() -> None:
    for module in discover():
        for path in (CIVIC / module.name).glob("static/**/*.js"):
            assert found(NEWER_SYNTAX, bare(path.read_text())) == [], path.name


def test_a_parser_of_es5_reads_every_script() -> None:
    scripts = [*STATIC.glob("*.js"), *CIVIC.glob("*/static/**/*.js")]
    assert STATIC / "tv.js" in scripts
    for path in scripts:
        parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("newer", ["({a})", "({a() {}})", "var {a} = b", "function f(a = 1) {}", "try {} catch {}"])
def test_the_parser_refuses_what_no_list_of_words_would_see(newer: str) -> None:
    with pytest.raises(ECMASyntaxError):
        parse(newer)


def test_the_tv_s_sheet_is_plain() -> None:
    sheet = re.sub(r"/\*.*?\*/", "", (STATIC / "tv.css").read_text(), flags=re.S)
    assert found(NEWER_CSS, sheet) == []


@pytest.mark.parametrize(
    "newer",
    ["x => x", "let a = 1", "`a`", "f(...a)", "a?.b", "class A {}", "for (var a of b)", "async function f() {}"],
)
def test_the_list_knows_newer_syntax_when_it_sees_it(newer: str) -> None:
    assert found(NEWER_SYNTAX, bare(newer))
    assert found(NEWER_SYNTAX, bare(f'"{newer}" /* {newer} */')) == []


def test_a_picture_of_the_tv_never_asks_for_the_look_of_the_others() -> None:
    page = (STATIC.parent / "templates" / "tv.html").read_text()
    assert "tokens.css" not in page
    assert "web.css" not in page
    assert "page.js" not in page

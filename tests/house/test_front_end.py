"""What browsers get: script in the ES5 that set-top boxes know, our own colours, no address outside the house."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.sources import files, name, text, tree

STATIC = [path for ending in (".js", ".css", ".svg", ".json", ".webmanifest") for path in files(ending, "web", "hub")]
TEMPLATES = [path for path in files(".html", "web", "hub")]
# Names of standards, not addresses that a browser fetches.
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1999/xhtml")

NEWER = {
    "arrow function": r"=>",
    "let": r"(?<![.\w$])let\s+[\w$\[{]",
    "const": r"(?<![.\w$])const\s+[\w$\[{]",
    "class": r"(?<![.\w$])class\s+[\w$]+\s*(?:\{|extends)",
    "template string": r"`",
    "spread or rest": r"\.\.\.",
    "async": r"(?<![.\w$])async\s+(?:function|\()",
    "await": r"(?<![.\w$])await\s",
    "generator": r"function\s*\*",
    "import or export": r"(?:^|[;{}])\s*(?:import|export)\s",
    "optional chaining": r"\?\.(?!\d)",
    "nullish": r"\?\?",
    "power": r"\*\*",
    "for of": r"for\s*\([^)]*\sof\s",
    "destructuring": r"(?<![.\w$])var\s*[\[{]",
    "default parameter": r"function\s*[\w$]*\s*\([^)]*=",
    "method shorthand": r"[{,]\s*(?!if|for|while|switch|catch|function|with)[\w$]+\s*\([^()]*\)\s*\{",
    "property shorthand": r"[(=:,]\s*\{\s*[\w$]+\s*[,}]",
    "computed key": r"[{,]\s*\[[^\]]*\]\s*:",
    "catch without a name": r"catch\s*\{",
    "number with a separator": r"\b\d+_\d",
}
# Parts of a newer standard library; a service worker only runs where they are there.
NEWER_LIBRARY = {
    "fetch": r"(?<![.\w$])(?:window\.)?fetch\s*\(",
    "Promise": r"(?<![\w$])Promise(?![\w$])",
    "collections": r"new\s+(?:Map|Set|WeakMap|WeakSet|Proxy|URL|URLSearchParams|FormData)\s*\(",
    "Object": r"Object\.(?:assign|entries|values|fromEntries)\b",
    "Array": r"Array\.(?:from|of)\b",
    "text": r"\.(?:includes|startsWith|endsWith|padStart|padEnd|repeat)\s*\(",
    "search": r"\.(?:find|findIndex|flat|flatMap|closest|matches)\s*\(",
    "dom": r"\.(?:append|prepend|replaceWith|replaceChildren|after|before)\s*\(",
    "toggle with force": r"classList\.toggle\s*\([^,()]*,",
}
_NOISE = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|(?<=[(=,:!&|?{};\n])\s*/(?![*/])(?:\\.|\[[^\]\n]*\]|[^/\\\n])+/[gimy]*",
    re.DOTALL,
)


def bare(script: str) -> str:
    """The script without its comments, strings and regular expressions."""
    return _NOISE.sub(lambda found: '""' if found[0].lstrip()[0] in "\"'" else " ", script)


def newer(script: str, worker: bool = False) -> list[str]:
    rules = NEWER if worker else NEWER | NEWER_LIBRARY
    return [rule for rule, pattern in rules.items() if re.search(pattern, bare(script), re.MULTILINE)]


def test_scripts_are_what_a_set_top_box_understands() -> None:
    found = {name(path): newer(text(path), path.name == "sw.js") for path in files(".js")}
    assert not {path: words for path, words in found.items() if words}


@pytest.mark.parametrize(
    "modern",
    [
        "var f = (a) => a;",
        "let x = 1;",
        "for (const x of y) {}",
        "var s = `a`;",
        "f(...a);",
        "var o = {a(b) { return b; }};",
        "var o = {a, b};",
        "class A {}",
        "a?.b",
        "a ?? b",
        "var {a} = b;",
        "function f(a = 1) {}",
        "async function f() {}",
        "try { x(); } catch { y(); }",
        "window.fetch('/x')",
        "'ab'.includes('a')",
        "e.classList.toggle('on', yes)",
    ],
)
def test_modern_script_is_seen(modern: str) -> None:
    assert newer(modern)


@pytest.mark.parametrize(
    "old",
    [
        "// let us use `const` => here\nvar a = 'let x = `y`';",
        "var r = /=>|`/g, n = a ? b : c; if (a) { f(b); } else { g(c); }",
        "var o = {a: 1, 'b': function (x) { return x; }}; for (var k in o) { f(k); }",
        "e.classList.toggle('on'); letter = 1; constant = 2; o.class = 3; try { x(); } catch (e) { y(e); }",
        "var url = 'ws://' + location.host; switch (a) { case 1: f(); break; }",
    ],
)
def test_old_script_passes(old: str) -> None:
    assert not newer(old)


def test_no_page_reaches_outside_the_house() -> None:
    found = []
    for path in [*STATIC, *TEMPLATES]:
        words = text(path)
        for namespace in NAMESPACES:
            words = words.replace(namespace, "")
        attributes = re.findall(
            r"""(?:src|href|action|srcset|poster|data)\s*=\s*["'](?:https?:)?//[^"']*|url\(\s*["']?(?:https?:)?//[^)]*|@import\s[^;]*//[^;]*|["'](?:https?|wss?)://[\w.-]+[^"']*""",
            words,
        )
        found += [f"{name(path)}: {address}" for address in attributes]
    assert not found, "\n" + "\n".join(found)


def test_pages_carry_no_inline_script_or_style() -> None:
    """CSP `default-src 'self'` would drop them without a word."""
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)[^>]*>|<style[\s>]|<[^>{]*\sstyle\s*=|<[^>{]*\son[a-z]+\s*=|javascript:", re.IGNORECASE
    )
    data_only = re.compile(r'<script[^>]*type="application/(?:ld\+)?json"[^>]*>')
    found = [
        f"{name(path)}: {match[0]}" for path in TEMPLATES for match in inline.finditer(data_only.sub("", text(path)))
    ]
    assert not found, "\n" + "\n".join(found)


COLOUR = re.compile(
    r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b|\b(?:rgb|rgba|hsl|hsla|oklch|lab)\(", re.IGNORECASE
)
NAMED = re.compile(
    r":\s*(?:[^;{}]*\s)?(white|black|red|green|blue|gold|orange|yellow|gr[ae]y|silver|navy|teal|maroon|purple|pink|brown)\s*[;}!]"
)
# Engines without custom properties (TVs of 2016) need the value itself: there it must be one of the tokens'.
LITERAL = {"tv.css"}


def colours(path: Path) -> list[str]:
    words = re.sub(r"/\*.*?\*/", "", text(path), flags=re.DOTALL)
    if path.suffix == ".css":
        values = " ".join(re.findall(r":[^;{}]*[;}]", re.sub(r"url\([^)]*\)", "", words)))
        return COLOUR.findall(values) + NAMED.findall(words)
    words = re.sub(
        r"""<meta[^>]*theme-color[^>]*>|(?:href|for|id|aria-\w+|xlink:href)\s*=\s*["'][^"']*["']|&#\w+;|\{#.*?#\}""",
        "",
        words,
    )
    return re.findall(
        r"""(?:fill|stroke|color|stop-color|background)\s*[=:]\s*["']?\s*(?:#[0-9a-fA-F]{3,8}|rgba?\(|hsla?\()""", words
    )


def test_no_page_has_colours_of_its_own() -> None:
    tokens = {found.lower() for path in files("tokens.css", "web") for found in COLOUR.findall(text(path))}
    found = []
    for path in [*files(".css", "web", "hub"), *TEMPLATES]:
        if path.name == "tokens.css":
            continue
        allowed = tokens if path.name in LITERAL else set()
        found += [f"{name(path)}: {colour}" for colour in colours(path) if colour.lower() not in allowed]
    assert not found, "\n" + "\n".join(sorted(set(found)))


def test_a_colour_of_its_own_would_be_seen(tmp_path: Path) -> None:
    sheet, page = tmp_path / "a.css", tmp_path / "a.html"
    sheet.write_text(
        "#abc{color:var(--ok)} .b{color:#abc;background:url(x.svg#def);border:1px solid white}", encoding="utf-8"
    )
    page.write_text('<a href="#add"><svg><path fill="#0c6b53" stroke="currentColor"/></svg></a>', encoding="utf-8")
    assert colours(sheet) == ["#abc", "white"]
    assert len(colours(page)) == 1


def test_drawings_are_well_formed() -> None:
    for path in files(".svg"):
        assert ElementTree.fromstring(text(path)).tag.endswith("svg"), name(path)  # noqa: S314 - our own files


def waits(path: Path) -> list[str]:
    """The first argument of each `wait_for_function` of one test file, where it stands there as text."""
    if "wait_for_function" not in text(path):
        return []
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and node.args]
    named = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "wait_for_function"]
    first = [call.args[0] for call in named]
    return [str(word.value) for word in first if isinstance(word, ast.Constant)]


def test_every_browser_test_waits_by_a_function_because_our_policy_forbids_eval() -> None:
    """An expression is polled with `eval`; it passes by luck when true at once and fails on a slower machine."""
    said = [(name(path), word) for path in files(".py", "tests") for word in waits(path)]
    assert len(said) >= 5
    assert [where for where in said if "=>" not in where[1]] == []

"""What the Markdown pages name is there: commands with their flags, files, modules, tests, addresses, knobs."""

from __future__ import annotations

import importlib.util
import posixpath
import re
from collections.abc import Iterator
from fnmatch import filter as matching
from functools import cache
from typing import Any

import pytest
import typer

from hub import cli
from hub.main import admin
from simulators.cli import app as simulate
from tests.sources import files, name, text, tracked

FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
WORD = re.compile(r"[a-z][a-z|-]*")
FILE = re.compile(r"(?<![\w/.{<$*'-])(?:\.\./)*(?:[\w.-]+/)*[\w-]+\.(?:py|toml|po|md|css|js|svg|html)(?![\w{<'])")
OF_THE_READER = {
    "linli.toml",
    "gateway.toml",
    "utils.py",
    "pigeon.py",
    "test_x.py",
    "file.css",
    "x.js",
}  # an operator's, or examples
PAGES = files(".md")


@cache
def spans(page: str) -> tuple[str, ...]:
    """Everything that a page sets as code, line by line."""
    words = next(text(path) for path in PAGES if name(path) == page)
    fenced = [line for block in FENCE.findall(words) for line in block.splitlines()]
    indented = [line for line in words.splitlines() if line.startswith("    ")]
    return (*fenced, *indented, *re.findall(r"`([^`\n]+)`", FENCE.sub("", words)))


def said() -> Iterator[tuple[str, str]]:
    return ((name(page), span) for page in PAGES for span in spans(name(page)))


@cache
def program() -> Any:
    whole = typer.Typer()
    whole.registered_commands.extend(cli.app.registered_commands)  # not the app itself: another test reads its groups
    admin.register(whole)
    whole.add_typer(simulate, name="simulate")
    return typer.main.get_command(whole)


def unknown(call: str) -> list[str]:
    """Words and flags of one typed command that the program has not."""
    node, words = program(), call.split()
    while words and hasattr(node, "commands") and WORD.fullmatch(words[0]):
        several = words.pop(0).split("|")
        if absent := [word for word in several if word not in node.commands]:
            return absent
        node = node.commands[several[0]]
    if node.context_settings.get("ignore_unknown_options"):  # bench and test hand on what they do not know
        return []
    flags = {flag for option in node.params for flag in (*option.opts, *option.secondary_opts)} | {"--help"}
    return [word for word in re.findall(r"(?<!\S)\[?(--[a-z-]+)", " ".join(words)) if word not in flags]


def test_every_command_that_a_page_names_is_there_with_its_flags() -> None:
    calls = [(page, call) for page, span in said() for call in re.findall(r"(?:^|\s|\./)linli +(.*)", span)]
    assert len(calls) > 60
    assert not {(page, call): wrong for page, call in calls if (wrong := unknown(call))}


@pytest.mark.parametrize("call", ["db upgarde", "area list --colour", "simulate hut|cat", "nothing"])
def test_a_command_that_is_not_there_is_seen(call: str) -> None:
    assert unknown(call)


def test_every_file_that_a_page_names_is_there() -> None:
    have = {name(path) for path in tracked()}
    bare = {path.rsplit("/", 1)[-1] for path in have}
    named = {(page, file) for page, span in said() for file in FILE.findall(span.split("://")[0])}
    assert len(named) > 400
    absent = []
    for page, file in named:
        rooms = (posixpath.dirname(page), "", "hub", "web", "web/static")
        ways = [posixpath.normpath(posixpath.join(room, file)) for room in rooms]
        last = file.rsplit("/", 1)[-1]
        if last not in OF_THE_READER and (last not in bare or ("/" in file and not have.intersection(ways))):
            absent.append((page, file))
    assert not absent


def test_every_module_and_decision_that_a_page_names_is_there() -> None:
    modules = {(page, word) for page, span in said() for word in re.findall(r"python -m ([\w.]+)", span)}
    assert len(modules) > 8
    assert not [one for one in modules if importlib.util.find_spec(one[1]) is None]
    numbers = {path.name[:4] for path in files(".md", "hub") if "/decisions/" in name(path)}
    named = {(name(page), number) for page in PAGES for number in re.findall(r"decision (\d{4})", text(page))}
    assert not [one for one in named if one[1] not in numbers]


def test_every_test_that_a_page_names_is_there() -> None:
    defined = {word for path in files(".py", "tests") for word in re.findall(r"def (test_\w+)", text(path))}
    defined |= {path.stem for path in files(".py", "tests")} | {"test_x", "test_name"}
    named = {(name(page), word) for page in PAGES for word in re.findall(r"\btest_\w+", text(page))}
    assert len(named) > 200
    # A page may say the beginning and leave the rest to dots: `test_a_forger_...`.
    assert not [one for one in named if one[1] not in defined and not matching(defined, one[1].rstrip("_") + "_*")]


def test_every_address_that_a_page_names_is_served() -> None:
    """By its parts: a router may begin with another file's constant."""
    served = {
        part
        for path in (*files(".py", "hub", "web", "simulators"), *files(".html", "hub", "web"))
        for part in re.findall(r"/([a-z][\w.-]*)", text(path))
    }
    addresses = {
        (page, found[1])
        for page, span in said()
        if (found := re.fullmatch(r"(?:[A-Z]+ )?((?:/[a-z{][\w.{}-]*)+)/?(?:\?.*)?", span.strip()))
    }
    assert len(addresses) > 100
    parts = ((one, part) for one in addresses for part in one[1].strip("/").split("/") if "{" not in part)
    assert not [one for one, part in parts if part not in served]

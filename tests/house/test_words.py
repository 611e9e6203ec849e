"""Two languages, both complete: every text shown has a Chinese translation, and no translation is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hub.i18n import read_po
from tests.sources import files, name, text, tree

ROOMS = ("hub", "web", "channels", "devices")
# Titles that a slice or a core file declares as plain text and the shell translates when it draws them.
DECLARED = {"Module": ("title",), "Card": ("title",), "Nav": ("title",)}
_IN_TEMPLATE = re.compile(
    r"""(?<![\w.])N?_\(\s*((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')(?:\s*(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))*)"""
)


@cache
def spoken(path: Path) -> tuple[str, ...]:
    """The msgids of one file."""
    return tuple(_spoken(path))


def _spoken(path: Path) -> Iterator[str]:
    if path.suffix == ".html":
        for found in _IN_TEMPLATE.finditer(re.sub(r"\{#.*?#\}", "", text(path), flags=re.DOTALL)):
            yield ast.literal_eval(f"({found[1]})")
        return
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0] if node.args else None
        if called in ("_", "N_") and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value
        for word in node.keywords:
            if word.arg in DECLARED.get(called, ()) and isinstance(word.value, ast.Constant) and word.value.value:
                yield str(word.value.value)


SPEAKING = [*files(".py", *ROOMS), *files(".html", *ROOMS), *files(".xml", *ROOMS)]
CATALOGUES = [path for path in files("zh.po", *ROOMS) if path.parent.name == "locale"]


def catalogue() -> dict[str, str]:
    merged: dict[str, str] = {}
    for path in CATALOGUES:
        merged |= read_po(text(path))
    return merged


def test_every_text_has_a_chinese_translation() -> None:
    known = catalogue()
    missing = sorted(
        {f"{name(path)}: {msgid!r}" for path in SPEAKING for msgid in spoken(path) if msgid and msgid not in known}
    )
    assert not missing, "\n" + "\n".join(missing)


def test_no_translation_is_left_over() -> None:
    said = {msgid for path in SPEAKING for msgid in spoken(path)}
    # A text may also stand in a table and be translated where it is shown: then the very words are in a string.
    elsewhere = {
        node.value
        for path in files(".py", *ROOMS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    unused = [
        f"{name(path)}: {msgid!r}"
        for path in CATALOGUES
        for msgid in read_po(text(path))
        if msgid not in said | elsewhere
    ]
    assert not unused, "\n" + "\n".join(unused)


def test_a_text_is_translated_in_one_way() -> None:
    first: dict[str, tuple[Path, str]] = {}
    torn = []
    for path in CATALOGUES:
        for msgid, words in read_po(text(path)).items():
            where, before = first.setdefault(msgid, (path, words))
            if before != words:
                torn.append(f"{msgid!r}: {name(where)} says {before!r}, {name(path)} says {words!r}")
    assert not torn, "\n" + "\n".join(torn)


def test_a_translation_keeps_its_places_and_speaks_chinese() -> None:
    place = re.compile(r"\{(\w*)[^}]*\}")
    wrong = []
    for path in CATALOGUES:
        for msgid, words in read_po(text(path)).items():
            if sorted(place.findall(msgid)) != sorted(place.findall(words)):
                wrong.append(f"{name(path)}: {msgid!r} -> {words!r}")
    assert not wrong, "\n" + "\n".join(wrong)


# Words that the contracts quote to the letter.
QUOTED = ("演示数据,均为虚构", "测量未成功,请再测一次", "演示:刷卡", "演示:量血压")


def test_chinese_is_set_with_chinese_punctuation() -> None:
    latin = re.compile(r"[\u4e00-\u9fff][,;?!:]|[,;?!][\u4e00-\u9fff]|[\u4e00-\u9fff]\(|\)[\u4e00-\u9fff]")
    wrong = []
    for path in CATALOGUES:
        for words in read_po(text(path)).values():
            plain = words.replace("时:分", "")
            for quoted in QUOTED:
                plain = plain.replace(quoted, "")
            if latin.search(plain):
                wrong.append(f"{name(path)}: {words!r}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_words_of_a_page_are_found(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("""{{ _("Points") }} {# _("no") #} {{ _('It\\'s "here"') }} {{ my_("x") }}""", encoding="utf-8")
    assert list(spoken(page)) == ["Points", 'It\'s "here"']

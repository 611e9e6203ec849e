"""Two languages: msgids are English, Simplified Chinese stands in `locale/zh.po` beside the code that speaks.

Every package of ours may carry a `locale/zh.po`; the loader finds them all at start, so a new slice edits no list. The
language of the moment is a context variable, set per request, per rendered fragment and per delivery.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from hub.counted import counted

LANGUAGES = ("zh", "en")
_language: ContextVar[str] = ContextVar("linli_language", default="zh")


def language() -> str:
    return _language.get()


@contextmanager
def speaking(lang: str) -> Iterator[None]:
    token = _language.set(lang if lang in LANGUAGES else "zh")
    try:
        yield
    finally:
        _language.reset(token)


def _(msgid: str) -> str:
    return translate(msgid, _language.get())


def N_(msgid: str) -> str:
    return msgid


def translate(msgid: str, lang: str) -> str:
    """English is what is written in the code, but for ids that are no words (`wechat`): those stand in an en.po."""
    said = catalogue(lang).get(msgid, msgid)
    return _english(said) if lang == "en" else said


def pick(zh: str, en: str) -> str:
    """The text of a data row that carries both languages."""
    return zh if _language.get() == "zh" or not en else en


@cache
def _english(said: str) -> str:
    return counted(said)


@cache
def catalogue(lang: str = "zh") -> dict[str, str]:
    root = Path(__file__).resolve().parent.parent
    merged: dict[str, str] = {}
    for room in ("hub", "web", "channels", "devices"):
        for path in sorted((root / room).rglob(f"locale/{lang}.po")):
            merged.update(read_po(path.read_text(encoding="utf-8")))
    return merged


def read_po(text: str) -> dict[str, str]:
    """The msgid/msgstr pairs of a .po file: no plurals, no contexts, which is all we use."""
    pairs: dict[str, str] = {}
    msgid, msgstr, current = "", "", ""
    for line in [*text.splitlines(), 'msgid ""']:
        stripped = line.strip()
        if stripped.startswith("msgid "):
            if msgid:
                pairs[msgid] = msgstr
            msgid, msgstr, current = ast.literal_eval(stripped[6:]), "", "msgid"
        elif stripped.startswith("msgstr "):
            msgstr, current = ast.literal_eval(stripped[7:]), "msgstr"
        elif stripped.startswith('"'):
            if current == "msgid":
                msgid += ast.literal_eval(stripped)
            else:
                msgstr += ast.literal_eval(stripped)
    return {key: value for key, value in pairs.items() if value}

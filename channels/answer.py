"""What somebody means who answers a message in their own words: 收到, 有疑问, 需要帮助, 退订, or none of them.

A telephone sends full-width digits, blanks, stops and a tone of voice; all of that is taken off before a word is looked
up. Whoever cannot be understood is told so once; nothing is guessed where a guess would open or close anything.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal, TypeAlias

from channels.base import Button

Kind: TypeAlias = Literal["received", "question", "help", "stop", ""]

BUTTONS = (Button("收到", "answer-received"), Button("有疑问", "answer-question"), Button("需要帮助", "answer-help"))
MENU = {"answer-received": "1", "answer-question": "2", "answer-help": "3"}  # what a button's key says

CHARS_MAX = 500  # two long text messages; what is longer is no answer to look words up in
_WORDS: dict[Kind, tuple[str, ...]] = {
    "received": (
        "1", "收到", "收到了", "已收到", "我收到了", "收到谢谢", "收到好的", "好的收到", "好", "好的", "已知晓",
        "知晓", "知道", "知道了", "我知道了", "明白", "明白了", "ok", "okay", "received",
    ),
    "question": ("2", "有疑问", "我有疑问", "有问题", "我有问题", "疑问", "question"),
    "help": ("3", "需要帮助", "我需要帮助", "求助", "帮助", "请帮忙", "帮帮我", "救命", "help"),
    "stop": ("t", "td", "n", "stop", "退订", "unsubscribe"),
}  # fmt: skip
_LEADS: tuple[tuple[str, Kind], ...] = (
    ("2", "question"),
    ("3", "help"),
    ("有疑问", "question"),
    ("有问题", "question"),
    ("需要帮助", "help"),
    ("求助", "help"),
)
_ASKS = ("?", "吗", "呢", "么")


@dataclass(frozen=True, slots=True)
class Said:
    """`text` is what a question or a call for help says beyond its number or word."""

    kind: Kind
    text: str = ""


def understood(words: str) -> Said:
    """Pure; never raises. An empty kind is not understood."""
    # NFKC makes １ a 1 and ？ a ?, whatever keyboard it was typed on.
    plain = unicodedata.normalize("NFKC", words[:CHARS_MAX]).strip()
    bare = _bare(plain)
    for kind, known in _WORDS.items():
        if bare in known:
            return Said(kind)
    for lead, kind in _LEADS:
        rest = plain.removeprefix(lead)
        # "2号楼" and "3天" are no answers: after a digit there must be a stop or a blank.
        if rest != plain and rest and (not lead.isdigit() or not rest[0].isalnum()):
            text = rest.lstrip(" \t\r\n,.;:!?、。-，；：！")
            return Said(kind, text) if text else Said(kind)
    if bare and plain.rstrip(" !.。~").endswith(_ASKS):
        return Said("question", plain)
    return Said("")


def _bare(plain: str) -> str:
    """Letters and digits only, without blanks, in small letters."""
    return "".join(char for char in plain.casefold() if char.isalnum())

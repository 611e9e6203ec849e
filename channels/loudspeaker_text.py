"""What a loudspeaker says of a notice: sentences in the order of a poster, no markup, short enough to listen to."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from channels import words
from channels.base import RETRACTION, Message
from channels.loudspeaker_words import said
from channels.text import clean, one_line

CHARS_MAX = 420  # about 100 s at a voice's four characters a second; nobody stands still for longer
EMERGENCY_TIMES = 2  # the first time one only notices that something is said

_OPENING = {
    "urgent": ("紧急通知。", "Urgent notice."),
    "emergency": ("紧急通知，紧急通知。", "Attention. This is an emergency."),
    "drill": ("演练，演练，这是演练，不是真的。", "This is a drill. This is only a drill."),
}
_PLAIN_OPENING = ("通知。", "Notice.")
_WITHDRAWN = ("刚才的通知已经撤回。", "The earlier notice is withdrawn.")
_DRILL_OVER = ("以上是演练。", "This was a drill.")
_STOPS = "。！？；!?;"
_PAUSES = {
    "，": "，",
    ",": "，",
    "、": "、",
    "：": "，",
    ":": "，",
    "—": "，",
    "…": "，",
    "\t": "，",
    "/": "，",
    "|": "，",
}
_SENTENCE = re.compile(rf"[^{_STOPS}\n]+[{_STOPS}]?")
_ENGLISH_SENTENCE = re.compile(r"[^!?;\n]+?(?:[!?;]+|\.(?=\s|$)|(?=\n)|$)")
_ENGLISH_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])(?!\s*[ap]m)")
_ENGLISH_PHONE = re.compile(r"(?<![\d.:])\+?\d[\d-]{4,}\d(?![\d:])|\b1[12]\d\b")


@dataclass(frozen=True)
class Speech:
    text: str
    times: int
    cut: bool


def speech(message: Message) -> Speech:
    """Pure: the same notice always sounds the same."""
    zh = message.lang.startswith("zh")
    drill = message.priority == "drill"
    opening = _WITHDRAWN if message.kind == RETRACTION else _OPENING.get(message.priority, _PLAIN_OPENING)
    head = [_pick(opening, zh), *_spoken(one_line(message.title), zh)]
    tail = [*_spoken(one_line(message.issuer), zh), *([_pick(_DRILL_OVER, zh)] if drill else [])]
    body = [] if message.kind == RETRACTION else _spoken(clean(message.text), zh)
    elsewhere = words.whole_text_elsewhere(message)
    room = CHARS_MAX - sum(map(len, [*head, *tail]))
    kept, cut = _fitting(body, room, elsewhere)
    whole = "".join([*head, *kept, *tail]) if zh else " ".join([*head, *kept, *tail])
    if len(whole) > CHARS_MAX:  # a title or an issuer of a whole page: what it is about counts
        whole, cut = whole[: CHARS_MAX - len(elsewhere)] + elsewhere, True
    return Speech(whole, EMERGENCY_TIMES if message.priority == "emergency" else 1, cut)


def _fitting(body: list[str], room: int, elsewhere: str) -> tuple[list[str], bool]:
    """Whole sentences as long as they fit; where some are left out, it is said where they are."""
    if sum(len(each) + 1 for each in body) <= room:
        return body, False
    kept: list[str] = []
    for each in body:
        if sum(len(one) + 1 for one in [*kept, each, elsewhere]) > room:
            break
        kept.append(each)
    return [*kept, elsewhere], True


def _spoken(text: str, zh: bool) -> list[str]:
    """Sentences with nothing in them but what can be said."""
    found = []
    for sentence in (_SENTENCE if zh else _ENGLISH_SENTENCE).findall(text):
        line = _sayable(said(sentence) if zh else _english(sentence), zh).rstrip("，、,. ").lstrip("，、,. ")
        if any(char.isalnum() for char in line):
            found.append(line if line[-1] in _STOPS else f"{line}{'。' if zh else '.'}")
    return found


def _english(sentence: str) -> str:
    return _ENGLISH_PHONE.sub(lambda digits: " ".join(filter(str.isdigit, digits[0])), _ENGLISH_TIME.sub(_at, sentence))


def _at(found: re.Match[str]) -> str:
    hour, minute = int(found[1]), int(found[2])
    return f"{hour % 12 or 12}{f' {minute:02}' if minute else ''} {'am' if hour < 12 else 'pm'}"


def _sayable(text: str, zh: bool) -> str:
    """Letters, figures and pauses; brackets, stars, signs and pictures are for the eye."""
    made = ""
    for char in text:
        if (
            char.isalnum()
            or char in _STOPS
            or (char in " '.-" and not zh)
            or unicodedata.category(char) in ("Mn", "Mc")
        ):
            made += char
        elif made and made[-1] not in "，,、" and made[-1] not in _STOPS:
            made = made.rstrip(" ") + _pause(char, zh)
    return made


def _pause(char: str, zh: bool) -> str:
    if char == " ":
        return " " if not zh else ""
    if char in _PAUSES:
        return _PAUSES[char] if zh else ", "
    return "，" if char in "（）()【】《》[]" and zh else ", " if char in "()[]" else ""


def _pick(said_words: tuple[str, str], zh: bool) -> str:
    return said_words[0] if zh else said_words[1]

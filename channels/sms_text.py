"""What a text message may hold: reviewed templates, clean variables, how many parts it is billed as."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from channels.base import RETRACTION, Message
from channels.text import clean, cut, one_line, without_salutation

PART_CHARS, LONG_PART_CHARS, TEXT_CHARS_MAX = 70, 67, 500  # a long message spends 3 of each 70 on joining the parts
VARIABLE_CHARS_MAX = 35  # what reviewers allow for one variable
AREA_CHARS_MAX = 20
TO_ONE = ("answer", "heard", "unclear")  # what goes back to somebody who wrote to us; all else for one stays unnamed
_ELSEWHERE = ("详情请看电视或手机网页", "See the TV or the web page.")
_UNNAMED = ("社区", "Community")
_WITHOUT_SUBJECT = ("请看公告", "please read the notice")

_LINK = re.compile(
    r"(?i)(?:https?://|www\.)[!-~]*|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:cn|com|net|org|top|vip|xyz|cc|me|io)\b\S*"
)
# Chinese mobiles, landlines with their area code, service numbers; 2026-11-22 and 20:00 are none of them.
_PHONE = re.compile(
    r"(?<!\d)(?:\+?86[- ]?)?(?:\d{7,}|1[3-9]\d[- ]?\d{4}[- ]?\d{4}|0\d{2,3}[- ]\d{7,8}|[48]00[- ]?\d{3,4}[- ]?\d{3,4})"
)
_WIDE_DIGITS = {ord(wide): narrow for wide, narrow in zip("０１２３４５６７８９－．", "0123456789-.", strict=True)}
# 【】 would read as a second signature, ${} as a variable: both are grounds for refusal at the provider.
_MARKS = str.maketrans({"【": "“", "】": "”", "$": "", "{": "", "}": ""})
_SENTENCE = re.compile(r"(?<=[。！？!?；;\n])")


@dataclass(frozen=True)
class Filled:
    """A template with its variables, and what the phone will show."""

    template: str
    variables: tuple[tuple[str, str], ...]
    text: str
    cut: bool


def parts(text: str) -> int:
    units = len(text.encode("utf-16-le")) // 2  # the air counts UTF-16 units: a rare character or an emoji is two
    return 1 if units <= PART_CHARS else -(-units // LONG_PART_CHARS)


def template_of(message: Message) -> str:
    if message.kind == RETRACTION:
        return "withdrawn"
    if message.personal:
        return message.kind if message.kind in TO_ONE else "personal"
    return message.priority if message.priority in ("urgent", "emergency", "drill") else "notice"


def fill(message: Message, sign: str, contact: str) -> Filled:
    zh = message.lang.startswith("zh")
    name = f"{template_of(message)}-{'zh' if zh else 'en'}"
    title, whole = variable(message.title), _allowed(message.text).rstrip("。.；;，, ")
    text = cut(whole, VARIABLE_CHARS_MAX)
    values = {
        "area": cut(_plain(message.area_name), AREA_CHARS_MAX) or _pick(_UNNAMED, zh),
        "title": title or _pick(_WITHOUT_SUBJECT, zh),
        "text": text or _pick(_ELSEWHERE, zh),
    }
    reviewed = approved_texts(contact)[name]
    wanted = tuple((key, value) for key, value in values.items() if f"${{{key}}}" in reviewed)
    # One pass, so that nothing a variable holds is filled in again.
    said = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], reviewed)
    shortened = "text" in dict(wanted) and (
        title != _plain(message.title) or text != one_line(without_salutation(message.text))
    )
    return Filled(name, wanted, f"【{sign}】{said}", cut=shortened)


def variable(text: str, chars_max: int = VARIABLE_CHARS_MAX) -> str:
    """One line that a reviewer would let through: no link, no telephone number, no second signature."""
    return cut(one_line(_PHONE.sub(" ", _LINK.sub(" ", _plain(text)))), chars_max)


def _allowed(text: str) -> str:
    """Without the sentences that hold what is not allowed: half a sentence would say something else."""
    plain = without_salutation(clean(text)).translate(_MARKS)
    kept = [each for each in _SENTENCE.split(plain) if not _refused(each)]
    return re.sub(r"(?<=[，。；：！？]) ", "", one_line("".join(kept)))  # each character is paid for


def _refused(sentence: str) -> bool:
    narrow = sentence.translate(_WIDE_DIGITS)
    return bool(_LINK.search(narrow) or _PHONE.search(narrow))


def _plain(text: str) -> str:
    return one_line(text.translate(_MARKS)).translate(_WIDE_DIGITS)


def _pick(said: tuple[str, str], zh: bool) -> str:
    return said[0] if zh else said[1]


@cache
def reviewed_texts() -> dict[str, dict[str, str]]:
    """Template -> language -> text, as it was handed in for review."""
    table = tomllib.loads((Path(__file__).parent / "sms_templates.toml").read_text(encoding="utf-8"))
    return {name: texts for name, texts in table.items() if isinstance(texts, dict)}


def approved_texts(contact: str) -> dict[str, str]:
    """What to hand in for review, by our own names: `notice-zh` and so on."""
    return {
        f"{name}-{lang}": text.replace("{contact}", contact)
        for name, texts in reviewed_texts().items()
        for lang, text in texts.items()
    }

"""The fields of a kind made into the text of a notice, in the body order of a standard poster, in both languages.

Pure: what a person typed, the hour and the zone in; the text, or one sentence about what to change, out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from channels.text import clean, one_line
from hub.civic.notices.kinds import Field, Kind, en_day, zh_day
from hub.errors import Refused
from hub.i18n import _

TIMES = ("begin", "end")
AHEAD_DAYS_MAX = 366  # 2062 for 2026 is a slip of the finger, not a plan
_PHONE = re.compile(r"\+?\d(?:[\d -]{0,18}\d)?(?:(?:转|ext\.? ?)\d{1,6})?")
_PHONES = re.compile(r"\s*[、，,；;/]\s*")
_STOPS = "。．.；;，,、 \n"
_WIDE = str.maketrans("０１２３４５６７８９－（）＋　", "0123456789-()+ ")


@dataclass(frozen=True, slots=True)
class Built:
    text: str
    text_en: str  # empty: nobody translated it
    ends: datetime | None  # when what it tells of is over


@dataclass(frozen=True, slots=True)
class _Span:
    """A time as typed: local and naive, days without an hour in `days` kinds."""

    begin: datetime | None
    end: datetime | None
    whole_days: bool


def names(kind: Kind) -> tuple[str, ...]:
    """Every value the kind's fields are made of."""
    found = [name for each in kind.fields for name in ((each.id, f"{each.id}_en") if each.bilingual else (each.id,))]
    return (*found, *TIMES) if kind.shape != "words" else tuple(found)


def built(kind: Kind, values: Mapping[str, str], now: datetime, zone: str) -> Built:
    """The text of these values, or one sentence about the first thing that is wrong."""
    said = {name: clean(values.get(name, "")) for name in names(kind)}
    span = _span(kind, said, now.astimezone(ZoneInfo(zone)))
    for each in kind.fields:
        _checked(kind, each, said)
    english = _has_english(kind, said)
    today = now.astimezone(ZoneInfo(zone)).date()
    lines = [_line(each, said, span, "zh", today) for each in kind.fields]
    lines_en = [_line(each, said, span, "en", today) for each in kind.fields] if english else []
    return Built(
        "\n".join(line for line in lines if line), "\n".join(line for line in lines_en if line), _over(span, zone)
    )


def phone(typed: str) -> str:
    """One or several telephone numbers as they will stand on a poster."""
    plain = one_line(typed).translate(_WIDE).replace("(", "").replace(")", "-")
    for number in filter(None, _PHONES.split(plain)):
        if not _PHONE.fullmatch(number) or not 3 <= sum(map(str.isdigit, number)) <= 20:
            raise Refused(_("This is no telephone number: {number}").format(number=number))
    return "、".join(filter(None, _PHONES.split(plain)))


def kept(kind: Kind, values: Mapping[str, str]) -> str:
    """As the notice keeps them, so that a correction or a copy finds each in its place again."""
    said = {name: clean(values.get(name, "")) for name in names(kind)}
    return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False, sort_keys=True)


def read(text: str) -> dict[str, str]:
    return {str(name): str(value) for name, value in json.loads(text).items()} if text else {}


def _checked(kind: Kind, each: Field, said: Mapping[str, str]) -> None:
    parts = [each.id, f"{each.id}_en", *(TIMES if each.type == "time" else ())]
    given = [said.get(part, "") for part in parts]
    if each.id in kind.needs and not given[0] and not (each.type == "time" and said.get("begin")):
        raise Refused(_("Fill in: {field}").format(field=each.name))
    if each.type == "number" and given[0] and not re.fullmatch(r"[1-9][0-9]{0,4}", given[0].translate(_WIDE)):
        raise Refused(_("{field} is a whole number").format(field=each.name))
    if any(
        len(value) > each.chars * (2 if part.endswith("_en") else 1) for part, value in zip(parts, given, strict=True)
    ):
        raise Refused(_("{field} has at most {n} characters").format(field=each.name, n=each.chars))


def _has_english(kind: Kind, said: Mapping[str, str]) -> bool:
    """All of it or none: half a translation would keep the rest from those who read only English."""
    told = [each for each in kind.fields if each.bilingual and said[each.id] and each.id != "salutation"]
    lacking = [each for each in told if not said[f"{each.id}_en"]]
    if len(lacking) == len(told):
        return False
    if lacking:
        sentence = _("The English side lacks: {field}; fill it in, or leave the whole English side empty")
        first = lacking[0]
        more = first.type == "time" and kind.shape != "words"
        raise Refused(sentence.format(field=_("More about the time") if more else first.name))
    return True


def _line(each: Field, said: Mapping[str, str], span: _Span, lang: str, today: date) -> str:
    zh = lang == "zh"
    value = said.get(each.id if zh or not each.bilingual else f"{each.id}_en", "")
    if each.type == "time":
        value = _time(span, value, lang, today)
    if each.type == "number":
        value = value.translate(_WIDE)
    value = value.strip(_STOPS) if each.id != "salutation" else value.strip("：:，, ")
    if not value:
        return ""
    pattern = each.says_zh if zh else each.says_en
    ended = value[-1] in "！？!?：:" and pattern.endswith(("{}。", "{}."))
    return (pattern[:-1] if ended else pattern).format(value)


def _span(kind: Kind, said: Mapping[str, str], now: datetime) -> _Span:
    """Begin and end as typed; refused when they contradict each other or the calendar."""
    days = kind.shape == "days"
    begin, end = _moment(said.get("begin", "")), _moment(said.get("end", ""))
    if end is not None and begin is None:
        raise Refused(_("Say also when it begins"))
    if begin is None:
        return _Span(None, None, days)
    if end is not None and (end < begin or (end == begin and not days)):
        raise Refused(_("It ends before it begins: change the second time"))
    here = now.replace(tzinfo=None)
    last = end or begin
    if (last.date() < here.date() if days else last <= here) and not (days and end is None):
        raise Refused(_("This time is over already: {time}").format(time=_stamp(last, whole_days=days)))
    if max(begin, last) > here + timedelta(days=AHEAD_DAYS_MAX):
        raise Refused(_("This time is more than a year away; look at the year: {time}").format(time=_stamp(last, days)))
    return _Span(begin, end, days)


def _moment(typed: str) -> datetime | None:
    if not typed:
        return None
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=None)
    except ValueError:
        raise Refused(_("Write the time as year-month-day and hour:minute")) from None


def _over(span: _Span, zone: str) -> datetime | None:
    if span.begin is None or (span.end is None and span.whole_days):
        return None
    day = (span.end or span.begin).date()
    end = datetime.combine(day + timedelta(days=1), time()) if span.whole_days or span.end is None else span.end
    return end.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _time(span: _Span, words: str, lang: str, today: date) -> str:
    zh = lang == "zh"
    spoken = words.strip(_STOPS)
    if span.begin is None:
        return spoken
    said = (_days if span.whole_days else _hours)(span.begin, span.end, zh, today)
    return (f"{said}，{spoken}" if zh else f"{said}, {spoken}") if spoken else said


def _days(begin: datetime, end: datetime | None, zh: bool, today: date) -> str:
    first = _day(begin, zh, today)
    if end is None:
        return f"{first}起" if zh else f"from {first}"
    if end.date() == begin.date():
        return first
    return f"{first}至{_day(end, zh, today)}" if zh else f"{first} to {_day(end, zh, today)}"


def _hours(begin: datetime, end: datetime | None, zh: bool, today: date) -> str:
    """To the hour, as posters say it: 11月23日8:00至18:00."""
    first = f"{_day(begin, zh, today)}{_clock(begin)}" if zh else f"{_day(begin, zh, today)}, {_clock(begin)}"
    if end is None:
        return first
    same = end.date() == begin.date()
    if zh:
        return f"{first}至{_clock(end)}" if same else f"{first}至{_day(end, zh, today)}{_clock(end)}"
    return f"{first} to {_clock(end)}" if same else f"{first} to {_day(end, zh, today)}, {_clock(end)}"


def _day(at: datetime, zh: bool, today: date) -> str:
    """With the year where it is not this one."""
    if at.year == today.year:
        return zh_day(at.date()) if zh else en_day(at.date())
    return f"{at.year}年{zh_day(at.date())}" if zh else f"{en_day(at.date())} {at.year}"


def _clock(at: datetime) -> str:
    return f"{at.hour}:{at.minute:02}"


def _stamp(at: datetime, whole_days: bool) -> str:
    return f"{at:%Y-%m-%d}" if whole_days else f"{at:%Y-%m-%d %H:%M}"

"""What a FHIR search asks for: parameters in, a plain question out. Pure and strict: what is not understood is refused.

FHIR lets a server pass over a parameter it does not know. Here that would hand out more than was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from hub import fhir
from hub.errors import LinliError
from hub.i18n import _

COUNT, COUNT_MAX = 50, 200
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")
PARAMETERS = ("_count", "_id", "_lastUpdated", "_sort", "category", "code", "date", "device", "patient", "subject")
_PAGE = ("_cursor", "_format")
_TIME = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.\d+)?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_CURSOR = re.compile(r"(\d{1,15})\.([a-z0-9-]{1,64})\.(\d{1,3})")


class NotUnderstood(LinliError):
    """A parameter, or its value, that this server cannot honour."""

    status = 400
    slug = "invalid"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: the first reading that is not done, and how many of its Observations are."""

    at_ms: int
    reading: str
    taken: int

    def __str__(self) -> str:
        return f"{self.at_ms}.{self.reading}.{self.taken}"


@dataclass(frozen=True, slots=True)
class Bound:
    """Half-open: from (inclusive) to (exclusive), either may be open; `outside` turns it round."""

    start_ms: int | None
    end_ms: int | None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    person: str | None = None
    device: str | None = None
    ids: tuple[str, ...] = ()
    where: frozenset[fhir.Code] | None = None  # None: every code
    category: str | None = None
    times: tuple[Bound, ...] = ()
    changed: tuple[Bound, ...] = ()
    count: int = COUNT
    cursor: Cursor | None = None


def question(given: Iterable[tuple[str, str]], zone: tzinfo) -> Question:
    """The query string as a question. A parameter that stands twice means both (dates), or is refused."""
    several: dict[str, list[str]] = {}
    for name, text in given:
        if name not in PARAMETERS and name not in _PAGE:
            raise NotUnderstood(_("The search parameter {name} is not supported").format(name=name[:40]))
        several.setdefault(name, []).append(text)
    for name, texts in several.items():
        if len(texts) > 1 and name not in ("date", "_lastUpdated"):
            raise NotUnderstood(_("The search parameter {name} may stand once").format(name=name))
    one = {name: texts[0] for name, texts in several.items()}
    if one.get("_sort", "-date") != "-date":
        raise NotUnderstood(_("Only _sort=-date is supported: newest first"))
    if one.get("_format", "json") not in ("json", "application/json", fhir.MEDIA_TYPE):
        raise NotUnderstood(_("Only JSON is spoken here"))
    return Question(
        person=_person(one),
        device=_reference(one["device"], "Device") if "device" in one else None,
        ids=tuple(one["_id"].split(",")) if "_id" in one else (),
        where=_codes(one["code"]) if "code" in one else None,
        category=_token(one["category"])[1] if "category" in one else None,
        times=tuple(bound(text, zone) for text in several.get("date", ())),
        changed=tuple(bound(text, zone) for text in several.get("_lastUpdated", ())),
        count=_count(one.get("_count")),
        cursor=_cursor(one.get("_cursor")),
    )


def bound(text: str, zone: tzinfo) -> Bound:
    """A FHIR date is as wide as it was written: 2026-11 is a month."""
    found = _TIME.fullmatch(text.replace(" ", "+"))  # a plus that nobody escaped
    prefix = (found["prefix"] or "eq") if found else ""
    if found is None or prefix not in PREFIXES:
        raise NotUnderstood(_("A date is written like ge2026-11-22 or 2026-11-22T09:00:00+08:00"))
    parts = found.groupdict()
    try:
        year, month, day, hour, minute, second = (int(parts[name] or low) for name, low in _PARTS)
        start = datetime(year, month, day, hour, minute, second, tzinfo=_zone(parts["zone"], zone))
    except ValueError:
        raise NotUnderstood(_("A date is written like ge2026-11-22 or 2026-11-22T09:00:00+08:00")) from None
    begin, end = _ms(start), _ms(_end(start, parts))
    return {
        "eq": Bound(begin, end),
        "ne": Bound(begin, end, outside=True),
        "ge": Bound(begin, None),
        "gt": Bound(end, None),
        "sa": Bound(end, None),
        "lt": Bound(None, begin),
        "eb": Bound(None, begin),
        "le": Bound(None, end),
    }[prefix]


_PARTS = (("year", 1), ("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0))


def _end(start: datetime, parts: Mapping[str, str | None]) -> datetime:
    if parts["second"]:
        return start + timedelta(seconds=1)
    if parts["minute"]:
        return start + timedelta(minutes=1)
    if parts["day"]:
        return start + timedelta(days=1)
    if parts["month"]:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start.replace(year=start.year + 1)


def _zone(said: str | None, zone: tzinfo) -> tzinfo:
    if said is None:
        return zone
    return UTC if said == "Z" else datetime.fromisoformat(f"2000-01-01T00:00:00{said}").tzinfo or UTC


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _person(one: Mapping[str, str]) -> str | None:
    named = {_reference(one[name], "Patient") for name in ("patient", "subject") if name in one}
    if len(named) > 1:
        raise NotUnderstood(_("patient and subject name two different people"))
    return named.pop() if named else None


def _reference(text: str, kind: str) -> str:
    ident = text.removeprefix(f"{kind}/")
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", ident):
        raise NotUnderstood(_("A reference is written like {kind}/ID").format(kind=kind))
    return ident


def _token(text: str) -> tuple[str, str]:
    system, bar, code = text.rpartition("|")
    return (system, code) if bar else ("", code)


def _codes(text: str) -> frozenset[fhir.Code]:
    """By system and code, or the code of whatever system; several by commas mean any of them."""
    known, found = fhir.codes(), set()
    for each in text.split(","):
        system, code = _token(each)
        for (own_system, own_code), places in known.items():
            if code == own_code and system in ("", own_system):
                found |= places
    return frozenset(found)


def _count(text: str | None) -> int:
    if text is None:
        return COUNT
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise NotUnderstood(_("_count is a whole number from 1"))
    return min(int(text[:9]), COUNT_MAX)


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise NotUnderstood(_("This page mark is not one that this server gave out"))
    return Cursor(int(found[1]), found[2], int(found[3]))

"""What screens show of the activities: the announcement at home and on TV, the desk's list, a masked sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hub.access import Subject
from hub.civic.activities import attendance, people, programme
from hub.civic.activities.models import Activity, Sheet
from hub.civic.activities.people import Found
from hub.db import Read
from hub.directory import Area
from hub.i18n import N_, _, pick
from hub.module import Card, Topic

HOME_MAX = 3  # what is near, at one look; the rest is one press away
TV_MAX = 10  # two pages of a television's list
PAST_MAX = 8
ZONE = "Asia/Shanghai"
STATES = {"open": N_("Being filled in"), "submitted": N_("Waiting for approval"), "approved": N_("Credited")}
TAGS = {"open": "info", "submitted": "warn", "approved": "ok"}


@dataclass(frozen=True, slots=True)
class Shown:
    """An activity in the reader's language."""

    id: str
    title: str
    place: str
    item: str
    starts: datetime
    ends: datetime
    cancelled: bool
    over: bool
    tz: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A sheet's state in words."""

    id: str
    state: str
    word: str
    tag: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    who: Found
    hours: str
    of_minor: bool


def shown(read: Read, found: Activity, tz: str) -> Shown:
    return Shown(
        found.id, pick(found.zh, found.en), pick(found.place_zh, found.place_en), found.item, found.starts, found.ends,
        found.state == "cancelled", found.ends < read.now(), tz,
    )  # fmt: skip


def paper(sheet: Sheet) -> Paper:
    return Paper(sheet.id, sheet.state, _(STATES[sheet.state]), TAGS[sheet.state], sheet.opened_at)


def home(read: Read, area: str) -> Mapping[str, Any]:
    return _coming(read, area, HOME_MAX)


def tv(read: Read, area: str) -> Mapping[str, Any]:
    return _coming(read, area, TV_MAX)


def whole(read: Read, area: str) -> Mapping[str, Any]:
    """What is to come and what has been."""
    tz = _zone(read, area)
    past = programme.listed(read, [area], limit=PAST_MAX, past_only=True)
    return {**_coming(read, area, 50), "past": [shown(read, each, tz) for each in past]}


def desk(read: Read, area: str) -> Mapping[str, Any]:
    tz = _zone(read, area)
    found = programme.listed(read, [area], limit=40)
    sheets = attendance.sheets_of(read, [each.id for each in found])
    rows = [(shown(read, each, tz), [paper(sheet) for sheet in sheets.get(each.id, [])]) for each in found]
    waiting = [(paper(sheet), shown(read, activity, tz)) for sheet, activity in attendance.waiting(read, area)]
    return {"rows": rows, "waiting": waiting, "tz": tz}


def work(read: Read, area: str) -> Mapping[str, Any]:
    """On the desk's first page: the sheets that wait for somebody."""
    tz = _zone(read, area)
    found = [(paper(sheet), shown(read, activity, tz)) for sheet, activity in attendance.waiting(read, area)]
    return {"waiting": [each for each in found if each[0].state == "submitted"], "tz": tz}


def sheet(read: Read, key: str) -> Mapping[str, Any]:
    """The lines of a sheet, masked; the key is `<area>-<sheet>`, so that who may watch it can be told from the key."""
    area, _dash, ident = key.partition("-")
    found = read.session.get(Sheet, ident, populate_existing=True)
    if found is None or found.area != area:
        return {"sheet": None, "lines": [], "hours": ""}
    entered = attendance.rows(read, ident)
    today = read.now().astimezone(ZoneInfo(_zone(read, area))).date()
    owners = {kind: [row.owner for row in entered if row.owner_kind == kind] for kind in people.KINDS}
    known = {
        each.account: each
        for each in (
            *people.residents(read, owners["person"], today),
            *people.homes(read, owners["household"]),
            *people.organisations(read, owners["organisation"]),
        )
    }
    lines = [
        Line(known[f"{row.owner_kind}-{row.owner}"], hours(row.minutes), row.of_minor)
        for row in entered
        if f"{row.owner_kind}-{row.owner}" in known
    ]
    return {"sheet": paper(found), "lines": lines, "hours": hours(sum(row.minutes for row in entered))}


def hours(minutes: int) -> str:
    return f"{(Decimal(minutes) / 60).normalize():f}"


def _coming(read: Read, area: str, limit: int) -> dict[str, Any]:
    tz = _zone(read, area)
    return {"items": [shown(read, each, tz) for each in programme.coming(read, area, limit)], "tz": tz}


def _zone(read: Read, area: str) -> str:
    place = read.session.get(Area, area)
    return place.tz if place is not None else ZONE


def may_see(subject: Subject, area: str, permission: str = "activities.read") -> bool:
    """Whether a grant covers this community, by its code alone: who may watch is asked without a store."""
    if not (len(area) == 12 and area.isascii() and area.isdigit()):
        return False
    return any(_covers(path, area) for path in subject.paths(permission))


def _covers(path: str, area: str) -> bool:
    code = path.rsplit("/", 1)[-1]
    if not code:
        return True
    known = next(length for length in (2, 4, 6, 9, 12) if not code[length:].strip("0"))
    return area.startswith(code[:known])


def _anyone(_subject: Subject, key: str) -> bool:
    """Announcements are public; anything that is no area code is refused before it reaches the cache."""
    return len(key) == 12 and key.isascii() and key.isdigit()


def _desk(subject: Subject, key: str) -> bool:
    return may_see(subject, key)


def _sheet(subject: Subject, key: str) -> bool:
    return len(key) <= 49 and may_see(subject, key.partition("-")[0])


TOPICS = (
    Topic("activities.home", "activities/home.html", home, _anyone),
    Topic("activities.page", "activities/list.html", whole, _anyone),
    Topic("activities.tv", "activities/tv.html", tv, _anyone),
    Topic("activities.desk", "activities/desk_list.html", desk, _desk),
    Topic("activities.work", "activities/work.html", work, _desk),
    Topic("activities.sheet", "activities/sheet_lines.html", sheet, _sheet),
)
CARDS = (
    Card("home", "activities.home", "area", order=40, title=N_("Coming activities")),
    Card("tv", "activities.tv", "area", order=50, title=N_("What's on")),
    Card("desk", "activities.work", "area", order=30),
)

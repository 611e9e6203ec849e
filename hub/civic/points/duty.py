"""Duty hours (值班时间): whoever is on the staff earns outside them only, by B and C, approved by another community.

A claim says when it began, so that it can be told apart; where nobody has entered the hours of that person, a
supervisor looks first. The household's account is no way around it: what is claimed for a home with somebody of the
staff is approved next door too, and falls under their hours when they declare it or nobody else there could have
done it. An attendance sheet is approved at one's own desk, so it credits nobody on the staff, nor such a home.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import delete, select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points.beneficiary import chunks
from hub.civic.points.catalogue import Item
from hub.civic.points.events import DutySet
from hub.civic.points.reward_models import Duty
from hub.db import Read, Tx
from hub.directory import Resident, Staff, StaffRole
from hub.errors import NotAllowed, NotFound, Refused
from hub.i18n import N_, _, pick

CATEGORIES = ("B", "C")
DAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
SPANS_MAX = 4  # of one day: morning, afternoon, evening, and one more
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–~至]\s*(\d{1,2}):(\d{2})")
Span = tuple[int, int]  # minutes of the day


@dataclass(frozen=True, slots=True)
class OnStaff:
    """Somebody of the staff, with their weekly hours as they are written."""

    id: str
    name: str
    week: tuple[str, ...]


def spans(text: str) -> list[Span]:
    """`08:30-12:00 14:00-17:30`. Pure."""
    found = [(int(a) * 60 + int(b), int(c) * 60 + int(d)) for a, b, c, d in _SPAN.findall(text)]
    rest = _SPAN.sub("", text).strip(" ,，、;；")
    sound = all(0 <= starts < ends <= 1440 for starts, ends in found)
    apart = all(one[1] <= two[0] for one, two in zip(sorted(found), sorted(found)[1:], strict=False))
    if rest or not sound or not apart or len(found) > SPANS_MAX:
        raise Refused(_("Give the hours as 08:30-12:00 14:00-17:30"))
    return sorted(found)


def overlap(hours: Collection[Span], began: int, minutes: int) -> bool:
    """Whether an act lies in duty hours, were it by a minute. Pure."""
    return any(began < ends and starts < began + max(minutes, 1) for starts, ends in hours)


def written(hours: Sequence[Span]) -> str:
    return " ".join(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in hours)


def of_persons(read: Read, persons: Collection[str]) -> dict[str, str]:
    """Which of these residents are on the staff: person -> staff id."""
    found: dict[str, str] = {}
    for some in chunks(set(persons)):
        query = select(col(Staff.person), col(Staff.id)).where(col(Staff.person).in_(some), col(Staff.active).is_(True))
        found |= {person: ident for person, ident in read.session.execute(query)}
    return found


@dataclass(frozen=True, slots=True)
class Concerned:
    """Somebody of the staff whose account, or whose home's, a claim is for; `did` unless another one at home did it."""

    id: str
    did: bool


def concerned(read: Read, by: Subject, kind: str, owner: str) -> list[Concerned]:
    """For a home it is theirs when they declare it, or when nobody else there could have done it."""
    if kind == "person":
        return [Concerned(ident, True) for ident in of_persons(read, [owner]).values()]
    if kind != "household":
        return []
    alone = nobody_else(read, [owner])
    return [Concerned(ident, person in (by.person, *alone)) for person, ident in at_home(read, [owner]).items()]


def at_home(read: Read, homes: Collection[str]) -> dict[str, str]:
    """Who of the staff lives in one of these households: person -> staff id."""
    found: dict[str, str] = {}
    for some in chunks(set(homes)):
        living = select(col(Resident.id)).where(col(Resident.household).in_(some))
        query = select(col(Staff.person), col(Staff.id)).where(
            col(Staff.active).is_(True), col(Staff.person).in_(living) | col(Staff.household).in_(some)
        )
        found |= {person: ident for person, ident in read.session.execute(query.order_by(col(Staff.id)))}
    return found


def nobody_else(read: Read, homes: Collection[str]) -> dict[str, str]:
    """The same of those homes in which nobody but staff is old enough to have done it."""
    alone = set(homes)
    staff = at_home(read, homes)
    for some in chunks(set(homes)):
        query = select(col(Resident.household), col(Resident.id), col(Resident.born)).where(
            col(Resident.household).in_(some)
        )
        for home, ident, born in read.session.execute(query):
            if ident not in staff and directory.age(born, read.now().date()) >= directory.MINOR:
                alone.discard(home)
    return at_home(read, alone)


def judge(read: Read, staff: str, item: Item, day: date, began: int | None, minutes: int) -> bool:
    """Whether a supervisor has to look first. Raises where nothing is earned."""
    if item.category not in CATEGORIES:
        raise NotAllowed(_("Whoever is on the staff earns by items of public good and community building only"))
    week = hours_of(read, staff)
    if not week:
        return True
    today = week.get(day.weekday(), [])
    if today and began is None:
        raise Refused(_("You are on the staff: give the time it began, so that it is told apart from duty hours"))
    if today and began is not None and overlap(today, began, minutes):
        raise NotAllowed(_("This lies in duty hours ({hours}); nothing is earned in them").format(hours=written(today)))
    return False


def hours_of(read: Read, staff: str) -> dict[int, list[Span]]:
    rows = read.session.execute(
        select(col(Duty.weekday), col(Duty.starts), col(Duty.ends))
        .where(col(Duty.staff) == staff)
        .order_by(col(Duty.weekday), col(Duty.starts))
    )
    found: dict[int, list[Span]] = {}
    for weekday, starts, ends in rows:
        found.setdefault(weekday, []).append((starts, ends))
    return found


def set_hours(tx: Tx, by: Subject, staff: str, week: Mapping[int, str]) -> None:
    """The whole week of one person, by somebody else. What was credited before stays."""
    found = tx.session.get(Staff, staff)
    places = [area for (area,) in tx.session.execute(select(col(StaffRole.area)).where(col(StaffRole.staff) == staff))]
    if found is None or not any(by.may("points.roster", directory.area(tx, area).path) for area in places):
        raise NotFound(_("There is no such member of staff"))
    if by.id == staff:
        raise NotAllowed(_("Somebody else enters your duty hours"))
    enter(tx, staff, week, by.id)
    tx.emit(DutySet, staff=staff, area=places[0])


def enter(tx: Tx, staff: str, week: Mapping[int, str], by: str) -> None:
    tx.change(delete(Duty).where(col(Duty.staff) == staff))
    for weekday, text in week.items():
        for starts, ends in spans(text):
            tx.session.add(Duty(staff=staff, weekday=weekday, starts=starts, ends=ends, by=by, at=tx.now()))
    tx.session.flush()


def roster(read: Read, area: str) -> list[OnStaff]:
    query = (
        select(col(Staff.id), col(Staff.name), col(Staff.title_zh), col(Staff.title_en))
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .where(col(StaffRole.area) == area, col(Staff.active).is_(True))
        .distinct()
        .order_by(col(Staff.id))
    )
    found = []
    for ident, name, zh, en in read.session.execute(query):
        week, called = hours_of(read, ident), f"{pick(zh, en)} {directory.masked(name)}".strip()
        found.append(OnStaff(ident, called, tuple(written(week.get(day, [])) for day in range(7))))
    return found

"""The doors of a round as they are shown: in which order, who lives there (masked), what is to be said, by when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlmodel import col

from hub import directory
from hub.civic.visits import book, rules
from hub.civic.visits.models import Visit
from hub.civic.visits.rules import OPEN
from hub.db import Read
from hub.directory import Area, Building, Household, Resident, Staff
from hub.i18n import _, pick

LISTED_MAX = 400  # a grid's doors; of more, those at the greatest risk, and the rest as these are done
PEOPLE_MAX = 12


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    masked: str
    years: int
    named: bool  # the visit is to this one


@dataclass(frozen=True, slots=True)
class Door:
    """One visit, ready for a page. `place` is its way on the round, `before` its turn by risk."""

    id: str
    building: str
    flat: str
    grid: int
    people: tuple[Person, ...]
    risks: tuple[str, ...]
    notice: str
    revision: int
    title: str
    priority: str
    reason: str
    words: str
    state: str
    tries: int
    opened_at: datetime
    again_at: datetime | None
    due: datetime
    overdue: bool
    worker: str
    tz: str
    waits: bool  # till another time of the day
    place: tuple[int, list[int], str]
    before: tuple[int, int]
    task: str = ""  # the call for help it answers

    @property
    def address(self) -> str:
        return directory.door(self.building, self.flat)

    @property
    def risk_words(self) -> list[str]:
        return [_(rules.RISKS[risk]) for risk in self.risks]

    @property
    def reason_word(self) -> str:
        return _(rules.REASONS[self.reason])


def of_worker(read: Read, worker: str, *, by_risk: bool = True) -> list[Door]:
    return doors(read, col(Visit.worker) == worker, col(Visit.state) == "open", by_risk=by_risk)


def of_area(read: Read, area: str, *, by_risk: bool = True) -> list[Door]:
    """All that is open in a community, whoever's it is."""
    return doors(read, col(Visit.area) == area, col(Visit.state).in_(OPEN), by_risk=by_risk)


def doors(read: Read, *which: ColumnElement[bool], by_risk: bool = True, limit: int = LISTED_MAX) -> list[Door]:
    rows = read.session.execute(
        select(Visit, Household, Building, Area)
        .join(Household, col(Household.id) == col(Visit.household))
        .join(Building, col(Building.id) == col(Household.building))
        .join(Area, col(Area.code) == col(Visit.area))
        .where(*which)
        .order_by(col(Visit.rank).desc(), col(Visit.due), col(Visit.id))
        .limit(limit)
        .execution_options(populate_existing=True)
    ).all()
    people = _people(read, [home.id for _visit, home, _building, _area in rows])
    found = [_door(read, visit, home, building, area, people[home.id]) for visit, home, building, area in rows]
    return ordered(found, by_risk=by_risk)


def ordered(found: Sequence[Door], *, by_risk: bool) -> list[Door]:
    """What waits for another time of the day stands behind; then what presses and who is at risk, or only the way."""
    return sorted(found, key=lambda door: (door.waits, door.before if by_risk else (0, 0), door.place))


def _people(read: Read, homes: Sequence[str]) -> Mapping[str, list[Resident]]:
    held: dict[str, list[Resident]] = {home: [] for home in homes}
    rows = read.session.execute(select(Resident).where(col(Resident.household).in_(homes)).order_by(col(Resident.born)))
    for each in rows.scalars():
        held[each.household].append(each)
    return held


def _door(
    read: Read, visit: Visit, home: Household, building: Building, area: Area, members: Sequence[Resident]
) -> Door:
    today = read.now().astimezone(ZoneInfo(area.tz)).date()
    named = visit.whom.split()
    people = [
        Person(each.id, directory.masked(each.name), directory.age(each.born, today), each.id in named)
        for each in members[:PEOPLE_MAX]
    ]
    shown = tuple(each for each in people if each.named or each.years >= directory.MINOR)
    held = book.risks(read, home, members)
    return Door(
        visit.id, pick(building.zh, building.en), home.flat, visit.grid, shown, held, visit.notice, visit.revision,
        visit.title, visit.priority, visit.reason, visit.words, visit.state, visit.tries,
        visit.opened_at, visit.again_at, visit.due, visit.overdue or visit.due <= read.now(), visit.worker, area.tz,
        visit.again_at is not None and visit.again_at > read.now(), rules.way(visit.grid, home.building, home.flat),
        (-rules.PRESSING[visit.priority], -max(visit.rank, rules.weight(held))), book.task_of(visit),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """What one worker has before them."""

    id: str
    name: str
    grids: tuple[int, ...]
    open: int
    waits: int
    overdue: int
    done: int  # today


def shape(door: Door) -> dict[str, Any]:
    """For programs: no names, not even masked ones."""
    return {
        "id": door.id, "door": door.address, "grid": door.grid, "people": [each.id for each in door.people],
        "whom": [each.id for each in door.people if each.named], "risks": list(door.risks), "notice": door.notice,
        "title": door.title, "priority": door.priority, "reason": door.reason, "tries": door.tries,
        "again_at": door.again_at.isoformat() if door.again_at else None, "due": door.due.isoformat(),
        "overdue": door.overdue, "worker": door.worker,
    }  # fmt: skip


def worker_name(staff: Staff) -> str:
    """As the desk calls a colleague: the title, and the name masked."""
    return f"{pick(staff.title_zh, staff.title_en)} {directory.masked(staff.name)} {staff.id}".strip()

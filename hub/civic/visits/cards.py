"""What moves on the pages of this slice: a worker's own tally, the desk's loads, the card on the desk's first page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, func, select
from sqlmodel import col

from hub.access import Subject
from hub.civic.visits import doors, rounds
from hub.civic.visits.doors import Door, Load
from hub.civic.visits.models import Knock, Visit
from hub.civic.visits.rules import OPEN
from hub.db import Read
from hub.directory import Area
from hub.module import Card, Topic

LATE_MAX = 8  # the desk's list has them all


def mine(read: Read, worker: str) -> Mapping[str, Any]:
    """How much is left. A phone that hears of a change loads its list anew, unless somebody is writing in it."""
    found = doors.of_worker(read, worker)
    stamp = ",".join(f"{door.id[-6:]}{door.tries}{door.waits}" for door in found)
    return {"now": [door for door in found if not door.waits], "all": found, "stamp": stamp}


def desk(read: Read, area: str) -> Mapping[str, Any]:
    place = read.session.get(Area, area)
    if place is None:
        return {"loads": [], "unowned": 0, "unwalked": [], "tz": "Asia/Shanghai", "late": [], "overdue": 0, "names": {}}
    held = counts(read, area)
    over = (col(Visit.area) == area, col(Visit.state).in_(OPEN), col(Visit.due) <= read.now())
    return {
        "loads": loads(read, place, held), "unowned": sum(each.unowned for each in held.values()),
        "unwalked": rounds.unwalked(read, area), "tz": place.tz, "names": names(read, area),
        "late": doors.doors(read, *over, limit=LATE_MAX), "overdue": sum(each.overdue for each in held.values()),
    }  # fmt: skip


def work(read: Read, area: str) -> Mapping[str, Any]:
    """On the desk's first page: what only the desk can move."""
    held = counts(read, area).values()
    return {
        "open": sum(each.open for each in held), "unowned": sum(each.unowned for each in held),
        "overdue": sum(each.overdue for each in held),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    open: int = 0
    waits: int = 0
    overdue: int = 0
    unowned: int = 0


def counts(read: Read, area: str) -> Mapping[str, Count]:
    """By worker, counted by the store: after an emergency a community has thousands of doors open."""
    now, visit = read.now(), Visit
    rows = read.session.execute(
        select(
            col(visit.worker), func.count(), _sum(col(visit.again_at) > now), _sum(col(visit.due) <= now),
            _sum((col(visit.state) == "desk") | (col(visit.worker) == "")),
        )
        .where(col(visit.area) == area, col(visit.state).in_(OPEN))
        .group_by(col(visit.worker))
    )  # fmt: skip
    return {worker: Count(int(n), int(waits), int(late), int(desk)) for worker, n, waits, late, desk in rows}


def _sum(rule: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((rule, 1), else_=0))


def needs_desk(door: Door) -> bool:
    return door.state == "desk" or not door.worker


def names(read: Read, area: str) -> dict[str, str]:
    return {each.id: doors.worker_name(each) for each in rounds.walkers(read, area)}


def loads(read: Read, place: Area, held: Mapping[str, Count]) -> list[Load]:
    """Who has how many: the ones with something overdue first."""
    walked: dict[str, list[int]] = {}
    for grid, staff in sorted(rounds.of(read, place.code).items()):
        walked.setdefault(staff, []).append(grid)
    done, rows = _done_today(read, place), []
    for ident, name in names(read, place.code).items():
        has = held.get(ident, Count())
        grids = tuple(walked.get(ident, ()))
        rows.append(Load(ident, name, grids, has.open, has.waits, has.overdue, done.get(ident, 0)))
    return sorted(rows, key=lambda load: (-load.overdue, -load.open, load.grids, load.id))


def _done_today(read: Read, place: Area) -> Mapping[str, int]:
    local = read.now().astimezone(ZoneInfo(place.tz))
    midnight = datetime.combine(local.date(), datetime.min.time(), local.tzinfo)
    rows = read.session.execute(
        select(col(Knock.by), func.count())
        .join(Visit, col(Visit.id) == col(Knock.visit))
        .where(col(Visit.area) == place.code, col(Knock.stands), col(Knock.received_at) >= midnight)
        .group_by(col(Knock.by))
    )
    return Counter({by: int(n) for by, n in rows})


def sums(read: Read, notice: str) -> dict[str, int]:
    """Visits of a notice by what became of them; together they are all that were asked for."""
    rows = read.session.execute(
        select(col(Visit.state), col(Visit.result), func.count())
        .where(col(Visit.notice) == notice)
        .group_by(col(Visit.state), col(Visit.result))
    )
    found: Counter[str] = Counter()
    for state, result, n in rows:
        found[result if state == "done" else ("open" if state in OPEN else state)] += int(n)
    return dict(found)


def _own(who: Subject, key: str) -> bool:
    return who.kind == "staff" and who.id == key and who.may("visits.walk")


def _desk(who: Subject, key: str) -> bool:
    return who.area == key and who.may("visits.desk")


TOPICS = (
    Topic("visits.mine", "visits/tally.html", mine, _own),
    Topic("visits.desk", "visits/loads.html", desk, _desk),
    Topic("visits.work", "visits/work.html", work, _desk),
)
CARDS = (Card("desk", "visits.work", "area", order=8),)

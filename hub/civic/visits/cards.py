"""What moves on the pages of this slice: a worker's own tally, the desk's loads, the card on the desk's first page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub.access import Subject
from hub.civic.visits import doors, rounds
from hub.civic.visits.doors import Door, Load
from hub.civic.visits.models import Knock, Visit
from hub.civic.visits.rules import OPEN
from hub.db import Read
from hub.directory import Area
from hub.module import Card, Topic


def mine(read: Read, worker: str) -> Mapping[str, Any]:
    """How much is left. A phone that hears of a change loads its list anew, unless somebody is writing in it."""
    found = doors.of_worker(read, worker)
    stamp = ",".join(f"{door.id[-6:]}{door.tries}{door.waits}" for door in found)
    return {"now": [door for door in found if not door.waits], "all": found, "stamp": stamp}


def desk(read: Read, area: str) -> Mapping[str, Any]:
    place = read.session.get(Area, area)
    if place is None:
        return {"loads": [], "unowned": [], "unwalked": [], "tz": "Asia/Shanghai", "area": area}
    found = doors.of_area(read, area)
    return {
        "loads": loads(read, place, found), "unowned": [door for door in found if needs_desk(door)],
        "unwalked": rounds.unwalked(read, area), "tz": place.tz, "area": area,
        "late": [door for door in found if door.overdue], "names": names(read, area),
    }  # fmt: skip


def work(read: Read, area: str) -> Mapping[str, Any]:
    """On the desk's first page: what only the desk can move."""
    found = doors.of_area(read, area)
    return {
        "open": len(found), "unowned": sum(map(needs_desk, found)), "overdue": sum(door.overdue for door in found),
        "area": area,
    }  # fmt: skip


def needs_desk(door: Door) -> bool:
    return door.state == "desk" or not door.worker


def names(read: Read, area: str) -> dict[str, str]:
    return {each.id: doors.worker_name(each) for each in rounds.walkers(read, area)}


def loads(read: Read, place: Area, found: list[Door]) -> list[Load]:
    """Who has how many: the ones with something overdue first."""
    walked: dict[str, list[int]] = {}
    for grid, staff in sorted(rounds.of(read, place.code).items()):
        walked.setdefault(staff, []).append(grid)
    done = _done_today(read, place)
    rows = [
        Load(
            ident, name, tuple(walked.get(ident, ())), sum(door.worker == ident for door in found),
            sum(door.worker == ident and door.waits for door in found),
            sum(door.worker == ident and door.overdue for door in found), done.get(ident, 0),
        )
        for ident, name in names(read, place.code).items()
    ]  # fmt: skip
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

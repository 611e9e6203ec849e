"""Coverage (触达率): which doors of a community a notice has reached, by building, and which it has not, in the order
in which somebody should knock.

A door counts as reached when anybody behind it has seen the notice: children have no account, and one reader tells the
family. Only those whom the notice is meant for count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlmodel import col

from hub import audience, directory
from hub.access import Subject
from hub.audience import Audience
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.directory import Area, Building, Household, Resident
from hub.i18n import N_, _, pick
from hub.module import Topic
from hub.reach import BEST, LEVELS, RANK, Reach

# Who is knocked at first. A risk outweighs all that follow it: whoever lives alone comes before whoever does not.
RISKS = {"alone": N_("Lives alone"), "aged80": N_("Aged 80 or more"), "disabled": N_("Disabled")}
_WEIGHT = {risk: 1 << place for place, risk in enumerate(reversed(RISKS))}
_STEPS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Door:
    household: str
    building: str
    grid: int
    flat: str
    people: int  # of those the notice is meant for
    seen: int
    best: str  # the best proof of anybody here, or "" for none
    risks: tuple[str, ...]

    @property
    def reached(self) -> bool:
        return self.seen > 0

    @property
    def weight(self) -> int:
        return sum(_WEIGHT[risk] for risk in self.risks)

    @property
    def way(self) -> tuple[int, list[int], str]:
        """Its place on a round: grid, building, stair, floor and door; 1001 is above 201 and not before it."""
        return self.grid, [int(each) for each in _STEPS.findall(f"{self.building} {self.flat}")], self.flat


@dataclass(frozen=True, slots=True)
class Sum:
    """Of one building, or of all together."""

    id: str
    name: str
    grid: int
    doors: int
    reached: int
    people: int
    seen: int
    risky: int  # doors not reached with somebody at risk behind them

    @property
    def percent(self) -> int:
        """Rounded down: a hundred is said only when nobody is left."""
        return 100 * self.reached // self.doors if self.doors else 0


def communities(read: Read, who: Subject, notice: Notice, permission: str) -> list[Area]:
    """Where the notice holds and this person answers."""
    below = directory.below(read, Audience.read(notice.audience).areas)
    return [area for area in below if who.may(permission, area.path)]


def doors(read: Read, notice: Notice, area: str) -> list[Door]:
    """Every door of the community that the notice is meant for, in walking order. One query."""
    place = directory.area(read, area)
    today = read.now().astimezone(ZoneInfo(place.tz)).date()
    grids = {each.id: each.grid for each in audience.buildings_in(read, [area])}
    seen = case((col(Reach.level) >= RANK["seen"], 1), else_=0)
    meant = audience.members_of(read, Audience.read(notice.audience), notice.released_at)
    rows = read.session.execute(
        select(
            col(Household.id), col(Household.building), col(Household.flat), func.count(), func.sum(seen),
            func.max(Reach.level), func.min(Resident.born), func.max(_tagged("alone")), func.max(_tagged("aged80")),
            func.max(_tagged("disabled")),
        )
        .join(Resident, col(Resident.household) == col(Household.id))
        .outerjoin(
            Reach,
            (col(Reach.notice) == notice.id) & (col(Reach.revision) == notice.revision)
            & (col(Reach.viewer) == "r:" + col(Resident.id)) & (col(Reach.channel) == BEST),
        )
        .where(col(Resident.area) == area, *meant)
        .group_by(col(Household.id), col(Household.building), col(Household.flat))
    )  # fmt: skip
    found = []
    for household, building, flat, people, readers, level, born, alone, aged, disabled in rows:
        # The tag is as old as the last census; a birthday is not.
        held = {"alone": alone, "aged80": aged or directory.age(born, today) >= directory.AGED, "disabled": disabled}
        found.append(
            Door(
                household, building, grids.get(building, 0), flat, people, int(readers or 0),
                LEVELS[level - 1] if level else "", tuple(risk for risk in RISKS if held[risk]),
            )
        )  # fmt: skip
    return sorted(found, key=lambda door: door.way)


def _tagged(tag: str) -> ColumnElement[int]:
    marked = f" {tag} "
    return case((or_(col(Resident.tags).contains(marked), col(Household.tags).contains(marked)), 1), else_=0)


def unreached(found: Sequence[Door], *, by_risk: bool = True) -> list[Door]:
    """Whom to knock at: those at risk first and then along the way, or simply along the way."""
    left = [door for door in found if not door.reached]
    return sorted(left, key=lambda door: -door.weight) if by_risk else left


def by_building(read: Read, found: Sequence[Door], area: str) -> list[Sum]:
    """In walking order; a building that the notice is not meant for does not stand here."""
    names = {each.id: pick(each.zh, each.en) for each in audience.buildings_in(read, [area])}
    held: dict[str, list[Door]] = {}
    for door in found:
        held.setdefault(door.building, []).append(door)
    return [summed(behind, building, names.get(building, building)) for building, behind in held.items()]


def summed(found: Sequence[Door], ident: str = "", name: str = "") -> Sum:
    return Sum(
        ident, name, found[0].grid if found else 0, len(found), sum(door.reached for door in found),
        sum(door.people for door in found), sum(door.seen for door in found),
        sum(not door.reached and bool(door.risks) for door in found),
    )  # fmt: skip


def bars(read: Read, key: str) -> Mapping[str, Any]:
    """The live part: counts alone, so every desk may see it."""
    ident, _dot, area = key.partition(".")
    notice = read.session.get(Notice, ident, populate_existing=True)
    if notice is None or read.session.get(Area, area) is None:
        return {"all": None}
    found = doors(read, notice, area)
    return {"all": summed(found), "buildings": by_building(read, found, area), "notice": ident, "area": area}


def risk_words(door: Door) -> list[str]:
    return [_(RISKS[risk]) for risk in door.risks]


def building_names(read: Read, area: str) -> dict[str, str]:
    return {each.id: _name(each) for each in audience.buildings_in(read, [area])}


def _name(building: Building) -> str:
    return pick(building.zh, building.en)


def _counts(subject: Subject, key: str) -> bool:
    return len(key) <= 49 and subject.may("notices.read")


TOPICS = (Topic("notices.coverage", "notices/coverage_bars.html", bars, _counts),)

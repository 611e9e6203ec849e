"""Eight activities that were and four that come, with their sheets kept, submitted and approved as in life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from hub import directory
from hub.access import Grant, Permissions, Subject
from hub.civic.activities import attendance, programme
from hub.civic.activities.people import Standing
from hub.civic.activities.programme import Plan
from hub.db import Tx

SIGNED_DAYS = 1  # the office approves on the next day


@dataclass(frozen=True, slots=True)
class _Event:
    days: int  # from today; a minus is past
    hour: int  # local
    hours: int
    zh: str
    en: str
    item: str
    place_zh: str
    place_en: str
    crowd: int  # of a community of 7,300


SQUARE, HALL, ROOM = (
    ("中心广场", "Central square"),
    ("社区服务中心", "Community centre"),
    ("老年活动室", "Seniors' room"),
)
EVENTS = (
    _Event(-78, 9, 2, "周六清洁日", "Saturday clean-up", "C01", *SQUARE, 34),
    _Event(-64, 14, 2, "手工花课", "Paper flower class", "B13", *ROOM, 24),
    _Event(-50, 9, 2, "反诈讲座", "Talk against fraud", "B13", *HALL, 46),
    _Event(-43, 15, 2, "智能手机课（长辈）", "Smartphone class for elders", "C12", *ROOM, 16),
    _Event(-31, 10, 1, "消防演练", "Fire drill", "A07", *SQUARE, 58),
    _Event(-22, 9, 2, "义诊咨询", "Free clinic", "B01", *HALL, 18),
    _Event(-15, 19, 2, "议事会：加装电梯", "Deliberation: adding a lift", "C05", *HALL, 31),
    _Event(-8, 9, 2, "周六清洁日", "Saturday clean-up", "C01", *SQUARE, 38),
    _Event(2, 14, 2, "手工花课", "Paper flower class", "B13", *ROOM, 0),
    _Event(4, 9, 2, "周六清洁日", "Saturday clean-up", "C01", *SQUARE, 0),
    _Event(9, 15, 2, "智能手机课（长辈）", "Smartphone class for elders", "C12", *ROOM, 0),
    _Event(16, 9, 4, "邻里节", "Neighbours' day", "B01", *SQUARE, 0),
)


def seed(tx: Tx, world: Any) -> None:
    for place, community in enumerate(world.plan.communities):
        if len(community.staff) < 2:
            continue
        events = EVENTS if place == 0 else EVENTS[4 if place == 1 else 7 :]
        keeper, second = _two_of(tx, community.staff)
        guests = _Guests(world, community)
        for number, event in enumerate(events):
            _live(tx, world, community, event, number, keeper, second, guests)
    world.clock.set(world.now)


def _live(
    tx: Tx, world: Any, community: Any, event: _Event, number: int, keeper: Subject, second: Subject, guests: _Guests
) -> None:
    starts = _at(world.now, event)
    world.clock.set(min(world.now, starts) - timedelta(days=6))
    plan = Plan(
        community.code, event.zh, event.en, event.item, starts, starts + timedelta(hours=event.hours),
        event.place_zh, event.place_en,
    )  # fmt: skip
    made = programme.publish(tx, keeper, plan)
    if event.days >= 0:
        return
    world.clock.set(starts + timedelta(hours=event.hours, minutes=6))
    sheet = attendance.open_sheet(tx, keeper, made.id)
    here = guests.of(number, event, world.clock.now())
    attendance.fill(tx, keeper, sheet.id, [(each, Decimal(event.hours)) for each in here])
    attendance.submit(tx, keeper, sheet.id)
    world.clock.set(starts + timedelta(days=SIGNED_DAYS))
    attendance.approve(tx, second, sheet.id, tell=False)


class _Guests:
    """Who came: grown-ups, and the households of the children who did."""

    def __init__(self, world: Any, community: Any) -> None:
        self._seed, self._code = world.plan.seed, community.code
        self._size = len(community.people) / 7_300
        self._cast = [world.plan.cast.elder, world.plan.cast.volunteer]
        # The keepers' own households stay out: nobody signs for those.
        homes = {each.household for each in community.staff if each.household}
        self._people = [each for each in community.people if each.household not in homes]

    def of(self, number: int, event: _Event, now: datetime) -> list[Standing]:
        wanted = max(3, round(event.crowd * self._size))
        ranked = sorted(self._people, key=lambda each: self._draw(number, each.id))[: 2 * wanted]
        found: dict[tuple[str, str], Standing] = {}
        for each in ranked:
            years = directory.age(each.born, now.date())
            child = years < directory.MINOR
            if child and event.item not in ("C01", "A07"):
                continue
            meant = Standing("household", each.household, True) if child else Standing("person", each.id)
            if each.id not in self._cast:
                found[meant.kind, meant.owner] = meant
        return list(found.values())[:wanted]

    def _draw(self, number: int, ident: str) -> int:
        text = f"{self._seed}|{self._code}|activity|{number}|{ident}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _two_of(tx: Tx, staff: Sequence[Any]) -> tuple[Subject, Subject]:
    """Two people of the office: one keeps the sheets, the other signs them."""
    office = [each for each in staff if each.role == "staff"][:2]
    chosen = office if len(office) == 2 else [*office, *(each for each in staff if each.role == "director")]
    held = Permissions([{"activities.write": ("staff", "director"), "activities.approve": ("staff", "director")}])
    made = [
        Subject(
            each.id, "staff", grants=(Grant(each.role, directory.area(tx, each.area).path),), person=each.person,
            household=each.household, permissions=held,
        )
        for each in chosen[:2]
    ]  # fmt: skip
    return made[0], made[1]


def _at(now: datetime, event: _Event) -> datetime:
    """A clean-up falls on a Saturday, whatever day the demo starts on; the others on the day counted."""
    day = now + timedelta(days=event.days)
    if "Saturday" in event.en:
        day += timedelta(days=(5 - day.weekday()) % 7 if event.days > 0 else -((day.weekday() - 5) % 7))
    return day.replace(hour=event.hour - 8, minute=0, second=0, microsecond=0)

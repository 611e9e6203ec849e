"""Ninety days of points for the demo, through the same verbs as life: so the demo data is also a test of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from hub import directory
from hub.access import Subject
from hub.civic.points import award, beneficiary, book, cards, claim_seed, ledger, seed_mall, seed_teams
from hub.civic.points.award import Award, Signed
from hub.db import Tx
from hub.errors import Conflict
from hub.i18n import _

WEEKS = 13
# How many of each community take part in a week, by its size; with the activities' sheets about 3,000 entries in all.
SHARE_OF_PEOPLE = 1 / 112
HONOURED = 24
ADULT = 18
# What grown-ups do in an ordinary week: item and hours. Each is drawn by its own name, so adding one changes no other.
WEEKLY = (
    ("B01", "2"), ("B01", "1.5"), ("C01", "2"), ("C01", "1"), ("A01", "2"), ("A06", "1"), ("B02", "1"), ("B12", "2"),
    ("B13", ""), ("C05", ""), ("B10", ""), ("C12", "1"), ("C09", ""), ("A03", ""),
)  # fmt: skip
HOMELY = (("C03", ""), ("C02", ""))
# The people of the stage: a balance worth looking at, earned in full weeks.
ELDER_WEEK = (("B05", "2"), ("B01", "2"), ("B02", "2"), ("A02", "2"))
VOLUNTEER_WEEK = (("B01", "4"), ("C01", "2"), ("C12", "2"), ("B02", "1"))


@dataclass(frozen=True, slots=True)
class _Act:
    kind: str
    owner: str
    item: str
    hours: str
    days_ago: int


def seed(tx: Tx, world: Any) -> None:
    """Each week's acts are credited on its Friday afternoon, as an office would."""
    for community in world.plan.communities:
        neighbours = _Neighbours(world, community)
        for week in range(WEEKS, 0, -1):
            booked = _friday(world.now, week)
            world.clock.set(booked)
            acts = list(neighbours.week(week))
            awards = [
                Award(
                    each.kind, each.owner, each.item, Decimal(each.hours) if each.hours else None,
                    booked.date() - timedelta(days=each.days_ago), f"seed:{community.code}:{week}:{number}",
                )
                for number, each in enumerate(acts)
            ]  # fmt: skip
            award.credit(tx, awards, neighbours.signed)
        world.clock.set(world.now - timedelta(days=2))
        for person in neighbours.honoured():
            directory.give_consent(tx, person, "honour_roll", cards.HONOUR_VERSION, "written")
        seed_teams.seed(tx, world, community, neighbours.signed)
        seed_mall.seed(tx, world, community)
    _share(tx, world)
    cast = [world.plan.cast.elder, world.plan.cast.volunteer]
    first = _Neighbours(world, world.plan.communities[0])
    claim_seed.seed(tx, world, [each for each in first.honoured() if each not in cast])
    world.clock.set(world.now)
    if not book.recount(tx).sound:
        raise Conflict(_("The ledger does not add up"))


class _Neighbours:
    """Who of a community takes part, and in what, in a given week."""

    def __init__(self, world: Any, community: Any) -> None:
        self._seed, self._code, cast = world.plan.seed, community.code, world.plan.cast
        grown = [each.id for each in community.people if directory.age(each.born, world.plan.today) >= ADULT]
        self._active = sorted(grown, key=lambda ident: self._draw(ident, "active"))[: len(community.people) // 8]
        self._weekly = max(4, round(len(community.people) * SHARE_OF_PEOPLE))
        self._home = {each.id: each.household for each in community.people}
        self._cast = {ident: acts for ident, acts in _weeks_of(cast).items() if ident in self._home}
        posts: dict[str, list[str]] = {}
        for each in community.staff:
            posts.setdefault(each.role, []).append(each.id)
        verifier = (posts.get("grid_worker") or posts["staff"])[0]
        approver = next(ident for ident in posts["staff"] if ident != verifier)
        self.signed = Signed(verifier=verifier, approver=approver)

    def week(self, number: int) -> Iterator[_Act]:
        for place in range(self._weekly):
            person = self._active[self._draw(number, f"who{place}") % len(self._active)]
            item, hours = WEEKLY[self._draw(number, f"what{place}") % len(WEEKLY)]
            if person not in self._cast:
                yield _Act("person", person, item, hours, self._draw(number, f"day{place}") % 5)
        for place in range(self._weekly // 4):
            home = self._home[self._active[self._draw(number, f"home{place}") % len(self._active)]]
            item, hours = HOMELY[self._draw(number, f"chore{place}") % len(HOMELY)]
            yield _Act("household", home, item, hours, self._draw(number, f"then{place}") % 5)
        for person, acts in self._cast.items():
            for day, (item, hours) in enumerate(acts):
                yield _Act("person", person, item, hours, day)
            yield _Act("household", self._home[person], "C03", "", 1)

    def honoured(self) -> Sequence[str]:
        """Those who were there most often; they agreed to be named."""
        often = Counter(act.owner for week in range(1, WEEKS + 1) for act in self.week(week) if act.kind == "person")
        return [person for person, _times in sorted(often.items(), key=lambda each: (-each[1], each[0]))[:HONOURED]]

    def _draw(self, *name: object) -> int:
        text = "|".join(str(part) for part in (self._seed, self._code, "points", *name))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _weeks_of(cast: Any) -> dict[str, tuple[tuple[str, str], ...]]:
    return {cast.elder: ELDER_WEEK, cast.volunteer: VOLUNTEER_WEEK}


def _share(tx: Tx, world: Any) -> None:
    """The volunteer gave her household something, a few days ago."""
    person = beneficiary.one(tx, "person", world.plan.cast.volunteer)
    home = beneficiary.one(tx, "household", person.household or "")
    world.clock.set(world.now - timedelta(days=3))
    ends = ledger.open_account(tx, person), ledger.open_account(tx, home)
    by = Subject(person.id, "resident", household=person.household, person=person.id)
    ledger.share(tx, by, *ends, 30, f"share:{person.id}:seed")
    directory.give_consent(tx, person.id, "household_points", ledger.SHARE_VERSION, "written")


def _friday(now: datetime, week: int) -> datetime:
    """The Friday `week` weeks back, 16:40 in the zone of the demo (UTC+8)."""
    back = (now.weekday() - 4) % 7 + 7 * (week - 1)
    moment = (now - timedelta(days=back)).replace(hour=8, minute=40, second=0, microsecond=0)
    return moment if moment < now else moment - timedelta(days=7)

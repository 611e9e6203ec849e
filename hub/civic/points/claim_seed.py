"""Claims for the demo's first community, in every state a desk meets: to verify, to approve, and on public notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hub import directory
from hub.access import Grant, Permissions, Subject
from hub.civic.points import cards, claims
from hub.civic.points.claims import Draft
from hub.db import Tx

_SIGNING = Permissions([{"points.verify": ("grid_worker", "staff"), "points.approve": ("staff", "director")}])


@dataclass(frozen=True, slots=True)
class _Story:
    item: str
    days: int
    words: str
    hours: str = ""
    number: str = ""
    signed: int = 0


STORIES = (
    _Story("C03", 1, "把三楼到五楼的楼道扫了一遍，清走两袋杂物"),
    _Story("B02", 2, "陪独居老人去医院取药", hours="2", signed=1),
    _Story("C09", 0, "中心广场路灯不亮，已报修", number="GD-1107"),
    _Story("B06", 3, "无偿献血400毫升", number="XZ-2611", signed=2),
    _Story("C06", 4, "建议在南门加装扶手，居民议事会已采纳", number="YS-18"),
)


def seed(tx: Tx, world: Any, people: Sequence[str]) -> None:
    """Each by another neighbour, yesterday; nobody's phone rings for it."""
    community = world.plan.communities[0]
    posted = {each.household for each in community.staff if each.household}
    free = [each for each in people if directory.resident(tx, each).household not in posted]
    signers = _signers(tx, community)
    world.clock.set(world.now - timedelta(hours=20))
    today = tx.now().astimezone(ZoneInfo(cards.ZONE)).date()
    for story, person in zip(STORIES, free, strict=False):
        found = directory.resident(tx, person)
        by = Subject(person, "resident", person=person, household=found.household, area=found.area)
        hours = Decimal(story.hours) if story.hours else None
        day = today - timedelta(days=story.days)
        draft = Draft("person", person, story.item, day, story.words, hours, number=story.number)
        made = claims.declare(tx, by, draft)
        for verb, signer in list(zip((claims.verify, claims.approve), signers, strict=True))[: story.signed]:
            verb(tx, signer, made.id)


def _signers(tx: Tx, community: Any) -> tuple[Subject, Subject]:
    """A grid worker, where there is one, and the office."""
    ranked = sorted(community.staff, key=lambda each: ("grid_worker", "staff", "director").index(each.role)
                    if each.role in ("grid_worker", "staff", "director") else 9)  # fmt: skip
    first = ranked[0]
    second = next(each for each in ranked if each.role in ("staff", "director") and each.id != first.id)
    made = [
        Subject(
            each.id, "staff", grants=(Grant(each.role, directory.area(tx, each.area).path),), person=each.person,
            household=each.household, permissions=_SIGNING,
        )
        for each in (first, second)
    ]  # fmt: skip
    return made[0], made[1]

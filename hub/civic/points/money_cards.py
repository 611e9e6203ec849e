"""What the desk sees of the mall at a glance: how much money is left, how many wait, what somebody disputes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import directory
from hub.access import Subject
from hub.civic.points import away, budget, counter
from hub.db import Read
from hub.directory import Area
from hub.errors import NotFound
from hub.module import Card, Topic


def glance(read: Read, area: str) -> Mapping[str, Any]:
    place = read.session.get(Area, area)
    if place is None or place.kind not in ("community", "village"):
        return {"known": False}
    try:
        purse = budget.purse(read, area, budget.year_of(read.now(), directory.area(read, area).tz))
    except NotFound:
        purse = None
    return {
        "known": True, "percent": purse.used_percent if purse else 0, "alert": purse.alert if purse else 0,
        "waiting": len(counter.waiting(read, area)), "disputed": len(counter.disputed(read, area)),
        "clashes": len(away.clashes(read, area)),
    }  # fmt: skip


def _desk(subject: Subject, key: str) -> bool:
    return subject.area == key and subject.may("points.counter", subject.area_path)


TOPICS = (Topic("points.money", "points/money.html", glance, _desk),)
CARDS = (Card("desk", "points.money", "area", order=36),)

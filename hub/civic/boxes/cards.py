"""What a box shows of itself (`boxes.home`), and the phone of the boxes of its home (`boxes.mine`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import box, directory
from hub.access import Subject
from hub.civic.boxes import news
from hub.db import Read
from hub.i18n import N_
from hub.module import Card, Topic


def home(read: Read, terminal: str) -> Mapping[str, Any]:
    household, area = box.home_of(read, terminal)
    return {"bound": household is not None, "area": area, "news": news.count(read, household) if household else 0}


def mine(read: Read, household: str) -> Mapping[str, Any]:
    found = box.of_household(read, household)
    tz = directory.area(read, found[0].area).tz if found else ""
    return {"boxes": found, "tz": tz}


def _box(subject: Subject, key: str) -> bool:
    return subject.kind == "tv" and subject.id == key


def _household(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.household == key


TOPICS = (
    Topic("boxes.home", "boxes/home.html", home, _box),
    Topic("boxes.mine", "boxes/mine.html", mine, _household),
)
CARDS = (
    Card("tv_home", "boxes.home", "subject", order=10),
    Card("me", "boxes.mine", "household", order=80, title=N_("Our televisions")),
)

"""A home's points on its own television: behind the blue key and a press of OK; nobody's own ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.access import Subject
from hub.civic.points import ledger
from hub.db import Read
from hub.module import Card, Topic


def home(read: Read, household: str) -> Mapping[str, Any]:
    account = ledger.account_id("household", household)
    held = ledger.held(read, [account])
    return {"shared": held[account].balance if account in held else 0}


def _box_of(subject: Subject, key: str) -> bool:
    return subject.kind == "tv" and subject.household == key


TOPICS = (Topic("points.tv_home", "points/tv_home.html", home, _box_of),)
CARDS = (Card("tv_home", "points.tv_home", "household", order=20),)

"""已收到,正在保存: what has arrived at a hut but is not on the disk yet. Memory only, and no value in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub.civic.health.models import KioskSession
from hub.db import Read
from hub.feed import Feed
from hub.readings import Reading

TOPIC = "health.kiosk"
KEPT = timedelta(seconds=10)  # a commit takes milliseconds; after this the page stops promising


@dataclass(frozen=True, slots=True)
class Awaited:
    key: str
    kind: str
    received: datetime


class Pending:
    """The newest arrival per hut. It counts as pending only until a reading of its key is stored."""

    def __init__(self) -> None:
        self._newest: dict[str, Awaited] = {}

    def note(self, hut: str, awaited: Awaited) -> None:
        self._newest[hut] = awaited

    def at(self, read: Read, session: KioskSession) -> Awaited | None:
        """What this visit is waiting for; the store has the last word."""
        awaited = self._newest.get(session.hut)
        if awaited is None or session.began is None or awaited.received < session.began:
            return None
        if read.now() - awaited.received > KEPT:
            return None
        stored = select(col(Reading.id)).where(col(Reading.key) == awaited.key)
        return None if read.session.execute(stored).first() is not None else awaited

    def expire(self, now: datetime) -> list[str]:
        gone = [hut for hut, awaited in self._newest.items() if now - awaited.received > KEPT]
        for hut in gone:
            del self._newest[hut]
        return gone


PENDING = Pending()


def glimpse(feed: Feed, arrival: Any) -> None:
    """Hear an arrival before it is stored, and draw the kiosk of its hut anew if someone is looking at it."""
    if arrival.hut is None or not feed.viewers(f"{TOPIC}:{arrival.hut}"):
        return
    PENDING.note(arrival.hut, Awaited(arrival.key, arrival.kind, arrival.t_received))
    feed.committed((), frozenset({(TOPIC, arrival.hut)}))

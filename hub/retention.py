"""Retention: a frame's bytes are kept for some weeks, then forgotten page by page in the night; the reading stays.

Some are spared: the strip of a heart trace lives nowhere else; what a recall has flagged, what a device said that is
held back now, and what a slice still needs (`Module.spares`: an open alarm) must stay open to whoever asks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import delete, exists, or_, select
from sqlmodel import col

from hub.arrival import HELD
from hub.db import Read, Tx
from hub.readings import RawFrame, Reading, to_ms
from hub.recall import ReadingFlag
from hub.registry import Device
from hub.services import Services

RAW_DAYS = 30  # a month: longer than anybody asks how a value came to be, and than a box stays without its line
KEPT_IN_FRAMES = ("ecg",)  # kinds whose curve stands in the frame alone
PAGE = 500  # rows a transaction: ingest must not wait behind it
PAUSE_S = 0.2  # between two pages
AT_HOUR, AT_MINUTE = 3, 40  # after the recount of points
FIRST_S = 900.0  # after a start
ZONE = ZoneInfo("Asia/Shanghai")
Spares = Callable[[Read, Collection[str]], Collection[str]]
"""A slice's answer to "whose frames, of these readings, must stay?"."""

log = logging.getLogger(__name__)


def days(config: Mapping[str, str]) -> int:
    return int(config.get("raw_days", RAW_DAYS))


def gone_since(received: datetime, keep_days: int, now: datetime) -> datetime | None:
    """From when a frame is no longer kept; None: it would still be there if nobody had dropped it before."""
    end = received + timedelta(days=keep_days)
    return end if end <= now else None


def old(read: Read, before_ms: int, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """The next readings whose frames are too old and which nothing of the core spares, after this one in time."""
    at, ident = col(RawFrame.t_received_ms), col(RawFrame.reading)
    flagged = exists().where(col(ReadingFlag.reading) == ident)
    rule = (
        select(at, ident)
        .join(Reading, col(Reading.id) == ident)
        .outerjoin(Device, col(Device.id) == col(Reading.device))
        .where(
            at < before_ms,
            or_(at > after[0], (at == after[0]) & (ident > after[1])),
            col(Reading.kind).not_in(KEPT_IN_FRAMES),
            ~flagged,
            or_(col(Device.state).is_(None), col(Device.state) != HELD),
        )
        .order_by(at, ident)
        .limit(limit)
    )
    return [(received, reading) for received, reading in read.session.execute(rule)]


def forget(tx: Tx, page: Sequence[str], spares: Sequence[Spares]) -> int:
    """Delete these frames but those that a slice still needs: asked in the transaction that deletes."""
    kept = {reading for each in spares for reading in each(tx, page)}
    gone = [reading for reading in page if reading not in kept]
    return tx.change(delete(RawFrame).where(col(RawFrame.reading).in_(gone))) if gone else 0


async def prune(hub: Services) -> int:
    """All that is due now. Begun anew after a kill it goes on where it was: what is gone is gone."""
    before_ms = to_ms(hub.clock.now() - timedelta(days=days(hub.config)))
    spares = [module.spares for module in hub.modules if module.spares is not None]
    after, count = (0, ""), 0
    while page := await hub.store.read(partial(old, before_ms=before_ms, after=after, limit=PAGE)):
        idents = [reading for _at, reading in page]
        count += await hub.store.write(partial(forget, page=idents, spares=spares))
        after = page[-1]
        await hub.clock.sleep(PAUSE_S)
    return count


def next_night(now: datetime) -> datetime:
    local = now.astimezone(ZONE)
    due = local.replace(hour=AT_HOUR, minute=AT_MINUTE, second=0, microsecond=0)
    return due if due > local else due + timedelta(days=1)


async def every_night(hub: Services) -> None:
    """And once soon after a start: a hut's own hub may be switched off every night."""
    wait_s = FIRST_S
    while True:
        await hub.clock.sleep(wait_s)
        count = await prune(hub)
        log.info("old frames forgotten", extra={"frames": count, "days": days(hub.config)})
        now = hub.clock.now()
        wait_s = (next_night(now) - now).total_seconds()

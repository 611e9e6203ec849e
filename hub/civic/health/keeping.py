"""Keeping: readings live three years, as the consent page says; then they lose their numbers, and stay countable."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import erasure
from hub.db import Read, Tx
from hub.erasure import Erasure
from hub.readings import Reading, to_ms
from hub.services import Services

KEPT = timedelta(days=3 * 365 + 1)
PAGE = 200  # readings a transaction: ingest must not wait behind it
PAUSE_S = 0.2
AT_HOUR, AT_MINUTE = 4, 10  # after the frames' own retention
ZONE = ZoneInfo("Asia/Shanghai")


def old(read: Read, limit: int = PAGE) -> list[str]:
    """Somebody's readings whose three years are over; the oldest first."""
    rule = select(col(Reading.id)).where(
        col(Reading.t_received_ms) < to_ms(read.now() - KEPT), col(Reading.person).is_not(None)
    )
    return list(read.session.execute(rule.order_by(col(Reading.t_received_ms)).limit(limit)).scalars())


def let_go(tx: Tx) -> int:
    return erasure.erase(tx, old(tx), "retention")


def erased_lately(read: Read) -> bool:
    since = read.now() - timedelta(days=2)
    return (
        read.session.execute(select(col(Erasure.reading)).where(col(Erasure.at) > since).limit(1)).first() is not None
    )


async def prune(hub: Services) -> int:
    """All that is due now; then the log is emptied, also of what somebody erased while readers were in the way."""
    count = 0
    while done := await hub.store.write(let_go, can_wait=True):
        count += done
        await hub.clock.sleep(PAUSE_S)
    if await hub.store.read(erased_lately):
        await hub.store.settle_log()
    return count


async def watch(hub: Services) -> None:
    """Job: once a night."""
    while True:
        await hub.clock.sleep(_until(hub.clock.now()))
        await prune(hub)


def _until(now: datetime) -> float:
    local = now.astimezone(ZONE)
    at = local.replace(hour=AT_HOUR, minute=AT_MINUTE, second=0, microsecond=0)
    return ((at if at > local else at + timedelta(days=1)) - local).total_seconds()

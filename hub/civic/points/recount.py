"""Every night the ledger is added up from zero and its chains are recomputed; what does not agree is said aloud."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from hub.civic.points import book, cards, chain, proof
from hub.civic.points.chain import Broken
from hub.civic.points.money_events import LedgerRecounted
from hub.civic.points.proof import Survey
from hub.db import Read, Tx
from hub.services import Services

AT_HOUR = 3  # nobody redeems, and the backup has not begun
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Night:
    accounts: int
    postings: int
    different: int  # accounts whose balance is not the sum of its postings, entries without one
    broken: int  # places where a chain does not hold

    @property
    def sound(self) -> bool:
        return not self.different and not self.broken


def check(read: Read) -> Night:
    """Also what was written by hand, past our code and past the chain."""
    return _night(read, chain.verify(read))


def _night(read: Read, broken: Sequence[Broken]) -> Night:
    found = book.recount(read)
    return Night(found.accounts, found.postings, len(found.different) + found.bare + (found.total != 0), len(broken))


def next_night(now: datetime) -> datetime:
    local = now.astimezone(ZoneInfo(cards.ZONE))
    due = local.replace(hour=AT_HOUR, minute=0, second=0, microsecond=0)
    return due if due > local else due + timedelta(days=1)


async def every_night(hub: Services) -> None:
    while True:
        now = hub.clock.now()
        await hub.clock.sleep((next_night(now) - now).total_seconds())
        night, found = await hub.store.read(survey)
        await hub.store.write(partial(keep, night=night, found=found))


def survey(read: Read) -> tuple[Night, Survey]:
    found = proof.survey(read)
    return _night(read, found.broken), found


def keep(tx: Tx, night: Night, found: Survey) -> None:
    """What was found is said, and how far the chains were checked is kept for whoever looks by day (proof.py)."""
    proof.keep(tx, found)
    tx.emit(
        LedgerRecounted, accounts=night.accounts, postings=night.postings, different=night.different,
        broken=night.broken,
    )  # fmt: skip
    if not night.sound:
        log.error("the ledger does not add up", extra={"different": night.different, "broken": night.broken})

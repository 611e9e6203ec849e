"""Time passes: publicity and the time to appeal end, transfers arrive, what nobody fetched returns, photos go."""

from __future__ import annotations

from hub.civic.points import away, honours, photos, publicity, recount, rewards, transfers
from hub.db import Tx
from hub.module import Job
from hub.services import Services

TICK_S = 60.0  # promises are made in days and hours
PURGE_EVERY = 60  # ticks; photos are kept for months, an hour more is nothing


async def keep_time(hub: Services) -> None:
    ticks = 0
    while True:
        await hub.clock.sleep(TICK_S)
        await hub.store.write(publicity.settle_due)
        await hub.store.write(transfers.settle_due)
        await hub.store.write(away.end_leases)
        await hub.store.write(rewards.return_unclaimed)
        if ticks % PURGE_EVERY == 0:
            await hub.store.write(_purge)
            await hub.store.write(honours.honour_continued)
        ticks += 1


def _purge(tx: Tx) -> int:
    return photos.purge(tx, tx.now())


JOBS = (Job("claims", keep_time, "web"), Job("recount", recount.every_night, "web"))

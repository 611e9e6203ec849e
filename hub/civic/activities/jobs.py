"""Time passes: an activity that began or ended moves on the screens without anybody touching it."""

from __future__ import annotations

from hub.civic.activities import programme
from hub.db import Tx
from hub.module import Job
from hub.services import Services

TICK_S = 60.0  # announcements are written to the minute


async def keep_time(hub: Services) -> None:
    since = hub.clock.now()
    while True:
        await hub.clock.sleep(TICK_S)
        now = hub.clock.now()
        areas = await hub.store.read(lambda read, since=since, now=now: programme.turned(read, since, now))  # type: ignore[misc]
        if areas:
            await hub.store.write(lambda tx, areas=areas: _show(tx, areas))  # type: ignore[misc]
        since = now


def _show(tx: Tx, areas: list[str]) -> None:
    for area in areas:
        programme.show(tx, area)


JOBS = (Job("time", keep_time, "web"),)

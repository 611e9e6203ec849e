"""Time passes: a visit becomes overdue, and a door at which nobody was at home may be tried again."""

from __future__ import annotations

from functools import partial

from hub.civic.visits import book
from hub.module import Job
from hub.services import Services

TICK_S = 20.0  # a due time is written to the minute


async def keep_clock(hub: Services) -> None:
    since = hub.clock.now()
    while True:
        await hub.clock.sleep(TICK_S)
        now = hub.clock.now()
        while await hub.store.read(book.left_over):
            await hub.store.write(book.end_left_over)
        if await hub.store.read(lambda read, since=since: book.is_time(read, since)):  # type: ignore[misc]
            keep = partial(book.keep_clock, since=since)
            while await hub.store.write(keep) == book.PAGE_LATE:
                pass
        since = now


JOBS = (Job("clock", keep_clock, "web"),)

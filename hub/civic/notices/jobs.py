"""What runs beside the desk: time that passes over notices, ladders that are climbed, and boards that go out."""

from __future__ import annotations

from functools import partial

from hub import idempotency, login
from hub.civic.notices import answers, board, callback, desk, ladder, ladder_pages
from hub.civic.notices.ladder import Pace
from hub.db import Tx
from hub.module import Job
from hub.services import Services

TICK_S = 0.5  # a notice that ran out is gone from every screen well within the promised 5 s
PRUNE_EVERY_S = 3600.0


async def keep_time(services: Services) -> None:
    pruned = services.clock.monotonic() - PRUNE_EVERY_S
    while True:
        while await services.store.read(desk.is_time) and await services.store.write(desk.keep_time) > 0:
            pass
        if await services.store.read(answers.is_late):
            await services.store.write(answers.keep_clock)
        if services.clock.monotonic() - pruned >= PRUNE_EVERY_S:
            pruned = services.clock.monotonic()
            await services.store.write(_prune)
            while await services.store.write(login.prune):
                pass
        await services.clock.sleep(TICK_S)


async def climb(services: Services) -> None:
    pace = Pace()
    while True:
        if not await climb_once(services, pace):
            await services.clock.sleep(TICK_S)


async def climb_once(services: Services, pace: Pace) -> bool:
    """Everything that is due now, a page of each ladder. Says whether there was anything to do."""
    open_now = await services.store.read(ladder.under_way)
    pace.forget(open_now)
    now, monotonic, climbed = services.clock.now(), services.clock.monotonic(), False
    for each in open_now:
        elapsed_s = pace.elapsed_s(each, now, monotonic)
        if each.waits(elapsed_s):
            continue
        go_on = partial(
            ladder.go_on, ident=each.notice, revision=each.revision, elapsed_s=elapsed_s,
            ways=ladder_pages.channels_here(services),
        )  # fmt: skip
        climbed = await services.store.write(go_on) or climbed
    return climbed


def _prune(tx: Tx) -> None:
    idempotency.prune(tx)
    callback.prune(tx)


JOBS = (Job("time", keep_time), Job("ladder", climb), Job("board", board.keep_published, role="front"))

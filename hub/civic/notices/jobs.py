"""What runs beside the desk: time that passes over notices, and boards that go out."""

from __future__ import annotations

from hub import idempotency
from hub.civic.notices import answers, board, callback, desk
from hub.db import Tx
from hub.module import Job
from hub.services import Services

TICK_S = 0.5  # a notice that ran out is gone from every screen well within the promised 5 s
PRUNE_EVERY_S = 3600.0


async def keep_time(services: Services) -> None:
    pruned = services.clock.monotonic() - PRUNE_EVERY_S
    while True:
        if await services.store.read(desk.is_time):
            await services.store.write(desk.keep_time)
        if await services.store.read(answers.is_late):
            await services.store.write(answers.keep_clock)
        if services.clock.monotonic() - pruned >= PRUNE_EVERY_S:
            pruned = services.clock.monotonic()
            await services.store.write(_prune)
        await services.clock.sleep(TICK_S)


def _prune(tx: Tx) -> None:
    idempotency.prune(tx)
    callback.prune(tx)


JOBS = (Job("time", keep_time), Job("board", board.keep_published, role="front"))

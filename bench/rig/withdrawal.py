"""Withdrawing a notice that is under way to a city, with readings coming in: what the end takes, and what waits for it.

Half of its deliveries have left by then, so that half are cancelled and half of its readers are told that it no longer
holds. A transaction is timed from its first statement to its commit, a reading from its arrival to its settlement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import text

from bench.rig import town
from bench.rig.figures import quantile
from hub import sweep
from hub.clock import SystemClock
from hub.db import Store, Tx
from hub.ingest import Ingest
from hub.registry import Registry
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict

QUIET_S, READINGS_A_S = 5.0, 200
_LEFT = "UPDATE outbox SET state = 'accepted', provider_id = id WHERE rowid % 2 = 0"
T = TypeVar("T")


async def timed(store: Store, work: Callable[[Tx], T]) -> tuple[T, float]:
    """How long the writer was held, without the wait for it."""
    began = 0.0

    def held(tx: Tx) -> T:
        nonlocal began
        began = time.perf_counter()
        return work(tx)

    made = await store.write(held)
    return made, time.perf_counter() - began


class Cuffs:
    """A town's cuffs at a steady pace; `waits` are the seconds from a frame's arrival to its commit."""

    def __init__(self, store: Store, area: str) -> None:
        self.waits: list[float] = []
        self.ingest = Ingest(store, Registry(store, SystemClock()), SystemClock(), SeededRng("cuffs"))
        self._frames = town.payloads(0, 100_000, int(time.time()) - 3_600)
        self._topics = [topic.replace(town.AREA, area) for topic in town.topics_of(town.GATEWAYS[0])]

    async def send(self) -> None:
        began = time.perf_counter()
        for number, frame in enumerate(self._frames):
            await asyncio.sleep(max(0.0, began + number / READINGS_A_S - time.perf_counter()))
            sent = time.perf_counter()

            def settled(_verdict: Verdict, sent: float = sent) -> None:
                self.waits.append(time.perf_counter() - sent)

            topic = self._topics[number % len(self._topics)]
            await self.ingest.put(Uplink(town.GATEWAYS[0], topic, frame, datetime.now(UTC), settled))


async def beside(store: Store, area: str, withdraw: Callable[[Tx], Any]) -> dict[str, Any]:
    """`withdraw` ends the one notice of the store. Its own community has the cuffs."""
    await store.write(lambda tx: tx.session.execute(text(_LEFT)))
    with closing(store.engine.raw_connection()) as raw:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was just prepared is not the withdrawal's
    cuffs = Cuffs(store, area)
    work = [asyncio.ensure_future(cuffs.ingest.run()), asyncio.ensure_future(cuffs.send())]
    try:
        await asyncio.sleep(QUIET_S)
        quiet, cuffs.waits = sorted(cuffs.waits), []
        cpu = time.process_time()
        _none, end_s = await timed(store, withdraw)
        pages = list[float]()
        while True:
            more, page_s = await timed(store, sweep.sweep)
            if not more:
                break
            pages.append(page_s)
        busy, cpu = sorted(cuffs.waits), time.process_time() - cpu
    finally:
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    return {
        "withdraw_s": round(end_s, 3), "sweep_pages": len(pages), "sweep_s": round(sum(pages), 1),
        "sweep_and_readings_cpu_s": round(cpu, 1), "sweep_page_ms_p50": round(quantile(sorted(pages), 0.5) * 1000, 1),
        "sweep_page_ms_max": round(max(pages, default=0.0) * 1000, 1), "readings_beside": len(busy),
        "readings_ms_p99_before": round(quantile(quiet, 0.99) * 1000, 1),
        "readings_ms_p99_beside": round(quantile(busy, 0.99) * 1000, 1),
        "readings_ms_max_beside": round(busy[-1] * 1000, 1) if busy else None,
    }  # fmt: skip

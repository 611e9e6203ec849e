"""A process that only shows pages shows what the others take in, each counted once, and forgets one that has died."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hub.civic.operations import flow, telling
from hub.clock import ManualClock, SystemClock
from hub.ingest import Ingest
from hub.registry import Registry
from hub.rng import SeededRng
from tests.conftest import needs
from tests.postgres.cluster import MakeStore
from tests.world import START, until

pytestmark = [pytest.mark.anyio, needs("postgresql")]


def process(make_store: MakeStore, name: str) -> Any:
    store, clock = make_store(seed=name), SystemClock()
    ingest = Ingest(store, Registry(store, clock), clock, SeededRng(name))
    return SimpleNamespace(store=store, ingest=ingest, clock=clock)


def flowing(at: Any) -> flow.Flow:
    return flow.measure(at.ingest, at.clock.now())


async def test_the_board_of_a_web_worker_adds_up_what_two_ingest_workers_store(make_store: MakeStore) -> None:
    web, one, two = (process(make_store, name) for name in ("web", "one", "two"))
    one.ingest.meter.batch(stored=30, duplicate=2, quarantined=1, latencies_ms=[3.0])
    two.ingest.meter.batch(stored=12, duplicate=0, quarantined=0, latencies_ms=[9.0])
    two.ingest.meter.refuse("acl")
    jobs = [asyncio.create_task(telling.hear(web)), *(asyncio.create_task(telling.tell(each)) for each in (one, two))]
    try:
        await until(lambda: flowing(web).stored == 42 or any(job.done() for job in jobs))
        seen = flowing(web)
        assert (seen.ingested, seen.duplicate, seen.quarantined, seen.refused_total) == (46, 2, 1, 1)
        assert seen.balanced
        assert sum(count for _ago, count in seen.rate.rows) == 42
        assert seen.p99_ms == 9.0
        assert flowing(one).stored == 30, "who does not listen shows its own"
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def test_a_process_does_not_count_itself_twice_and_a_dead_one_leaves_the_board(make_store: MakeStore) -> None:
    here, there = process(make_store, "here"), process(make_store, "there")
    clock = ManualClock(START)
    there.ingest.meter.batch(stored=5, duplicate=0, quarantined=0, latencies_ms=[])
    for each in (here, there):
        body = msgspec.json.encode(telling.own(each.ingest, clock.now(), each.store.name)).decode()
        telling.heard(here.ingest, here.store.name, body, clock.now())
    assert flow.measure(here.ingest, clock.now()).stored == 5
    clock.advance(telling.FRESH.total_seconds())
    assert flow.measure(here.ingest, clock.now()).stored == 0

"""Where a batch ends changes nothing: presence, duplicates and counts are the same however readings are grouped."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import presence
from hub.ingest import Ingest
from hub.readings import Reading
from hub.rng import SeededRng
from tests.core.test_ingest import FAILED, GOOD, Bench

# What comes (measured or failed, and of which minute), and whether a commit comes after it.
PLAN = st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=PLAN)
def test_the_grouping_of_readings_changes_neither_presence_nor_counts(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[bool, int, bool]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("grouped"))
    in_a_row, seen = 0, set()
    for measured, minute, _ in plan:
        if (measured, minute) not in seen:  # what is not new is not heard
            in_a_row = 0 if measured else in_a_row + 1
            seen.add((measured, minute))

    async def go() -> Ingest:
        ingest = Ingest(bench.store, bench.registry, bench.clock, SeededRng("ids"))
        for measured, minute, commit in plan:
            frame = GOOD if measured else FAILED
            await ingest.put(bench.up(frame[:12] + bytes([minute]) + frame[13:]))
            if commit:
                await ingest.drain()
        await ingest.drain()
        return ingest

    ingest = asyncio.run(go())
    heard = bench.store.read_now(presence.heard)["bp-1"]
    assert heard.failed_in_a_row == in_a_row
    assert heard.seen == bench.clock.now()
    assert bench.count(Reading) == len(seen) == ingest.meter.stored
    assert ingest.meter.duplicate == len(plan) - len(seen)
    bench.store.close()


def test_a_batch_larger_than_a_statement_is_stored_whole_and_its_repetition_not_at_all(bench: Bench) -> None:
    frames = [GOOD[:11] + bytes([hour, minute]) + GOOD[13:] for hour in range(6) for minute in range(60)]
    assert bench.feed(*(bench.up(frame) for frame in frames)).meter.stored == 360
    again = bench.feed(*(bench.up(frame) for frame in frames), bench.up(GOOD[:11] + bytes([7, 0]) + GOOD[13:]))
    assert (again.meter.stored, again.meter.duplicate) == (1, 360)
    assert bench.count(Reading) == 361


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("large"))

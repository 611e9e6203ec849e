"""What messages cost: every settled message once, whatever the batches; nothing for what is not billed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from channels.base import Accepted
from hub import charges
from hub.db import Store
from tests.world import make_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = make_store(tmp_path)
    yield made
    made.close()


TAKEN = st.tuples(st.sampled_from(["n-1", "n-2"]), st.sampled_from(["sms", "wechat"]), st.integers(0, 8))


@given(batches=st.lists(st.lists(TAKEN, max_size=6), max_size=5))
# The store only grows, so a failing case is not made smaller.
@settings(
    max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_batches_add_up_to_what_was_billed(store: Store, batches: list[list[tuple[str, str, int]]]) -> None:
    before = {
        notice: {spent.channel: spent for spent in store.read_now(lambda read, n=notice: charges.of_notice(read, n))}  # type: ignore[misc]
        for notice in ("n-1", "n-2")
    }
    for batch in batches:
        billed = [
            (notice, channel, Accepted("id", parts=parts, cost_fen=5 * parts)) for notice, channel, parts in batch
        ]
        store.write_now(lambda tx, billed=billed: charges.charge(tx, billed))  # type: ignore[misc]
    parts: Counter[tuple[str, str]] = Counter()
    messages: Counter[tuple[str, str]] = Counter()
    for notice, channel, count in (each for batch in batches for each in batch if each[2]):
        parts[notice, channel] += count
        messages[notice, channel] += 1
    for notice in ("n-1", "n-2"):
        for spent in store.read_now(lambda read, n=notice: charges.of_notice(read, n)):  # type: ignore[misc]
            old = before[notice].get(spent.channel, charges.Spent(spent.channel, 0, 0, 0))
            assert spent.parts - old.parts == parts[notice, spent.channel]
            assert spent.messages - old.messages == messages[notice, spent.channel]
            assert spent.fen == 5 * spent.parts
        entered = {spent.channel for spent in store.read_now(lambda read, n=notice: charges.of_notice(read, n))}  # type: ignore[misc]
        assert {channel for place, channel in parts if place == notice} <= entered

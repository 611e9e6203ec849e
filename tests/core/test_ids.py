"""Ids: time-ordered UUIDs, one by one and by the batch."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from hub.rng import Rng, SeededRng, uuid7, uuid7s

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Ones:
    """The greatest chance there is: nothing is left to count up in, if nothing was kept free for it."""

    def token(self, nbytes: int) -> bytes:
        return b"\xff" * nbytes

    def uniform(self, low: float, high: float) -> float:
        return high


@given(st.integers(0, 300), st.one_of(st.integers(0, 2**32).map(SeededRng), st.just(Ones())))
def test_a_batch_of_ids_ascends_and_each_is_a_uuid_of_its_moment(count: int, rng: Rng) -> None:
    ids = uuid7s(NOON, count, rng)
    assert len(ids) == count
    assert all(one < two for one, two in itertools.pairwise(ids))
    for each in ids:
        found = UUID(each)
        assert (str(found), found.version, found.variant) == (each, 7, RFC_4122)
        assert found.int >> 80 == int(NOON.timestamp() * 1000)


def test_two_batches_of_one_moment_share_no_id() -> None:
    rng = SeededRng(7)
    batches = [uuid7s(NOON, 50, rng) for _ in range(200)]
    assert len({each for batch in batches for each in batch} | {uuid7(NOON, rng)}) == 200 * 50 + 1

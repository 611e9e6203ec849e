"""Acknowledgements leave in the order of arrival, each once, and never before its own message is settled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.broker.acks import AckQueue


@given(st.permutations(range(1, 13)), st.permutations(range(12)))
def test_every_message_is_acknowledged_once_in_order_after_it_was_settled(ids: list[int], order: list[int]) -> None:
    queue = AckQueue()
    entries = [queue.add(packet_id, 1) for packet_id in ids]
    acknowledged: list[int] = []
    settled: set[int] = set()
    for place in order:
        settled.add(ids[place])
        ready = [entry.packet_id for entry in queue.settle(entries[place])]
        assert set(ready) <= settled
        acknowledged += ready
        assert queue.settle(entries[place]) == []
    assert acknowledged == ids
    assert len(queue) == 0


def test_a_late_second_settle_cannot_acknowledge_the_next_message_of_that_identifier() -> None:
    queue = AckQueue()
    first = queue.add(7, 1)
    assert queue.settle(first) == [first]
    queue.add(7, 1)
    assert queue.settle(first) == []
    assert 7 in queue

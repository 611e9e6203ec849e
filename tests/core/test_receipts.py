"""Receipts name the highest contiguous settled entry, however the workers commit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import topics
from hub import batch, receipts
from hub.arrival import Note, Opened
from hub.receipts import advance
from hub.uplink import Uplink
from tests.world import LIUHE, START, make_store, people


@given(st.permutations(range(1, 30)), st.integers(0, 28), st.integers(1, 5))
def test_any_order_of_commits_ends_at_the_same_receipt(order: list[int], missing: int, size: int) -> None:
    contiguous = 0
    ahead: list[int] = []
    lost = missing + 1
    settled: set[int] = set()
    for start in range(0, len(order), size):
        batch = [seq for seq in order[start : start + size] if seq != lost]
        settled |= set(batch)
        before = contiguous
        contiguous, ahead = advance(contiguous, ahead, batch)
        assert contiguous >= before, "a receipt never goes back"
        assert all(seq in settled for seq in range(1, contiguous + 1)), "it never covers what is not on disk"
    assert contiguous == lost - 1
    contiguous, ahead = advance(contiguous, ahead, [lost])
    assert (contiguous, ahead) == (29, [])


def test_a_resent_entry_changes_nothing() -> None:
    assert advance(5, [7], [3, 7]) == (5, [7])


def born(**said: object) -> Opened:
    topic, payload = topics.Birth(LIUHE, "gw-1"), json.dumps({"boot": "b1", **said}).encode()
    return Opened(
        Uplink("gw-1", str(topic), payload, START, lambda _verdict: None), "f1", note=Note(topic, payload, START, "c1")
    )


def test_after_a_restore_the_receipt_goes_on_from_what_the_gateway_still_keeps(tmp_path: Path) -> None:
    """The store knows up to 5, receipts up to 8 were sent once, 8 were trimmed; 9 and 10 wait in the gateway."""
    store = make_store(tmp_path)
    store.write_now(people)
    place = ("gw-1", "b1")
    store.write_now(lambda tx: receipts.settle(tx, {place: range(1, 6)}))
    assert store.write_now(lambda tx: receipts.settle(tx, {place: [9]})) == {place: 5}
    store.write_now(lambda tx: batch.write_batch(tx, [born(**{"from": 9})]))
    assert store.read_now(lambda read: receipts.of_gateway(read, "gw-1")) == {place: 9}
    assert store.write_now(lambda tx: receipts.settle(tx, {place: [10]})) == {place: 10}
    store.close()


@pytest.mark.parametrize("first", [1, 3, 0, -4, True, "9", 9.0, 2**60, None])
def test_a_birth_moves_no_receipt_back_and_nonsense_moves_none(tmp_path: Path, first: object) -> None:
    store = make_store(tmp_path)
    store.write_now(people)
    store.write_now(lambda tx: receipts.settle(tx, {("gw-1", "b1"): range(1, 6)}))
    store.write_now(lambda tx: batch.write_batch(tx, [born(**{"from": first})]))
    assert store.read_now(lambda read: receipts.of_gateway(read, "gw-1")) == {("gw-1", "b1"): 5}
    store.close()

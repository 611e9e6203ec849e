"""Receipts name the highest contiguous settled entry, however the workers commit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.receipts import advance


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

"""The audit chain finds what was edited, deleted or reordered."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from hub import audit
from hub.bus import Bus
from hub.clock import ManualClock
from hub.db import Actor, Store, Tx
from hub.events import NoticeReleased
from tests.world import START, make_store


def _release(tx: Tx) -> None:
    tx.emit(NoticeReleased, notice="n-1", revision=1, priority="routine", areas=("420802002001",))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = make_store(tmp_path, bus=Bus())
    for number in range(5):
        store.write_now(_release, Actor(f"staff:s-{number}", on_behalf_of="r-wang"))
    return store


def test_a_whole_chain_verifies_and_names_actor_and_principal(store: Store) -> None:
    assert store.read_now(audit.verify) is None
    assert store.read_now(audit.length) == 5
    row = store.read_now(lambda read: read.session.get(audit.AuditRow, 1))
    assert row is not None
    assert (row.kind, row.subject, row.actor, row.on_behalf_of) == ("NoticeReleased", "n-1", "staff:s-0", "r-wang")


@pytest.mark.parametrize(
    ("attack", "found_at"),
    [
        ("UPDATE audit SET actor = 'staff:s-9' WHERE seq = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("UPDATE audit SET seq = seq + 100 WHERE seq = 1", 1),
    ],
)
def test_tampering_is_found_where_it_happened(store: Store, attack: str, found_at: int) -> None:
    with store.engine.begin() as connection:
        connection.execute(text(attack))
    assert store.read_now(audit.verify) == found_at


def test_a_rolled_back_transaction_leaves_no_trace(store: Store) -> None:
    def half(tx: Tx) -> None:
        _release(tx)
        raise RuntimeError("the rest failed")

    with pytest.raises(RuntimeError):
        store.write_now(half)
    assert store.read_now(audit.length) == 5
    assert store.read_now(audit.verify) is None


def test_a_clock_that_speaks_of_another_zone_breaks_no_chain(tmp_path: Path) -> None:
    clock = ManualClock(START.astimezone(ZoneInfo("Asia/Shanghai")))
    store = make_store(tmp_path, clock=clock, bus=Bus())
    store.write_now(_release)
    assert store.read_now(audit.verify) is None

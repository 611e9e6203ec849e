"""What `/desk/proof` may say without recomputing all there is: what is new is looked at, the rest by night."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event as listening
from sqlalchemy import text

from hub.civic.points import chain, guards, ledger, proof, recount
from hub.civic.points.proof import Proof
from hub.civic.points.why import Why
from hub.clock import ManualClock
from hub.db import Store, Tx
from tests.points.ledgers import a_store, account, issue
from tests.world import LIUHE, START

AWARD = Why("award", item="C01", catalogue="jingmen-46@1")


def _award(store: Store, *references: str) -> None:
    for each in references:
        store.write_now(partial(_post, reference=each))


def _post(tx: Tx, reference: str) -> None:
    ledger.post(tx, issue(tx), account(tx, "person", "r-wang"), 5, reference, AWARD)


def _night(store: Store) -> recount.Night:
    night, found = store.read_now(recount.survey)
    store.write_now(lambda tx: recount.keep(tx, night, found))
    return night


def _seen(store: Store) -> Proof:
    return store.read_now(lambda read: proof.look(read, [LIUHE]))[0]


def _forge(store: Store, *statements: str) -> None:
    """Somebody who may drop triggers, and puts them back."""
    with store.engine.begin() as connection:
        guards.remove(connection)
        for each in statements:
            connection.execute(text(each))
        guards.install(connection)


def test_a_look_recomputes_only_what_the_night_has_not(tmp_path: Path) -> None:
    clock = ManualClock(START)
    with a_store(tmp_path, clock=clock) as store:
        _award(store, "a", "b")
        first = _seen(store)
        assert (first.at, first.entries, first.since_entries, first.broken) == (None, 0, 2, ())
        assert _night(store).sound
        clock.set(START + timedelta(hours=9))
        _award(store, "c")
        later = _seen(store)
        assert (later.at, later.links, later.entries, later.since_entries) == (START, 2, 2, 1)
        assert later.broken == ()
        assert _night(store).sound
        assert (_seen(store).entries, _seen(store).since_entries) == (3, 0)


def test_what_is_new_and_forged_is_seen_at_a_look(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        _award(store, "a")
        _night(store)
        _award(store, "b", "c")
        _forge(store, "UPDATE points_txn SET rule = 'other@1' WHERE reference = 'b'")
        assert [each.seq for each in _seen(store).broken] == [2]


def test_an_old_entry_that_was_changed_is_found_by_the_night_and_by_the_button_and_stays_said(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        _award(store, "a", "b")
        _night(store)
        _award(store, "c")
        _forge(store, "UPDATE points_txn SET rule = 'other@1' WHERE reference = 'a'")
        assert _seen(store).broken == ()  # a look goes on from where the night stopped, and says so
        found = store.read_now(lambda read: proof.survey(read, [LIUHE]))
        assert [(each.month, each.seq) for each in found.broken] == [("2026-11", 1)]
        store.write_now(lambda tx: proof.keep(tx, found))
        assert [each.seq for each in _seen(store).broken] == [1]
        assert not _night(store).sound
        _forge(store, "UPDATE points_txn SET rule = 'C01@jingmen-46@1' WHERE reference = 'a'")
        assert _night(store).sound
        assert _seen(store).broken == ()


def test_a_rewritten_end_and_a_posting_put_into_a_closed_link_are_seen_at_a_look(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        _award(store, "a", "b")
        _night(store)
        by_hand = (
            "INSERT INTO points_posting (txn, source, destination, amount) "
            "SELECT txn, destination, source, 1 FROM points_posting WHERE id = (SELECT min(id) FROM points_posting)"
        )
        with store.engine.begin() as connection:
            connection.execute(text(by_hand))
        assert [each.why for each in _seen(store).broken] == ["an entry was added to a link that was closed"]
        _forge(store, "UPDATE points_link SET hash = prev WHERE seq = 2")
        assert "is not what it was when it was checked" in [each.why for each in _seen(store).broken]
        assert not _night(store).sound


def test_a_long_chain_is_read_five_hundred_links_at_a_time(tmp_path: Path) -> None:
    """Or a city's night would hold its ledger in memory. And what is found is a value: the same find twice is one."""
    read_entries: list[int] = []

    def look(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: object) -> None:
        if statement.startswith("SELECT") and "points_txn.link IN" in statement:
            read_entries.append(len(parameters))

    with a_store(tmp_path) as store:
        store.write_now(lambda tx: [chain.extend(tx, LIUHE, START, [f"{n:064}"]) for n in range(501)])
        listening.listen(store._readers, "before_cursor_execute", look)
        first, again = (store.read_now(lambda read: chain.walk(read, LIUHE)) for _time in range(2))
        assert read_entries == [500, 1] * 2
        assert (first.links, first.entries, len(first.broken)) == (501, 0, 501)  # links without what they name
        assert (len({first, again}), len({*first.broken, *again.broken})) == (1, 501)

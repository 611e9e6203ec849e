"""The ledger under what it may meet: raw SQL, threads, reversals. Random operations: test_points_machine.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub import migrations
from hub.access import Subject
from hub.civic.points import accounts, book, chain, guards, holds, ledger, recount
from hub.civic.points.ledger import NotEnoughPoints
from hub.civic.points.why import Draft, Receipt, Why
from hub.db import Actor, Store, Tx
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from tests.points.ledgers import a_store, account, issue
from tests.world import LIUHE, START

AWARD = Why("award", item="C01", catalogue="jingmen-46@1")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with a_store(tmp_path) as opened:
        opened.write_now(lambda tx: _give(tx, "r-wang", 100, "start"))
        yield opened


def _give(tx: Tx, resident: str, amount: int, reference: str) -> Receipt:
    return ledger.post(tx, issue(tx), account(tx, "person", resident), amount, reference, AWARD)


def _balance(store: Store, ident: str) -> int:
    return store.read_now(lambda read: ledger.held(read, [ident])[ident].balance)


RAW = {
    "update a posting": "UPDATE points_posting SET amount = amount + 1",
    "delete a posting": "DELETE FROM points_posting",
    "update a transaction": "UPDATE points_txn SET reference = 'other'",
    "delete a transaction": "DELETE FROM points_txn",
    "delete an account": "DELETE FROM points_account",
    "set a balance": "UPDATE points_account SET balance = balance + 1000 WHERE kind = 'person'",
    "set a balance with a pointer": "UPDATE points_account SET balance = 1000, at_posting = at_posting + 1",
    "lower a floor": "UPDATE points_account SET floor = -500 WHERE kind = 'person'",
    "raise what was earned": "UPDATE points_account SET earned = 9999 WHERE kind = 'person'",
    "hand an account over": "UPDATE points_account SET owner = 'r-lin' WHERE kind = 'person'",
    "open an account with points in it": "INSERT INTO points_account (id, area, kind, owner, balance, earned, floor, "
    "at_posting, opened) SELECT 'person-r-lin', area, kind, 'r-lin', 50, 0, 0, 0, opened FROM points_account "
    "WHERE kind = 'person'",
    "a posting below zero": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, source, destination, -5 FROM points_posting",
    "a posting of nothing": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, source, destination, 0 FROM points_posting",
    "a posting onto itself": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, source, source, 5 FROM points_posting",
    "a posting with one end": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, source, 'person-nobody', 5 FROM points_posting",
    "a posting with no end": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, source, NULL, 5 FROM points_posting",
    "a posting for no reason": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT 'no-txn', source, destination, 5 FROM points_posting",
    "spend what is not there": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, destination, source, 101 FROM points_posting",
    "the same posting again": "INSERT INTO points_posting (id, txn, source, destination, amount) "
    "SELECT id, txn, source, destination, amount FROM points_posting",
    "the same reference again": "INSERT INTO points_txn (id, at, reason, reference, actor, rule, area, link) "
    "SELECT 'other-id', at, reason, reference, actor, rule, area, link FROM points_txn",
    "an entry without a rule": "INSERT INTO points_txn (id, at, reason, reference, actor, area, link) "
    "SELECT 'other-id', at, reason, 'other', actor, area, link FROM points_txn",
    "an entry in no chain": "INSERT INTO points_txn (id, at, reason, reference, actor, rule, area) "
    "SELECT 'other-id', at, reason, 'other', actor, rule, area FROM points_txn",
    "rewrite a link": "UPDATE points_link SET hash = prev",
    "delete a link": "DELETE FROM points_link",
    "a link that follows nothing": "INSERT INTO points_link (area, month, seq, entries, prev, hash, at) "
    "SELECT area, month, seq + 1, 1, prev, hash, at FROM points_link",
    "a link out of turn": "INSERT INTO points_link (area, month, seq, entries, prev, hash, at) "
    "SELECT area, month, seq + 2, 1, hash, prev, at FROM points_link",
    "points into money": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, destination, 'available-420802002001-2026-fen', 5 FROM points_posting",
    "an account of the other ledger's kind": "INSERT INTO points_account (id, area, kind, owner, balance, earned, "
    "floor, at_posting, opened, unit) SELECT 'spent-x', area, 'spent', 'x', 0, 0, 0, 0, opened, 'points' "
    "FROM points_account WHERE kind = 'person'",
    "a personal account in fen": "INSERT INTO points_account (id, area, kind, owner, balance, earned, floor, "
    "at_posting, opened, unit) SELECT 'person-y-fen', area, 'person', 'y-fen', 0, 0, 0, 0, opened, 'fen' "
    "FROM points_account WHERE kind = 'person'",
    "change an account's ledger": "UPDATE points_account SET unit = 'fen' WHERE kind = 'person'",
    "into a hold without a hold": "INSERT INTO points_posting (txn, source, destination, amount) "
    "SELECT txn, destination, 'hold-420802002001-2026', 5 FROM points_posting",
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One store for all attacks: what is refused leaves nothing behind."""
    with a_store(tmp_path_factory.mktemp("attacked")) as opened:
        opened.write_now(lambda tx: _give(tx, "r-wang", 100, "start"))
        opened.write_now(lambda tx: accounts.purse(tx, LIUHE, 2026))
        opened.write_now(lambda tx: ledger.house_account(tx, "hold", LIUHE, "Asia/Shanghai"))
        yield opened


@pytest.mark.parametrize("what", RAW)
def test_the_database_itself_refuses_to(attacked: Store, what: str) -> None:
    with pytest.raises(DBAPIError), attacked.engine.begin() as connection:
        connection.execute(text(RAW[what]))
    assert _balance(attacked, "person-r-wang") == 100
    assert attacked.read_now(recount.check).sound


HELD_RAW = {
    "more than was held": ("post", "person-r-lin", 61),
    "less than was held": ("post", "person-r-lin", 59),
    "a void to somebody else": ("void", "person-r-lin", 60),
}


@pytest.mark.parametrize("what", HELD_RAW)
def test_the_database_lets_out_of_a_hold_only_what_was_held(store: Store, what: str) -> None:
    def hold(tx: Tx) -> Receipt:
        account(tx, "person", "r-lin")
        return holds.hold(tx, "person-r-wang", 60, "h", Why("hold"), tx.now() + timedelta(days=1))

    held, (reason, target, amount) = store.write_now(hold), HELD_RAW[what]
    settles = text(
        "INSERT INTO points_txn (id, at, reason, reference, actor, rule, area, link, settles) "
        "SELECT 'out', at, :reason, 'out', actor, rule, area, link, id FROM points_txn WHERE id = :txn"
    ).bindparams(reason=reason, txn=held.txn)
    posting = text(
        "INSERT INTO points_posting (txn, source, destination, amount) VALUES ('out', :source, :target, :amount)"
    ).bindparams(source=held.destination, target=target, amount=amount)
    connection = store.engine.connect()
    connection.execute(settles)
    with pytest.raises(DBAPIError):
        connection.execute(posting)
    connection.close()
    assert store.read_now(recount.check).sound


def test_a_rewritten_history_breaks_the_chain(store: Store) -> None:
    """Somebody who may drop triggers: the sums agree again, the chain does not."""
    with store.engine.begin() as connection:
        guards.remove(connection)
        connection.execute(text("UPDATE points_posting SET amount = 90"))
        connection.execute(text("UPDATE points_account SET balance = CASE WHEN balance < 0 THEN -90 ELSE 90 END"))
        connection.execute(text("UPDATE points_account SET earned = 90 WHERE kind = 'person'"))
    assert store.read_now(book.recount).sound
    assert [each.seq for each in store.read_now(chain.verify)] == [1]


def test_a_link_cut_out_and_an_entry_put_outside_are_found_and_named(store: Store) -> None:
    def forge(*statements: str) -> list[tuple[int, str]]:
        with store.engine.begin() as connection:
            for each in statements:
                connection.execute(text(each))
        return [(each.seq, each.why) for each in store.read_now(chain.verify)]

    for reference in ("b", "c"):
        store.write_now(lambda tx, reference=reference: _give(tx, "r-wang", 5, reference))  # type: ignore[misc]
    with store.engine.begin() as connection:
        guards.remove(connection)
    others = (1, "its entries are not the ones that were written")
    cut = "DELETE FROM points_link WHERE seq = 2"
    gap = (3, "does not follow the link before it")
    assert forge("UPDATE points_txn SET link = 1 WHERE link = 2", cut) == [others, gap]
    outside = (0, "entries outside every chain")
    assert forge("UPDATE points_txn SET area = '420802001013' WHERE reference = 'c'") == [outside, others, gap]
    assert [each.seq for each in store.read_now(lambda read: chain.verify(read, [LIUHE]))] == [1, 3]
    assert forge("UPDATE points_link SET seq = 2 WHERE seq = 3") == [outside, others, (2, gap[1])]


@pytest.mark.parametrize("table", ["points_posting", "points_txn", "points_account"])
def test_a_row_cannot_be_replaced_behind_the_triggers(store: Store, table: str) -> None:
    if store.dialect == "postgresql":
        statement = f"TRUNCATE {table} CASCADE"
    else:
        statement = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"  # noqa: S608
    with pytest.raises(DBAPIError), store.engine.begin() as connection:
        connection.execute(text(statement))
    assert store.read_now(book.recount).sound


def test_a_posting_written_by_hand_moves_both_balances(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO points_posting (txn, source, destination, amount) "
                "SELECT txn, destination, source, 30 FROM points_posting"
            )
        )
    assert _balance(store, "person-r-wang") == 70
    assert store.read_now(book.recount).sound


def test_the_nightly_recount_finds_what_was_written_by_hand(store: Store) -> None:
    """It moves both balances, so the sums agree; but it stands in no link of a chain."""
    assert store.read_now(recount.check).sound
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO points_posting (txn, source, destination, amount) "
                "SELECT txn, destination, source, 30 FROM points_posting"
            )
        )
    night = store.read_now(recount.check)
    assert (night.different, night.broken, night.sound) == (0, 1, False)
    assert recount.next_night(START).isoformat() == "2026-11-23T03:00:00+08:00"


def test_a_raw_connection_without_foreign_keys_is_refused_as_well(store: Store) -> None:
    if store.dialect == "postgresql":
        assert guards.POSTGRES  # foreign keys cannot be switched off there
        return
    with closing(sqlite3.connect(str(store.url.database))) as raw:  # foreign keys are off until someone asks for them
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(RAW["a posting with one end"])
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(RAW["delete an account"])


def test_the_store_holds_exactly_the_declared_triggers(store: Store) -> None:
    with store.engine.begin() as connection:
        assert guards.missing(connection) == []
    assert not [each for each in migrations.difference(store) if "points_" in str(each)]


def test_a_dropped_trigger_is_noticed(store: Store) -> None:
    table = " ON points_posting" if store.dialect == "postgresql" else ""
    with store.engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER points_posting_delete{table}"))
        assert guards.missing(connection) == ["points_posting_delete"]
        guards.install(connection)
        assert guards.missing(connection) == []


def test_a_household_cannot_spend_points_it_does_not_have(store: Store) -> None:
    def spend(tx: Tx) -> None:
        home = account(tx, "household", "h-wang")
        ledger.post(tx, home, ledger.house_account(tx, "redeem", "420802002001", "Asia/Shanghai"), 1, "x", Why("share"))

    with pytest.raises(NotEnoughPoints, match="需要1分，可用0分"):
        store.write_now(spend)


def test_one_refused_posting_undoes_the_whole_batch(store: Store) -> None:
    def batch(tx: Tx) -> None:
        lin, wang = account(tx, "person", "r-lin"), account(tx, "person", "r-wang")
        ledger.post_all(
            tx,
            [
                Draft(wang, lin, 60, "a", Why("share")),
                Draft(lin, wang, 10, "b", Why("share")),
                Draft(wang, lin, 60, "c", Why("share")),
            ],
        )

    with pytest.raises(NotEnoughPoints, match="需要60分，可用50分"):
        store.write_now(batch)
    assert _balance(store, "person-r-wang") == 100
    assert store.read_now(lambda read: ledger.receipts(read, ["a", "b", "c"])) == {}


def test_each_movement_of_an_owner_is_told_with_what_is_there_then_and_redraws_what_shows_it(store: Store) -> None:
    told: list[Any] = []
    store.bus.observe(lambda events, touched: told.append((events, touched)))

    def batch(tx: Tx) -> None:
        lin, home = account(tx, "person", "r-lin"), account(tx, "household", "h-wang")
        ledger.post_all(
            tx,
            [
                Draft(issue(tx), lin, 20, "a", AWARD),
                Draft("person-r-wang", lin, 30, "b", Why("share")),
                Draft("person-r-wang", home, 7, "c", Why("share")),
                Draft(lin, _sink(tx), 5, "d", Why("redeem")),
            ],
        )

    store.write_now(batch)
    (event,), touched = told[-1]
    moves = [(each.owner, each.amount, each.balance, each.reference) for each in event.posted]
    assert moves == [
        ("r-lin", 20, 20, "a"), ("r-wang", -30, 70, "b"), ("r-lin", 30, 50, "b"), ("r-wang", -7, 63, "c"),
        ("h-wang", 7, 7, "c"), ("r-lin", -5, 45, "d"),
    ]  # fmt: skip
    people = ("r-wang", "r-lin")
    assert touched >= {(topic, each) for topic in ("points.home", "points.statement") for each in people}
    assert touched >= {("points.tv", LIUHE), ("points.household", "h-wang"), ("points.tv_home", "h-wang")}
    assert not {key for topic, key in touched if topic == "points.household"} - {"h-wang"}


def test_an_entry_names_its_own_cause_or_else_what_its_actor_came_from(store: Store) -> None:
    lin, came = store.write_now(lambda tx: account(tx, "person", "r-lin")), Actor("staff:s-staff", "r-wang", "event-1")
    own = replace(AWARD, cause="sheet-1")
    drafts = [Draft("person-r-wang", lin, 1, "own", own), Draft("person-r-wang", lin, 1, "actor's", AWARD)]
    store.write_now(lambda tx: ledger.post_all(tx, drafts), came)
    store.write_now(lambda tx: ledger.post(tx, "person-r-wang", lin, 1, "nobody's", AWARD))
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT reference, cause, actor, on_behalf_of FROM points_txn")).all()
    assert {row[0]: tuple(row[1:]) for row in rows if row[0] != "start"} == {
        "own": ("sheet-1", "staff:s-staff", "r-wang"), "actor's": ("event-1", "staff:s-staff", "r-wang"),
        "nobody's": (None, "hub", None),
    }  # fmt: skip
    assert store.read_now(chain.verify) == []


def test_a_reference_twice_in_one_batch_is_posted_once(store: Store) -> None:
    def batch(tx: Tx) -> list[Receipt]:
        ends = issue(tx), account(tx, "person", "r-lin")
        return ledger.post_all(tx, [Draft(*ends, 20, "twice", AWARD), Draft(*ends, 30, "twice", AWARD)])

    first, second = store.write_now(batch)
    assert (first.repeated, second.repeated, second.amount) == (False, True, 20)
    assert _balance(store, "person-r-lin") == 20


@pytest.mark.parametrize(("amount", "reference"), [(0, "x"), (-1, "x"), (5, ""), (5, "x" * 161)])
def test_a_movement_that_says_nothing_is_refused(store: Store, amount: int, reference: str) -> None:
    with pytest.raises(Refused):
        store.write_now(lambda tx: _give(tx, "r-wang", amount, reference))


def test_nothing_moves_onto_itself_nor_under_a_text_that_could_move_a_cells_border(store: Store) -> None:
    wang = "person-r-wang"
    lin = store.write_now(lambda tx: account(tx, "person", "r-lin"))
    purse = store.write_now(lambda tx: accounts.purse(tx, LIUHE, 2026))["available"]
    for draft, said in (
        (Draft(wang, purse, 5, "x", AWARD), "两本账"),
        (Draft(wang, wang, 5, "x", AWARD), "同一个账户"),
        (Draft(wang, lin, 5, "a\x1fb", AWARD), "160"),
        (Draft(wang, lin, 5, "x", Why("share", evidence="a\x1fb")), "不该出现的符号"),
        (Draft(wang, lin, 5, "x", Why("share", rule="a\x1fb")), "不该出现的符号"),
    ):
        with pytest.raises(Refused, match=said):
            store.write_now(lambda tx, draft=draft: ledger.post_all(tx, [draft]))  # type: ignore[misc]
    assert _balance(store, wang) == 100


def test_a_child_under_fourteen_gets_no_account_of_its_own(store: Store) -> None:
    with pytest.raises(Refused, match="14"):
        store.write_now(lambda tx: account(tx, "person", "r-boy"))


def test_a_reversal_takes_two_people_and_may_go_below_zero(store: Store) -> None:
    one, two = Subject("s-staff", "staff", person="p-zhou"), Subject("s-director", "staff", person="p-zheng")
    txn = store.read_now(lambda read: ledger.receipts(read, ["start"])["start"].txn)
    store.write_now(
        lambda tx: ledger.post(tx, "person-r-wang", account(tx, "person", "r-lin"), 80, "gift", Why("share"))
    )
    assert store.write_now(lambda tx: ledger.reverse(tx, txn, "重复录入", one)) is None
    with pytest.raises(NotAllowed):
        store.write_now(lambda tx: ledger.reverse(tx, txn, "重复录入", one))
    receipt = store.write_now(lambda tx: ledger.reverse(tx, txn, "重复录入", two))
    assert receipt is not None
    assert _balance(store, "person-r-wang") == -80
    assert store.read_now(lambda read: ledger.held(read, ["person-r-wang"])["person-r-wang"].earned) == 0
    again = store.write_now(lambda tx: ledger.reverse(tx, txn, "重复录入", two))
    assert again is not None
    assert again.repeated
    with pytest.raises(NotEnoughPoints):
        store.write_now(lambda tx: ledger.post(tx, "person-r-wang", "person-r-lin", 1, "more", Why("share")))
    store.write_now(lambda tx: _give(tx, "r-wang", 100, "second"))
    assert store.read_now(lambda read: ledger.held(read, ["person-r-wang"])["person-r-wang"].floor) == 0
    assert store.read_now(book.recount).sound


def test_a_reversal_names_what_there_is_and_gives_back_to_whom_it_was_taken_from(store: Store) -> None:
    one, two = Subject("s-staff", "staff", person="p-zhou"), Subject("s-director", "staff", person="p-zheng")

    def twice(txn: str, why: str) -> Receipt:
        store.write_now(lambda tx: ledger.reverse(tx, txn, why, one))
        done = store.write_now(lambda tx: ledger.reverse(tx, txn, why, two))
        assert done is not None
        return done

    with pytest.raises(NotFound):
        store.write_now(lambda tx: ledger.reverse(tx, "nothing", "错", one))
    held = store.write_now(
        lambda tx: holds.hold(tx, "person-r-wang", 30, "h", Why("hold"), tx.now() + timedelta(days=1))
    )
    with pytest.raises(Conflict, match="预留"):
        store.write_now(lambda tx: ledger.reverse(tx, held.txn, "错", one))
    spent = store.write_now(lambda tx: holds.post(tx, "h", _sink(tx), Why("redeem")))
    assert _balance(store, "person-r-wang") == 70
    done = twice(spent.txn, f" {'错' * 200} ")
    assert (_balance(store, "person-r-wang"), done.destination) == (100, "person-r-wang")
    with store.engine.connect() as connection:
        row = connection.execute(
            text("SELECT proposer, verifier, approver, evidence, reverses, rule FROM points_txn WHERE id = :id"),
            {"id": done.txn},
        ).one()
        parts = connection.execute(text("SELECT part, staff FROM signature ORDER BY part")).all()
    assert tuple(row) == (None, "s-staff", "s-director", "错" * 160, spent.txn, "reversal@1")
    assert [tuple(each) for each in parts] == [("approve", "s-director"), ("verify", "s-staff")]


def _sink(tx: Tx) -> str:
    return ledger.house_account(tx, "redeem", LIUHE, "Asia/Shanghai")


def test_nobody_reverses_for_their_own_household_nor_reverses_a_reversal(store: Store) -> None:
    grid = Subject("s-grid", "staff", person="p-feng", household="h-lin")
    txn = store.write_now(lambda tx: _give(tx, "r-lin", 10, "lin")).txn
    own = Subject("s-other", "staff", person="r-lin")  # no household of a record, but the very person
    for signer in (grid, own):
        with pytest.raises(NotAllowed, match="本人或本户"):
            store.write_now(lambda tx, signer=signer: ledger.reverse(tx, txn, "错", signer))  # type: ignore[misc]
    done = store.write_now(
        lambda tx: ledger.post(tx, "person-r-lin", issue(tx), 10, f"reversal:{txn}", Why("reversal", reverses=txn))
    )
    with pytest.raises(Conflict):
        store.write_now(lambda tx: ledger.reverse(tx, done.txn, "错", grid))


def test_fifty_threads_with_one_reference_post_it_once(tmp_path: Path) -> None:
    receipts = _race(tmp_path, lambda tx, _n: _give(tx, "r-wang", 20, "storm"))
    assert sum(not receipt.repeated for receipt in receipts) == 1
    assert len({receipt.txn for receipt in receipts}) == 1


def test_fifty_threads_cannot_spend_the_same_points(tmp_path: Path) -> None:
    def spend(tx: Tx, n: int) -> Receipt | None:
        try:
            return ledger.post(
                tx, account(tx, "person", "r-wang"), account(tx, "person", "r-lin"), 30, f"s{n}", Why("share")
            )
        except NotEnoughPoints:
            return None

    assert sum(receipt is not None for receipt in _race(tmp_path, spend)) == 3


def _race(folder: Path, work: Callable[[Tx, int], Any]) -> list[Any]:
    """Fifty at once, on accounts nobody has opened yet but one; then the books must close."""
    with a_store(folder) as store, ThreadPoolExecutor(50) as threads:
        store.write_now(lambda tx: _give(tx, "r-wang", 100, "start"))
        answers = list(threads.map(lambda n: store.write_now(lambda tx: work(tx, n)), range(50)))
        assert store.read_now(book.recount).sound
    return answers


def test_no_line_of_code_lets_points_lapse() -> None:
    folder = Path(ledger.__file__).parent
    for path in [*folder.rglob("*.py"), *folder.rglob("*.toml"), *folder.rglob("*.html")]:
        words = path.read_text(encoding="utf-8").lower()
        assert "expir" not in words, path
        assert "清零" not in words, path

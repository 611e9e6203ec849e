"""Crediting acts: caps in the write's own transaction, once per reference, children to the household, who may sign."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.access import Subject
from hub.civic.points import award, book, catalogue, ledger
from hub.civic.points.award import Award, Signed
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.directory import give_consent
from hub.errors import NotAllowed, NotFound, Refused
from tests.points.ledgers import a_store, account
from tests.world import START

TODAY = START.date()
TWO = Signed(verifier="s-grid", approver="s-staff")
WANG, LIN = (Subject(f"r-{name}", "resident", household=f"h-{name}", person=f"r-{name}") for name in ("wang", "lin"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with a_store(tmp_path, clock=ManualClock(START)) as opened:
        yield opened


def act(
    reference: str, item: str = "C01", hours: str = "2", day: date = TODAY, owner: str = "r-wang", kind: str = "person"
) -> Award:
    return Award(kind, owner, item, Decimal(hours) if hours else None, day, reference)


def credit(store: Store, *awards: Award, signed: Signed = TWO) -> list[int | None]:
    done = store.write_now(lambda tx: award.credit(tx, awards, signed))
    return [each.receipt.amount if each.receipt else None for each in done]


def test_a_days_cap_cuts_and_then_closes(store: Store) -> None:
    assert credit(store, act("a", hours="3"), act("b", hours="3"), act("c", hours="3")) == [30, 10, None]
    assert credit(store, act("d", day=TODAY - timedelta(days=1))) == [20]


def test_the_same_reference_in_another_month_gives_the_first_receipt(store: Store) -> None:
    assert credit(store, act("same")) == [20]
    assert credit(store, act("same", hours="4"), act("same", item="B01")) == [20, 20]
    assert store.read_now(book.recount).postings == 1


def test_a_reversed_act_frees_its_cap(store: Store) -> None:
    credit(store, act("a", hours="4"))
    assert credit(store, act("b")) == [None]
    txn = store.read_now(lambda read: ledger.receipts(read, ["a"])["a"].txn)
    for who in ("zhou", "zheng"):
        signer = Subject(f"s-{who}", "staff", person=f"p-{who}")
        store.write_now(lambda tx, by=signer: ledger.reverse(tx, txn, "登记错误", by))
    assert credit(store, act("c")) == [20]


def test_a_childs_act_is_its_households_whatever_the_item(store: Store) -> None:
    assert credit(store, act("a", item="B01", owner="r-boy")) == [20]
    held = store.read_now(lambda read: ledger.held(read, ["household-h-lin", "person-r-boy"]))
    assert {ident: each.balance for ident, each in held.items()} == {"household-h-lin": 20}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (act("x", owner="h-wang", kind="household", item="B01"), Refused),
        (act("x", item="D07", hours=""), Refused),
        (act("x", item="Z01"), Refused),
        (act("x", day=TODAY + timedelta(days=1)), Refused),
        (act("x", day=TODAY - timedelta(days=31)), Refused),
        (act("x", owner="nobody"), NotFound),
        (act("x", hours="13"), Refused),
    ],
)
def test_one_bad_act_credits_none_of_the_batch(store: Store, bad: Award, why: type[Exception]) -> None:
    with pytest.raises(why):
        credit(store, act("good"), bad)
    assert store.read_now(book.recount).postings == 0


def test_one_person_cannot_be_both_signatures(store: Store) -> None:
    for signed in (Signed(verifier="s-staff", approver="s-staff"), Signed(approver="s-staff"), Signed()):
        with pytest.raises(NotAllowed):
            credit(store, act("a", item="A01"), signed=signed)


def test_received_points_never_raise_the_level(store: Store) -> None:
    credit(store, act("a", hours="4"))

    def give(tx: Tx) -> None:
        home = account(tx, "household", "h-wang")
        ledger.share(tx, WANG, "person-r-wang", home, 30, "s1")

    store.write_now(give)
    held = store.read_now(lambda read: ledger.held(read, ["person-r-wang", "household-h-wang"]))
    assert [(each.balance, each.earned) for each in held.values()] == [(30, 0), (10, 40)]


def test_sharing_stays_in_the_household_and_drawing_needs_ones_own_yes(store: Store) -> None:
    credit(store, act("a"), act("b", owner="h-wang", kind="household"))
    store.write_now(lambda tx: account(tx, "household", "h-lin"))
    for who, source, destination in (
        (WANG, "person-r-wang", "household-h-lin"),
        (LIN, "person-r-wang", "household-h-wang"),
        (WANG, "household-h-wang", "person-r-wang"),
    ):
        with pytest.raises(NotAllowed):
            store.write_now(lambda tx, w=who, s=source, d=destination: ledger.share(tx, w, s, d, 5, "x"))
    store.write_now(lambda tx: give_consent(tx, "r-wang", "household_points", ledger.SHARE_VERSION, "written"))
    store.write_now(lambda tx: ledger.share(tx, WANG, "household-h-wang", "person-r-wang", 5, "y"))
    again = store.write_now(lambda tx: ledger.share(tx, WANG, "household-h-wang", "person-r-wang", 5, "y"))
    assert again.repeated
    assert store.read_now(lambda read: ledger.held(read, ["household-h-wang"])["household-h-wang"].balance) == 15


def test_a_statement_turns_its_pages_and_adds_up(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, ManualClock)
    for number in range(7):
        credit(store, act(f"n{number}", item="B12", hours="1", day=clock.now().date()))
        clock.advance(86_400)
    first = store.read_now(lambda read: book.statement(read, "person-r-wang", limit=4))
    rest = store.read_now(lambda read: book.statement(read, "person-r-wang", after=first[-1].cursor, limit=4))
    assert [each.balance for each in [*first, *rest]] == [35, 30, 25, 20, 15, 10, 5]
    at = first[-1].at
    assert store.read_now(lambda read: book.balance_as_of(read, "person-r-wang", at)) == 20
    for bad in ("x", "2026-01-01T00:00:00~1", "~", "2026-01-01T00:00:00+00:00~x"):
        with pytest.raises(Refused):
            store.read_now(lambda read, cursor=bad: book.statement(read, "person-r-wang", after=cursor))


ACTS = st.tuples(
    st.sampled_from(["A02", "A06", "B10", "B12", "B13", "C01", "C03", "C09"]),
    st.integers(1, 5),
    st.integers(0, 29),
    st.sampled_from(["", "h-lin", "h-x"]),
)


@settings(max_examples=15)
@given(batches=st.lists(st.lists(ACTS, min_size=1, max_size=8), min_size=1, max_size=5))
def test_no_order_of_batches_breaks_a_cap(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, int, int, str]]]
) -> None:
    with a_store(tmp_path_factory.mktemp("caps"), clock=ManualClock(START)) as store:
        credited: list[tuple[str, date, int, str]] = []
        for number, batch in enumerate(batches):
            awards = [
                Award(
                    "person",
                    "r-wang",
                    item,
                    Decimal(hours),
                    TODAY - timedelta(days=ago),
                    f"{number}:{place}",
                    about=about,
                )
                for place, (item, hours, ago, about) in enumerate(batch)
            ]
            for given_, amount in zip(awards, credit(store, *awards), strict=True):
                if amount:
                    credited.append((given_.item, given_.day, amount, given_.about or ""))
        for item, day, _amount, about in credited:
            for cap in catalogue.on(day).item(item).caps:
                _within(cap, item, day, about, credited)
        total = sum(amount for _item, _day, amount, _about in credited)
        held = store.read_now(lambda read: ledger.held(read, ["person-r-wang"]))
        assert held["person-r-wang"].balance == total
        assert store.read_now(book.recount).sound


def _within(cap: catalogue.Cap, item: str, day: date, about: str, credited: list[tuple[str, date, int, str]]) -> None:
    from hub.civic.points import rules

    span = rules.span(cap, day)
    assert span is not None
    mine = [
        amount
        for other, when, amount, each in credited
        if other == item and span.first <= when <= span.last and (not cap.each or each == about)
    ]
    assert (len(mine) if cap.counts == "acts" else sum(mine)) <= cap.limit


def test_a_reason_is_kept_with_every_entry(store: Store) -> None:
    credit(store, act("a"))
    store.write_now(lambda tx: ledger.share(tx, WANG, "person-r-wang", account(tx, "household", "h-wang"), 5, "s"))
    lines = store.read_now(lambda read: book.statement(read, "person-r-wang"))
    assert [(each.reason, each.item, each.approved_by) for each in lines] == [
        ("share", None, ""),
        ("award", "C01", "社区工作者"),
    ]

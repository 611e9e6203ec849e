"""Folding: rows become counters, and the sums are the audience at every instant, also when the hub is killed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func
from sqlmodel import select

from channels.base import Accepted, Dead, Message, Outcome
from hub import delivery, fold, outbox, reach
from hub.audience import Audience
from hub.civic.notices import desk
from hub.db import Tx
from hub.events import NoticeEnded, PersonalMessage
from hub.outbox import Fanout, Outbox
from tests.notices.office import Office, open_office
from tests.world import LIUHE, START

DAY_S = 86_400.0


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = open_office(tmp_path_factory.mktemp("fold"))
    yield made
    made.store.close()


def sums(office: Office, notice: str) -> dict[str, int]:
    return office.store.read_now(lambda read: outbox.states(read, notice)).get("wechat", {})


def ripe(office: Office) -> list[str]:
    return office.store.read_now(fold.ripe)


def fold_one(office: Office, limit: int = fold.PAGE_ROWS) -> int:
    return sum(office.store.write_now(partial(fold.fold, ident=ident, limit=limit)) for ident in ripe(office))


def send(office: Office, *outcomes: Outcome) -> None:
    batch = office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 10))
    office.store.write_now(lambda tx: delivery.settle(tx, batch, outcomes[: len(batch)]))


def rows(office: Office) -> int:
    return counted(office, Outbox)


def counted(office: Office, table: type) -> int:
    query = select(func.count()).select_from(table)
    return int(office.store.read_now(lambda read: read.session.execute(query).scalar_one()))


def test_rows_of_a_notice_in_force_stay_so_that_a_withdrawal_finds_whom_to_tell(office: Office) -> None:
    made = office.released(expires=START + timedelta(days=9))
    office.spread()
    send(office, Accepted("1"), Accepted("2"))
    office.clock.advance(3 * DAY_S)
    assert fold_one(office) == 0
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    assert fold_one(office) == 0, "who is yet to be told may not be a counter by then"
    office.sweep()
    assert len(office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 10))) == 2
    assert rows(office) == 4


def test_a_day_after_the_end_an_ordinary_notice_is_counters_and_an_urgent_one_is_still_rows(office: Office) -> None:
    plain = office.released(expires=START + timedelta(hours=1))
    urgent = office.draft(priority="urgent", expires=START + timedelta(hours=1))
    office.store.write_now(lambda tx: desk.approve(tx, office.director, urgent.id))
    office.store.write_now(lambda tx: desk.release(tx, office.staff, urgent.id))
    office.spread()
    send(office, *[Accepted(str(n)) for n in range(4)])
    office.clock.advance(3_601)
    office.store.write_now(desk.keep_time)
    office.sweep()
    before = sums(office, plain.id), sums(office, urgent.id)
    assert fold_one(office) == 0, "receipts of the last day are still proof"
    office.clock.advance(DAY_S)
    assert fold_one(office) == 2
    assert (sums(office, plain.id), sums(office, urgent.id)) == before
    assert rows(office) == 2
    assert fold_one(office) == 0
    assert ripe(office) == []


def test_messages_to_one_resident_leave_neither_row_nor_words(office: Office) -> None:
    said = {"kind": "message", "title": "您有一条新消息", "text": "请用手机或到社区查看"}
    office.store.write_now(lambda tx: tx.emit(PersonalMessage, resident="r-wang", **said))
    send(office, Accepted("1"))
    office.clock.advance(5 * DAY_S)
    assert fold_one(office) == 1
    left = office.store.read_now(lambda read: read.session.execute(select(Fanout)).scalars().all())
    assert (list(left), sums(office, "")) == ([], {"accepted": 1})


class Killed(Exception):
    """kill -9 in the middle of the transaction."""


STORY = st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=25)
@given(STORY, st.sampled_from([Accepted("m"), Dead("no")]), st.booleans())
def test_sums_stand_still_while_it_folds_and_after_every_kill(
    shared: Office, story: list[tuple[int, bool]], outcome: Outcome, withdrawn: bool
) -> None:
    office, notice = shared, f"n-{counted(shared, Fanout)}"
    office.store.write_now(lambda tx: _plan(tx, notice))
    office.spread()
    send(office, outcome, Accepted("n"))
    office.store.write_now(lambda tx: _end(tx, notice, "retracted" if withdrawn else "expired"))
    office.sweep(2)
    send(office, outcome, Dead("no"))  # what takes it back
    office.clock.advance(2 * DAY_S)
    before = sums(office, notice)
    assert sum(before.values()) == 3
    for limit, killed in story:
        for ident in ripe(office):

            def page(tx: Tx, ident: str = ident, limit: int = limit, killed: bool = killed) -> None:
                fold.fold(tx, ident, limit)
                if killed:
                    raise Killed

            try:
                office.store.write_now(page)
            except Killed:
                assert killed
        assert sums(office, notice) == before
    fold_one(office)
    assert (sums(office, notice), rows(office)) == (before, 0)


def _plan(tx: Tx, notice: str) -> None:
    message = Message(
        notice, 1, "routine", "water", "停水通知", "明天停水", "浏河社区", "社区", tx.now(),
        tx.now() + timedelta(hours=1), "/n",
    )  # fmt: skip
    reach.open_notice(tx, notice, 1, ["420800000000"], 3)
    outbox.plan(tx, message, Audience((LIUHE,)))


def _end(tx: Tx, notice: str, how: str) -> None:
    reach.close_notice(tx, notice)
    tx.emit(NoticeEnded, notice=notice, revision=1, how=how, areas=(LIUHE,))

"""The day's quota: counted once, given back when nothing left, and the reserve for what is urgent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlmodel import select

from channels.base import Accepted, AddressGone, Dead, Message, Outcome, Retry
from hub import delivery, outbox, quota
from hub.audience import Audience
from hub.civic.notices import desk
from hub.db import Tx
from hub.delivery import Claimed
from hub.outbox import Fanout, Outbox
from hub.quota import ChannelQuota, Limits, Purse
from tests.notices.office import Office, open_office
from tests.world import LIUHE, START

EVERYBODY = {"r-wang": "openid-wang", "r-lin": "openid-lin", "r-boy": "openid-boy"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path, EVERYBODY)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = open_office(tmp_path_factory.mktemp("quota"), EVERYBODY)
    yield made
    made.store.close()


def claim(office: Office, limits: Limits, most: int = 10, fen: int = 0) -> list[Claimed]:
    def price(_message: Message) -> int:
        return fen

    return office.store.write_now(lambda tx: delivery.claim(tx, "wechat", most, limits=limits, price=price))


def settle(office: Office, batch: list[Claimed], *outcomes: Outcome) -> None:
    office.store.write_now(lambda tx: delivery.settle(tx, batch, outcomes))


def used(office: Office) -> tuple[int, int]:
    day = quota.day_of(office.clock.now())
    return office.store.read_now(lambda read: quota.used(read, "wechat", day))


def is_due(office: Office, limits: Limits) -> bool:
    return office.store.read_now(lambda read: delivery.due(read, "wechat", limits=limits))


def emergency(office: Office) -> None:
    made = office.draft(priority="emergency")
    office.store.write_now(lambda tx: desk.approve(tx, office.director, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.publisher, made.id))


def test_what_is_over_the_quota_waits_for_tomorrow_and_is_counted_as_waiting(office: Office) -> None:
    limits = Limits(messages=2, reserve_percent=0)
    office.released()
    office.spread()
    settle(office, claim(office, limits), *[Accepted("m")] * 2)
    assert claim(office, limits) == []
    assert not is_due(office, limits), "an idle worker does not ask for the writer again and again"
    assert office.store.read_now(lambda read: delivery.held_by_quota(read, "wechat", limits)) == 1
    assert quota.renews_at(START).isoformat() == "2026-11-23T00:00:00+08:00"
    office.clock.advance((quota.renews_at(START) - START).total_seconds())
    assert len(claim(office, limits)) == 1
    assert used(office) == (1, 0)


def test_the_reserve_is_for_urgent_and_emergency_messages_alone(office: Office) -> None:
    limits = Limits(messages=4, reserve_percent=50)
    office.released()
    office.spread()
    assert len(claim(office, limits)) == 2
    emergency(office)
    office.spread()
    assert is_due(office, limits)
    assert [each.delivery.message.priority for each in claim(office, limits)] == ["emergency"] * 2
    assert claim(office, limits) == []
    assert used(office) == (4, 0)


def test_a_budget_in_money_stops_what_it_does_not_reach_for(office: Office) -> None:
    limits = Limits(fen=12, reserve_percent=0)
    office.released()
    office.spread()
    batch = claim(office, limits, fen=5)
    assert len(batch) == 2
    settle(office, batch, Accepted("a", parts=1, cost_fen=4), Dead("refused"))
    assert used(office) == (1, 4), "what it really cost; nothing for what was refused"
    assert len(claim(office, limits, fen=9)) == 0
    assert len(claim(office, limits, fen=8)) == 1


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Dead("47003: a field is too long"), 0), (AddressGone("not a follower"), 0),
        (Retry(None, "too many calls this minute", "45011"), 0), (Retry(None, "cannot be reached", "ConnectError"), 0),
        (Retry(None, "did not answer in time"), 1), (Retry(None, "the provider has a fault", "http 502"), 1),
        (Retry(None, "cut off", "ReadError"), 1), (Accepted("m"), 1),
    ],
)  # fmt: skip
def test_only_what_surely_did_not_leave_is_given_back(office: Office, outcome: Outcome, left: int) -> None:
    office.released()
    office.spread()
    batch = claim(office, Limits(messages=3), most=1)
    settle(office, batch, outcome)
    assert used(office)[0] == left


OUTCOMES = st.sampled_from(["accepted", "refused", "unknown", "dead", "killed"])
ANSWERS: dict[str, Outcome] = {
    "accepted": Accepted("m"), "refused": Retry(None, "slow down", "http 429"), "unknown": Retry(None, "no answer"),
    "dead": Dead("no"),
}  # fmt: skip


@settings(max_examples=25)
@example([("unknown", 200), ("accepted", 1)], 3)
@example([("killed", 200), ("accepted", 1)], 2)
@given(st.lists(st.tuples(OUTCOMES, st.integers(1, 200)), max_size=14), st.integers(0, 6))
def test_the_ledger_counts_each_message_that_may_have_left_exactly_once(
    shared: Office, story: list[tuple[str, int]], most: int
) -> None:
    """Whoever is killed, whatever is tried again: the count is what the provider can have taken, and never above."""
    office, limits = shared, Limits(messages=most, reserve_percent=0)
    office.store.write_now(_forget)
    office.clock.set(START)
    office.store.write_now(_plan)
    office.spread()
    may_have_left: set[str] = set()
    for outcome, pause_s in story:
        for each in claim(office, limits, most=1):
            if outcome in ("accepted", "unknown", "killed"):
                may_have_left.add(each.delivery.id)  # a later refusal says nothing about this try
            if outcome != "killed":
                settle(office, [each], ANSWERS[outcome])
        assert used(office)[0] == len(may_have_left) <= most
        office.clock.advance(pause_s)


def _forget(tx: Tx) -> None:
    for table in (Outbox, Fanout, ChannelQuota):
        tx.session.execute(delete(table))


def _plan(tx: Tx) -> None:
    for number in range(2):
        message = Message(
            f"n-{number}", 1, "routine", "water", "停水通知", "明天停水", "浏河社区", "社区", tx.now(), None, "/n"
        )
        outbox.plan(tx, message, Audience((LIUHE,)))


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(0, 100), st.lists(st.integers(1, 4), max_size=60))
def test_routine_messages_never_touch_the_reserve(most: int, percent: int, ranks: list[int]) -> None:
    limits = Limits(messages=most, reserve_percent=percent)
    purse = Purse(float(most), float("inf"), limits.kept_messages(), 0.0)
    for rank in ranks:
        before = purse.messages
        took = purse.take(rank)
        assert purse.messages == before - took >= 0
        if rank >= quota.URGENT_RANK:
            assert took == (before >= 1), "an urgent message goes as long as anything is left"
        elif took:
            assert purse.messages >= limits.kept_messages()


def test_a_row_of_the_outbox_says_by_itself_whether_it_is_counted(office: Office) -> None:
    office.released()
    office.spread()
    settle(office, claim(office, Limits(messages=9), most=1), Retry(None, "no answer"))
    rows = office.store.read_now(lambda read: list(read.session.execute(select(Outbox)).scalars()))
    assert [row.counted_day for row in rows if row.attempts] == [quota.day_of(START)]
    office.clock.advance(60)
    assert len(claim(office, Limits(messages=1), most=1)) == 1, "counted already: no quota holds it back"
    assert used(office) == (1, 0)

"""The outbox: nothing lost, nothing doubled, nothing after the end, whoever dies in between."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from channels.base import Accepted, Address, AddressGone, Dead, Outcome, Receipt, Retry
from hub import audience, delivery, outbox, reach, sweep
from hub.audience import Audience
from hub.civic.notices import desk
from hub.db import Tx
from hub.delivery import Claimed
from hub.directory import NewHousehold, NewResident, register_households
from hub.events import PersonalMessage
from hub.outbox import Fanout, Outbox
from hub.preferences import Preference
from tests.notices.office import NAMES, Office, open_office
from tests.world import LIUHE, START


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def rows(office: Office) -> list[Outbox]:
    return office.store.read_now(lambda read: list(read.session.execute(select(Outbox).order_by(Outbox.key)).scalars()))


def states_of(office: Office, notice: str) -> dict[str, int]:
    return office.store.read_now(lambda read: outbox.states(read, notice))["wechat"]


def claim(office: Office, limit: int = 10, lease_s: float = 60.0) -> list[Claimed]:
    return office.store.write_now(lambda tx: delivery.claim(tx, "wechat", limit, lease_s))


def settle(office: Office, batch: list[Claimed], *outcomes: Outcome) -> None:
    office.store.write_now(lambda tx: delivery.settle(tx, batch, outcomes))


def test_a_release_plans_one_delivery_for_each_follower_and_counts_the_rest(office: Office) -> None:
    made = office.released()
    office.spread()
    assert [row.key for row in rows(office)] == [f"{made.id}|1|r-lin|wechat", f"{made.id}|1|r-wang|wechat"]
    states = office.store.read_now(lambda read: outbox.states(read, made.id))
    assert states == {"wechat": {"planned": 2, "unreachable": 1}}


def test_a_worker_killed_between_claim_and_answer_leaves_the_row_to_the_next_under_the_same_key(office: Office) -> None:
    office.released()
    office.spread()
    first = claim(office)
    assert len(first) == 2
    assert claim(office) == []  # the lease holds
    office.clock.advance(61)
    second = claim(office)
    assert [each.delivery.idempotency_key for each in second] == [each.delivery.idempotency_key for each in first]
    settle(office, first, *[Accepted("late")] * 2)  # the dead worker wakes up: not its rows any more
    assert {row.state for row in rows(office)} == {"claimed"}
    settle(office, second, *[Accepted("msg")] * 2)
    assert {row.state for row in rows(office)} == {"accepted"}
    assert claim(office) == []


def test_two_workers_never_hold_the_same_row(office: Office) -> None:
    office.released()
    office.spread()
    one, other = claim(office, 1), claim(office, 5)
    assert {each.delivery.id for each in one}.isdisjoint(each.delivery.id for each in other)
    assert len(one) + len(other) == 2


def test_a_failure_is_tried_again_later_and_later_and_never_past_the_end(office: Office) -> None:
    made = office.released(expires=START + timedelta(minutes=2))
    office.spread()
    office.store.write_now(lambda tx: _leave_one(tx))
    waits = []
    for _ in range(6):
        batch = claim(office, 1)
        if not batch:
            break
        settle(office, batch, Retry(None, "the provider has a fault"))
        [row] = [row for row in rows(office) if row.id == batch[0].delivery.id]
        if row.state == "planned":
            waits.append((row.not_before - office.clock.now()).total_seconds())
            office.clock.advance(waits[-1])
    assert all(5 * 3**n <= wait <= 5 * 3**n * 1.25 for n, wait in enumerate(waits))
    assert len(waits) == 3
    assert {row.state for row in rows(office)} == {"expired"}
    assert made.id


def _leave_one(tx: Tx) -> None:
    """Only one follower's row matters here."""
    for row in tx.session.execute(select(Outbox).where(Outbox.resident == "r-wang")).scalars():
        row.state = "expired"
        tx.session.add(row)


def test_a_refused_message_is_dead_with_its_reason_and_a_gone_address_is_never_used_again(office: Office) -> None:
    office.released()
    office.spread()
    batch = claim(office)
    settle(office, batch, Dead("47003: a field is too long"), AddressGone("43004: not a follower"))
    assert {row.state: row.why for row in rows(office)} == {
        "dead": "47003: a field is too long",
        "unreachable": "43004: not a follower",
    }
    office.released()
    office.spread()
    assert len(claim(office)) == 1


def test_a_withdrawn_notice_cancels_what_waits_and_recalls_what_left(office: Office) -> None:
    made = office.released()
    office.spread()
    sent = claim(office, 1)
    settle(office, sent, Accepted("msg-1"))
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    office.sweep()
    left = claim(office)
    assert [(each.purpose, each.delivery.idempotency_key) for each in left] == [
        ("recall", f"{sent[0].delivery.idempotency_key}|recall")
    ]
    assert {row.state for row in rows(office) if row.purpose == "send"} == {"accepted", "cancelled"}


def test_what_left_while_it_was_withdrawn_is_recalled_too(office: Office) -> None:
    made = office.released()
    office.spread()
    flying = claim(office, 1)
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    office.sweep()
    settle(office, flying, Accepted("msg-1"))
    assert [each.purpose for each in claim(office)] == ["recall"]


def test_what_a_killed_worker_may_have_sent_is_recalled_too(office: Office) -> None:
    made = office.released()
    office.spread()
    claim(office, 1)  # and its worker never says what became of it
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    office.sweep()
    assert [each.purpose for each in claim(office)] == ["recall"]


def test_nothing_of_an_ended_notice_is_taken_and_its_counts_are_right_before_a_row_is_swept(office: Office) -> None:
    made = office.released()
    office.spread()
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    assert {row.state for row in rows(office)} == {"planned"}, "the end is a mark on the fan-out, not a million rows"
    assert states_of(office, made.id) == {"cancelled": 2, "unreachable": 1}
    assert (claim(office), office.store.read_now(lambda read: delivery.waiting(read, "wechat"))) == ([], 0)


def test_what_is_in_force_leaves_before_what_ended_in_front_of_it_is_swept(office: Office) -> None:
    """At the same moment and a moment later: the claim of one looks behind the two that ended."""
    first = office.released()
    beside = office.released()
    office.spread()
    office.clock.advance(1)
    later = office.released()
    office.spread()
    for made in sorted((first, beside), key=lambda made: made.id)[:1]:
        office.store.write_now(lambda tx, made=made: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    taken = [each.delivery.message.notice_id for _round in range(4) for each in claim(office, 1)]
    assert taken == [max(first.id, beside.id)] * 2 + [later.id] * 2
    assert claim(office) == []


def test_what_has_run_out_counts_so_at_once_and_becomes_so_in_pages(office: Office) -> None:
    made = office.released(expires=START + timedelta(minutes=2))
    office.spread()
    office.clock.advance(121)
    assert claim(office, 1) == []
    assert states_of(office, made.id) == {"expired": 2, "unreachable": 1}
    office.sweep(1)
    assert [(row.state, row.why) for row in rows(office)] == [("expired", delivery.LATE)] * 2


def test_a_try_that_comes_back_after_its_fan_out_was_swept_is_closed_by_the_next_claim(office: Office) -> None:
    made = office.released()
    office.spread()
    held = claim(office, 1)
    office.store.write_now(lambda tx: outbox.drop(tx, made.id, 1, "wechat", "the follow-up was stopped"))
    office.sweep()
    assert states_of(office, made.id) == {"claimed": 1, "cancelled": 1, "unreachable": 1}
    settle(office, held, Retry(1, "busy"))
    office.clock.advance(60)
    assert claim(office) == []
    assert {row.state for row in rows(office)} == {"cancelled"}


def test_a_withdrawal_stops_the_fan_out_half_way(office: Office) -> None:
    made = office.released()
    office.store.write_now(lambda tx: outbox.spread(tx, limit=1))
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    office.sweep()
    office.spread()
    assert claim(office) == []


def test_who_has_read_it_on_a_screen_gets_no_message_any_more(office: Office) -> None:
    made = office.released()
    office.spread()
    viewer = reach.resident_viewer("r-wang")
    office.store.write_now(lambda tx: reach.record(tx, reach.Proof(made.id, 1, viewer, "web", "seen", START)))
    assert [each.delivery.address.value for each in claim(office)] == ["openid-lin"]


def test_an_emergency_leaves_before_everything_that_waits(office: Office) -> None:
    office.released()
    made = office.draft(priority="emergency")
    office.store.write_now(lambda tx: desk.approve(tx, office.director, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.publisher, made.id))
    office.spread()
    assert {each.delivery.message.priority for each in claim(office, 2)} == {"emergency"}


def test_receipts_raise_a_delivery_in_any_order_and_once(office: Office) -> None:
    made = office.released()
    office.spread()
    batch = claim(office, 1)

    def said(level: str) -> bool:
        receipt = Receipt("msg-1", level, START, "success")  # type: ignore[arg-type]
        return office.store.write_now(lambda tx: delivery.receipt(tx, "wechat", receipt))

    assert not said("delivered")  # it overtook the answer that names the message
    settle(office, batch, Accepted("msg-1"))
    assert [row.state for row in rows(office) if row.provider_id] == ["delivered"]
    assert said("delivered")
    assert said("failed")
    assert [row.state for row in rows(office) if row.provider_id] == ["delivered"]
    sums = office.store.read_now(lambda read: reach.sums(read, made.id))
    assert dict(sums.channels["wechat"]) == {"delivered": 1}


def test_a_receipt_without_a_message_id_is_matched_by_its_address(office: Office) -> None:
    office.released()
    office.spread()
    settle(office, claim(office), Accepted(""), Accepted(""))
    receipt = Receipt("", "delivered", START, "success", address=Address("wechat", "openid-wang"))
    assert office.store.write_now(lambda tx: delivery.receipt(tx, "wechat", receipt))
    assert {row.resident: row.state for row in rows(office)} == {"r-wang": "delivered", "r-lin": "accepted"}


def test_a_personal_message_goes_to_that_resident_alone(office: Office) -> None:
    said = {"kind": "message", "title": "您有一条新消息", "text": "请用手机或到社区查看"}
    office.store.write_now(lambda tx: tx.emit(PersonalMessage, resident="r-wang", **said))
    [only] = claim(office)
    assert only.delivery.address.value == "openid-wang"
    assert only.delivery.message.title == "您有一条新消息"


def test_no_name_is_in_the_outbox_and_none_in_the_log(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    office.released()
    office.spread()
    settle(office, claim(office), Accepted("1"), Dead("refused"))
    raw = Path(office.store.url.database or "").read_bytes() + Path(f"{office.store.url.database}-wal").read_bytes()
    for name in (*NAMES, "openid-wang"):
        assert name.encode() not in raw
        assert name not in caplog.text
    assert name not in repr(claim(office))


@settings(max_examples=15)
@given(st.integers(1, 7), st.integers(0, 23), st.booleans())
def test_pages_of_any_size_reach_everybody_once(size: int, followers: int, double: bool) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder), followers={})

        def fill(tx: Tx) -> None:
            members = tuple(
                NewResident(f"x{n:02d}", "h-x", "周甲", "f", START.date()) for n in range(20)
            )  # fmt: skip
            register_households(tx, LIUHE, [NewHousehold("h-x", "lh-b1", "301", (), members)])
            everyone = [member.id for member in members] + ["r-wang", "r-lin", "r-boy"]
            audience.bind_many(tx, "wechat", [(each, f"o-{each}") for each in everyone[:followers]])

        office.store.write_now(fill)
        made = office.released()
        if double:  # a crash after the commit whose answer was lost: the same page is asked for again
            before = office.store.read_now(lambda read: list(read.session.execute(select(Fanout)).scalars()))
            office.store.write_now(lambda tx: outbox.spread(tx, size))
            office.store.write_now(lambda tx: [tx.session.merge(Fanout(**row.model_dump())) for row in before])
        while office.store.write_now(lambda tx: outbox.spread(tx, size)):
            pass
        assert len({row.resident for row in rows(office)}) == len(rows(office)) == followers
        if followers:
            states = office.store.read_now(lambda read: outbox.states(read, made.id))["wechat"]
            assert sum(states.values()) == 23
        office.store.close()


SWEPT = st.sampled_from(["later", "a page", "killed"])
OUTCOMES = st.sampled_from(["accepted", "retry", "dead", "gone", "killed"])


@settings(max_examples=15)
@given(st.lists(st.tuples(OUTCOMES, st.integers(1, 400), st.booleans(), SWEPT), max_size=20), st.integers(0, 20))
def test_sums_hold_after_every_kill_and_nothing_leaves_after_the_end(
    story: list[tuple[str, int, bool, str]], retract_at: int
) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder))
        made = office.released(expires=START + timedelta(hours=1))
        office.spread()
        ended = False
        for step, (outcome, pause_s, receipt, swept) in enumerate(story):
            if step == retract_at:
                office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
                ended = True
            batch = claim(office, 1)
            for each in batch:
                assert each.purpose == "recall" or not (ended or office.clock.now() >= START + timedelta(hours=1))
                results: dict[str, Outcome] = {
                    "accepted": Accepted(f"m{step}"), "retry": Retry(None, "busy"), "dead": Dead("no"),
                    "gone": AddressGone("gone"),
                }  # fmt: skip
                if outcome != "killed":
                    settle(office, [each], results[outcome])
            if receipt:
                said = Receipt(f"m{step}", "delivered", START, "ok")
                office.store.write_now(lambda tx, said=said: delivery.receipt(tx, "wechat", said))
            before = states_of(office, made.id)
            _sweep_one(office, swept)
            assert states_of(office, made.id) == before, "a page that is swept changes no count"
            assert sum(before.values()) == 3
            assert not (ended and {"planned", "claimed"} & before.keys()), "an ended notice has nothing open"
            office.clock.advance(pause_s)
        office.sweep(1)
        if ended:
            assert {row.state for row in rows(office) if row.purpose == "send"}.isdisjoint(outbox.OPEN)
            told = {row.resident for row in rows(office) if row.purpose == "recall"}
            assert {row.resident for row in rows(office) if row.state in outbox.FORWARD} <= told
        office.store.close()


class Killed(Exception):
    """kill -9 in the middle of the transaction."""


def _sweep_one(office: Office, how: str) -> None:
    def page(tx: Tx) -> None:
        sweep.sweep(tx, 1)
        if how == "killed":
            raise Killed

    if how != "later":
        with suppress(Killed):
            office.store.write_now(page)


def test_everybody_is_written_to_in_the_language_they_chose_also_in_an_emergency_and_when_it_ends(
    office: Office,
) -> None:
    office.store.write_now(lambda tx: tx.session.add(Preference(resident="r-lin", lang="en")))
    made = office.draft(priority="emergency")
    office.store.write_now(lambda tx: desk.approve(tx, office.director, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.publisher, made.id))
    untranslated = office.released(title_en="", text_en="")
    office.spread()
    batch = claim(office)
    people = people_of(office)
    said = {
        (people[each.delivery.id], each.delivery.message.notice_id): each.delivery.message for each in batch
    }  # fmt: skip
    english, chinese = said["r-lin", made.id], said["r-wang", made.id]
    assert (english.title, english.lang, english.area_name) == ("Water cut", "en", "Liuhe")
    assert english.text.startswith("No water tomorrow")
    assert (chinese.title, chinese.lang, chinese.area_name) == ("停水通知", "zh", "浏河社区")
    assert said["r-lin", untranslated.id].lang == "zh", "in Chinese where nobody translated it"
    settle(office, batch, *[Accepted(each.delivery.id) for each in batch])
    office.store.write_now(lambda tx: outbox.cancel(tx, made.id, 1, "retracted", recall=True))
    office.sweep()
    assert {people_of(office)[each.delivery.id]: each.delivery.message.lang for each in claim(office)} == {
        "r-lin": "en",
        "r-wang": "zh",
    }


def people_of(office: Office) -> dict[str, str]:
    return {row.id: row.resident for row in rows(office)}


def test_an_audience_is_counted_before_anyone_is_told(office: Office) -> None:
    count = office.store.read_now(lambda read: audience.counted(read, Audience((LIUHE,))))
    assert (count.residents, count.households, dict(count.followers)) == (3, 2, {"wechat": 2})
    aged = office.store.read_now(lambda read: audience.counted(read, Audience((LIUHE,), tags=("aged80",))))
    assert (aged.residents, dict(aged.followers)) == (1, {"wechat": 1})


def test_an_address_belongs_to_one_resident_and_a_resident_has_one(office: Office) -> None:
    office.store.write_now(lambda tx: audience.bind(tx, "r-wang", "wechat", "openid-new"))
    office.store.write_now(lambda tx: audience.bind(tx, "r-lin", "wechat", "openid-new"))
    bound = {
        who: [each.address for each in office.store.read_now(lambda read, who=who: audience.of_resident(read, who))]
        for who in ("r-wang", "r-lin")
    }
    assert bound == {"r-wang": [], "r-lin": ["openid-new"]}


def test_who_may_have_got_it_hears_of_a_withdrawal_whatever_later_tries_met(office: Office) -> None:
    made = office.released()
    office.spread()
    settle(office, claim(office, 1), Retry(None, "no answer"))
    office.clock.advance(60)
    [again] = [each for each in claim(office) if each.attempts == 2]
    settle(office, [again], Retry(None, "slow down", "http 429"))
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    office.sweep()
    recalls = [row.key for row in rows(office) if row.purpose == "recall"]
    assert f"{again.delivery.idempotency_key}|recall" in recalls

"""The daily overview: one message a day, at the chosen time, that proves each notice in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from channels.base import Accepted, Receipt
from hub import audience, delivery, fold, outbox, reach
from hub.civic.notices import desk, digest
from hub.civic.notices.models import Notice
from hub.digest import DigestItem
from hub.outbox import Outbox
from hub.preferences import Preference
from tests.notices.office import Office, open_office, words
from tests.world import START

SIX = 18 * 60  # 10:00 in UTC


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    choose(made, "r-lin", digest_at=SIX)
    yield made
    made.store.close()


def choose(office: Office, resident: str, **chosen: Any) -> None:
    office.store.write_now(lambda tx: tx.session.merge(Preference(resident=resident, **chosen)))


def released(office: Office, **changes: Any) -> Notice:
    made = office.released(**{"priority": "routine", **changes})
    office.spread()
    return made


def send(office: Office) -> None:
    while office.store.read_now(digest.is_due):
        office.store.write_now(digest.send)


def overviews(office: Office) -> list[Outbox]:
    rows = select(Outbox).where(col(Outbox.key).startswith("digest|")).order_by(col(Outbox.key))
    return office.store.read_now(lambda read: list(read.session.execute(rows).scalars()))


def states(office: Office) -> dict[str, str]:
    return office.store.read_now(
        lambda read: {each.notice: each.state for each in read.session.execute(select(DigestItem)).scalars()}
    )


def told(office: Office, made: Notice) -> dict[str, int]:
    return office.store.read_now(lambda read: outbox.states(read, made.id))["wechat"]


def evening(office: Office, days: int = 0) -> None:
    office.clock.set(START.replace(hour=10) + timedelta(days=days))


def test_three_notices_leave_as_one_message_at_the_chosen_time_and_each_is_proved(office: Office) -> None:
    three = [released(office, title=f"通知{n}") for n in range(3)]
    assert told(office, three[0]) == {"planned": 1, "in the daily overview": 1, "unreachable": 1}
    evening(office)
    office.clock.advance(-1)
    send(office)
    assert overviews(office) == []
    office.clock.advance(1)
    send(office)
    [row] = overviews(office)
    batch = [
        each
        for each in office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 50))
        if each.delivery.id == row.id
    ]
    message = batch[0].delivery.message
    assert (message.title, message.url, message.personal) == ("今日一览：3条通知", "/notices", False)
    assert "通知0" not in message.title + message.text
    office.store.write_now(lambda tx: delivery.settle(tx, batch, [Accepted("m-1")]))
    said = Receipt("m-1", "delivered", office.clock.now(), "event")
    office.store.write_now(lambda tx: delivery.receipt(tx, "wechat", said))
    for made in three:
        sums = office.store.read_now(lambda read, of=made.id: reach.sums(read, of))  # type: ignore[misc]
        assert sums.best == {"delivered": 1}
    assert office.store.read_now(lambda read: reach.sums(read, message.notice_id)).best == {}


def test_an_important_notice_does_not_wait_for_the_overview(office: Office) -> None:
    made = released(office, priority="important")
    assert told(office, made) == {"planned": 2, "unreachable": 1}


def test_what_is_over_corrected_or_read_by_then_is_not_in_it(office: Office) -> None:
    gone, read_, stays, corrected = (released(office, title=title) for title in ("撤回", "读过", "留下", "更正"))
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, gone.id, "It was a mistake"))
    proof = reach.Proof(read_.id, 1, "r:r-lin", "web", "seen", office.clock.now())
    office.store.write_now(lambda tx: reach.record(tx, proof))
    again = words(title="更正后", priority="routine")
    office.store.write_now(lambda tx: desk.correct(tx, office.staff, corrected.id, again))
    office.spread()
    evening(office)
    send(office)
    assert states(office) == {gone.id: "dropped", read_.id: "dropped", stays.id: "sent", corrected.id: "sent"}
    assert len(overviews(office)) == 1


def test_an_overview_whose_notices_are_all_over_stays_at_home(office: Office) -> None:
    made = released(office)
    evening(office)
    send(office)
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    assert office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 50)) == []
    assert [each.state for each in overviews(office)] == ["cancelled"]


def test_an_overview_goes_where_it_was_wanted_and_elsewhere_when_that_is_gone(office: Office) -> None:
    office.store.write_now(lambda tx: audience.bind(tx, "r-lin", "sms", "10012345679"))
    choose(office, "r-lin", digest_at=SIX, digest_channel="sms")
    released(office)
    evening(office)
    send(office)
    assert [each.channel for each in overviews(office)] == ["sms"]
    bound = office.store.read_now(lambda read: audience.find(read, "sms", "10012345679"))
    assert bound is not None
    office.store.write_now(lambda tx: audience.unbind(tx, bound.id))
    released(office)
    evening(office, 1)
    send(office)
    assert sorted(each.channel for each in overviews(office)) == ["sms", "wechat"]


def test_an_overview_in_the_quiet_hours_waits_for_their_end(office: Office) -> None:
    choose(office, "r-lin", digest_at=SIX, own_quiet=True, quiet_start=17 * 60, quiet_end=19 * 60)
    released(office)
    evening(office)
    send(office)
    office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 50))
    [row] = overviews(office)
    assert (row.state, row.why, row.not_before) == ("planned", outbox.QUIET, office.clock.now() + timedelta(hours=1))


_STEPS = st.lists(
    st.one_of(
        st.just(("release", 0)), st.just(("send", 0)), st.just(("retract", 0)), st.just(("off", 0)),
        st.tuples(st.just("pass"), st.integers(1, 20)), st.tuples(st.just("choose"), st.integers(0, 1439)),
    ),
    min_size=4, max_size=8,
)  # fmt: skip


@settings(max_examples=6, deadline=None)
@given(_STEPS)
def test_nobody_gets_two_overviews_a_day_and_no_notice_is_in_two(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder))
        choose(office, "r-lin", digest_at=SIX)
        live: list[Notice] = []
        for verb, number in steps:
            if verb == "release":
                live.append(released(office))
            elif verb == "retract" and live:
                ended = live.pop()
                office.store.write_now(lambda tx, of=ended.id: desk.retract(tx, office.staff, of, "It was a mistake"))  # type: ignore[misc]
            elif verb == "pass":
                office.clock.advance(number * 3600)
                office.store.write_now(desk.keep_time)
            elif verb in ("choose", "off"):
                choose(office, "r-lin", digest_at=number if verb == "choose" else None)
            send(office)
        rows = overviews(office)
        days = [each.key for each in rows if each.resident == "r-lin"]
        assert len(set(days)) == len(days)
        items = office.store.read_now(lambda read: list(read.session.execute(select(DigestItem)).scalars()))
        assert len({each.notice for each in items}) == len(items)
        assert {each.outbox for each in items if each.state == "sent"} == {each.id for each in rows}
        office.store.close()


def test_whoever_reads_english_gets_the_overview_in_english(office: Office) -> None:
    choose(office, "r-lin", digest_at=SIX, lang="en")
    choose(office, "r-wang", digest_at=SIX)
    released(office)
    office.clock.advance(timedelta(hours=10).total_seconds())
    send(office)
    said = {each.resident: outbox.message_of(fanout(office, each)) for each in overviews(office)}
    assert said["r-lin"].title == "Overview of today: 1 notice"
    assert (said["r-lin"].lang, said["r-lin"].area_name) == ("en", "Liuhe")
    assert (said["r-wang"].lang, said["r-wang"].area_name) == ("zh", "浏河社区")


def fanout(office: Office, row: Outbox) -> outbox.Fanout:
    return office.store.read_now(lambda read: read.session.get_one(outbox.Fanout, row.fanout))


def test_what_stood_in_an_overview_is_forgotten_once_its_delivery_is_a_counter_and_its_notice_over(
    office: Office,
) -> None:
    ended, stays = (released(office, title=title) for title in ("结束", "仍有效"))
    evening(office)
    send(office)
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, ended.id, "It was a mistake"))
    evening(office, 8)
    assert states(office) == {ended.id: "sent", stays.id: "sent"}
    assert office.store.write_now(fold.forget_overviews) == 0  # its delivery could still be proved
    [row] = overviews(office)
    office.store.write_now(lambda tx: tx.session.delete(tx.session.get_one(Outbox, row.id)))  # as folding does
    assert office.store.write_now(lambda tx: fold.forget_overviews(tx, limit=1)) == 1
    assert office.store.write_now(fold.forget_overviews) == 0
    assert states(office) == {stays.id: "sent"}  # or it would stand in a second overview

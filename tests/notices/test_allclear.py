"""An emergency ends by one person and one press, and its all-clear takes its place in words that stood ready."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select
from sqlmodel import col

from channels.base import Accepted
from hub import delivery, outbox
from hub.audience import Audience
from hub.civic.notices import active, allclear, cards, desk, ladder, rules
from hub.civic.notices.models import Notice
from hub.outbox import Outbox
from tests.notices.office import Office, open_office
from tests.world import LIUHE

RETRACT_STATEMENTS_MAX = 30  # 25 with this slice alone; 49 with all slices before the ladder's part left it


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def emergency(office: Office, priority: str = "emergency", title: str = "燃气泄漏，请立即撤离") -> Notice:
    made = office.draft(priority=priority, title=title, text="请从楼梯离开。", audience=Audience((LIUHE,)))
    first = office.publisher if priority == "emergency" else office.staff
    office.store.write_now(lambda tx: desk.approve(tx, first, made.id))
    return office.store.write_now(lambda tx: desk.release(tx, office.director, made.id))


def covering(office: Office) -> cards.Shown | None:
    found: cards.Shown | None = office.store.read_now(lambda read: cards.overlay(read, LIUHE))["item"]
    return found


def test_one_person_ends_an_emergency_and_every_screen_shows_its_end_in_the_same_place(office: Office) -> None:
    made = emergency(office)
    shown = covering(office)
    assert shown is not None
    assert (shown.id, shown.form) == (made.id, "alarm")
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    clear = covering(office)
    assert clear is not None
    assert (clear.form, clear.title) == ("clear", "解除：燃气泄漏，请立即撤离")
    held = office.store.read_now(lambda read: [each.id for each in active.notices_of(read, LIUHE)])
    assert made.id not in held
    assert clear.id in held


def test_the_all_clear_covers_for_two_minutes_and_can_be_read_until_the_next_day(office: Office) -> None:
    made = emergency(office)
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    office.clock.advance(allclear.COVERS.total_seconds() - 1)
    office.store.write_now(desk.keep_time)
    assert covering(office) is not None
    office.clock.advance(1)
    assert office.store.read_now(desk.is_time)
    office.store.write_now(desk.keep_time)
    assert covering(office) is None
    assert not office.store.read_now(desk.is_time)
    held = office.store.read_now(lambda read: [each.kind for each in active.notices_of(read, LIUHE)])
    assert held == ["all-clear"]


def test_an_emergency_that_begins_meanwhile_lies_over_the_all_clear(office: Office) -> None:
    made = emergency(office)
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    second = emergency(office, title="山洪，请上高处")
    shown = covering(office)
    assert shown is not None
    assert shown.id == second.id


def climb(office: Office, ident: str) -> None:
    """What the ladder's job does with the all-clear a moment after it stands on the screens."""
    office.store.write_now(lambda tx: ladder.go_on(tx, ident, 1, 0.0, {"wechat"}))
    office.spread()


def test_only_whoever_the_emergency_may_have_reached_gets_one_message_about_its_end(office: Office) -> None:
    made = emergency(office)
    office.spread()
    (left,) = office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 1))
    office.store.write_now(lambda tx: delivery.settle(tx, [left], [Accepted("1")]))
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    clear = covering(office)
    assert clear is not None
    assert office.store.read_now(lambda read: outbox.states(read, clear.id)) == {}  # the screens wait for nobody
    climb(office, clear.id)
    states = office.store.read_now(lambda read: (outbox.states(read, made.id), outbox.states(read, clear.id)))
    assert states[0]["wechat"] == {"accepted": 1, "cancelled": 1, "unreachable": 1}
    assert states[1]["wechat"] == {"planned": 1, "not told before": 2}
    asked = select(col(Outbox.resident)).where(col(Outbox.notice) == clear.id)
    told = office.store.read_now(lambda read: read.session.execute(asked).scalar_one())
    assert told == office.store.read_now(lambda read: read.session.get_one(Outbox, left.delivery.id).resident)


def test_the_end_of_an_emergency_costs_the_writer_few_statements(office: Office) -> None:
    """Beside 2,000 readings a second each statement waits for its turn: the screens must not wait for the ladder."""
    made = emergency(office)
    said: list[str] = []

    def heard(*args: Any) -> None:
        said.append(args[2])

    event.listen(Engine, "before_cursor_execute", heard)
    try:
        office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    finally:
        event.remove(Engine, "before_cursor_execute", heard)
    assert len(said) <= RETRACT_STATEMENTS_MAX


@pytest.mark.parametrize(
    ("priority", "reason", "begins"),
    [
        ("emergency", "It was a mistake", "更正："),
        ("emergency", "The warning is lifted", "解除："),
        ("emergency", "Cancelled, a new notice will follow", "解除："),
        ("drill", "It was a mistake", "演练结束："),
        ("drill", "The exercise is over", "演练结束："),
    ],
)
def test_the_words_say_what_kind_of_end_it_is(office: Office, priority: str, reason: str, begins: str) -> None:
    made = emergency(office, priority)
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, reason))
    clear = covering(office)
    assert clear is not None
    assert clear.title.startswith(begins)


def test_an_ordinary_notice_is_withdrawn_without_an_all_clear(office: Office) -> None:
    made = office.released()
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    assert office.store.read_now(lambda read: active.notices_of(read, LIUHE)) == []


@given(st.text(min_size=1, max_size=60), st.text(max_size=120), st.sampled_from([*rules.REASONS, "另有原因"]))
def test_the_title_always_fits_and_always_begins_with_what_it_means(title: str, title_en: str, reason: str) -> None:
    for priority in rules.COVERING:
        said = allclear.words(priority, reason, title=title, title_en=title_en, issuer="浏河社区居委会")
        assert len(said.title) <= rules.TITLE_CHARS_MAX
        assert len(said.title_en) <= 120
        assert said.title.startswith(("解除：", "更正：", "演练结束："))
        assert len(said.text) <= rules.TEXT_CHARS_MAX


def test_it_ends_by_itself(office: Office) -> None:
    made = emergency(office)
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    office.clock.advance((allclear.VALID + timedelta(seconds=1)).total_seconds())
    office.store.write_now(desk.keep_time)
    assert office.store.read_now(lambda read: active.notices_of(read, LIUHE)) == []

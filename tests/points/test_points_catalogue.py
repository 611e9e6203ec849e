"""The catalogue as data and the rules as pure functions: 4 categories, 46 items, caps, periods, signatures."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.civic.points import cards, catalogue, rules
from hub.civic.points.catalogue import Cap, Catalogue, Item
from hub.civic.points.rules import Used
from hub.errors import NotAllowed, Refused

BOOK = catalogue.versions()[-1]
ITEMS = st.sampled_from([item for item in BOOK.items.values() if item.points > 0])
DAYS = st.dates(date(2020, 1, 1), date(2032, 12, 31))


def test_four_categories_and_forty_six_items() -> None:
    assert Counter(item.category for item in BOOK.items.values()) == {"A": 11, "B": 13, "C": 12, "D": 10}
    assert [each.zh for each in BOOK.categories] == ["社会治安类", "公益美德类", "社区建设类", "奖励惩罚类"]
    assert sum(item.points > 0 for item in BOOK.items.values()) == 42
    assert sum(item.points < 0 for item in BOOK.items.values()) == 4


def test_every_item_is_whole_in_both_languages() -> None:
    for item in BOOK.items.values():
        assert all((item.zh, item.en, item.unit_zh, item.unit_en, item.evidence_zh, item.evidence_en)), item.code
        assert item.kinds, item.code
        assert set(item.approvers) <= {"A", "G", "S", "P", "M", "B"}, item.code
        assert re.search("[一-鿿]", item.zh + item.evidence_zh), item.code


def test_nothing_of_health_is_ever_counted() -> None:
    words = Path(catalogue.FOLDER / "jingmen-46.toml").read_text(encoding="utf-8")
    assert not re.search("血压|血糖|体检|健康小屋|测量", words)


@pytest.mark.parametrize(
    ("code", "points", "approvers", "kinds", "caps"),
    [
        ("A01", 10, "GS", "P O", [Cap(30, "points", "day"), Cap(120, "points", "month")]),
        ("A02", 15, "GS", "P H", [Cap(2, "acts", "day")]),
        ("B01", 10, "A", "P O", [Cap(40, "points", "day")]),
        ("B10", 5, "A", "P H", [Cap(4, "acts", "month", "neighbour"), Cap(40, "points", "month")]),
        ("C01", 10, "A", "P H O", [Cap(40, "points", "day")]),
        ("C09", 3, "G", "P H", [Cap(30, "points", "month")]),
        ("D04", 200, "SMB", "P", []),
        ("D10", -20, "SM", "P H O", []),
    ],
)
def test_an_item_reads_as_the_programme_says(
    code: str, points: int, approvers: str, kinds: str, caps: list[Cap]
) -> None:
    item = BOOK.item(code)
    assert (item.points, "".join(item.approvers), list(item.caps)) == (points, approvers, caps)
    assert list(item.kinds) == [catalogue.KINDS[each] for each in kinds.split()]


def test_an_act_keeps_the_value_of_its_own_day() -> None:
    old, new = BOOK, _repriced(BOOK, date(2026, 12, 1))
    assert catalogue.on(date(2026, 11, 30), [old, new]).item("C01").points == 10
    assert catalogue.on(date(2026, 12, 1), [old, new]).item("C01").points == 12
    with pytest.raises(Refused):
        catalogue.on(date(2015, 12, 31), [old, new])


def _repriced(book: Catalogue, since: date) -> Catalogue:
    text = (catalogue.FOLDER / "jingmen-46.toml").read_text(encoding="utf-8")
    head, tail = text.split('code = "C01"')
    changed = head + 'code = "C01"' + tail.replace("points = 10", "points = 12", 1)
    changed = changed.replace("effective_from = 2016-01-01", f"effective_from = {since.isoformat()}")
    assert book.version in changed
    return catalogue.parse(changed)


@given(item=ITEMS, hours=st.decimals(Decimal("0.25"), Decimal(12), places=2))
def test_hours_are_paid_in_whole_points_and_never_more_than_their_rate(item: Item, hours: Decimal) -> None:
    worth = rules.value(item, hours)
    assert worth >= 0
    if item.hours == 1:
        assert hours * item.points - 1 < worth <= hours * item.points
    elif item.hours:
        assert worth == int(hours / item.hours) * item.points
    else:
        assert worth == item.points


@given(item=ITEMS, day=DAYS, worth=st.integers(1, 300), had=st.integers(0, 300), acts=st.integers(0, 40))
def test_what_fits_never_breaks_a_cap(item: Item, day: date, worth: int, had: int, acts: int) -> None:
    amount = rules.fits(worth, [(cap, Used(had, acts)) for cap in item.caps])
    assert 0 <= amount <= worth
    for cap in item.caps:
        if cap.counts == "points" and amount:
            assert had + amount <= cap.limit
        if cap.counts == "acts" and amount:
            assert acts < cap.limit


@given(day=DAYS, per=st.sampled_from(["day", "week", "month", "quarter", "year"]))
def test_periods_tile_the_calendar(day: date, per: str) -> None:
    """A day is in its own span; the next span begins on the morning after; spans start where a calendar says."""
    cap = Cap(1, "acts", per)
    found = rules.span(cap, day)
    assert found is not None
    assert found.first <= day <= found.last
    after = rules.span(cap, found.last + timedelta(days=1))
    assert after is not None
    assert after.first == found.last + timedelta(days=1)
    assert rules.span(cap, found.first) == rules.span(cap, found.last) == found


def test_a_cap_per_event_has_no_calendar() -> None:
    assert rules.span(Cap(120, "points", "event"), date(2026, 11, 22)) is None


@pytest.mark.parametrize("hours", [None, Decimal(0), Decimal(-1), Decimal("12.25")])
def test_hours_nobody_worked_are_refused(hours: Decimal | None) -> None:
    with pytest.raises(Refused):
        rules.value(BOOK.item("B01"), hours)


def test_an_act_is_credited_within_thirty_days_and_not_before_it_is_done() -> None:
    today = date(2026, 11, 22)
    rules.in_time(today, today)
    rules.in_time(today - timedelta(days=30), today)
    for late in (today + timedelta(days=1), today - timedelta(days=31)):
        with pytest.raises(Refused):
            rules.in_time(late, today)


def test_as_many_different_people_sign_as_the_item_asks_for() -> None:
    rules.signed(BOOK.item("C01"), (None, "s-1"))
    rules.signed(BOOK.item("A01"), ("s-1", "s-2"))
    rules.signed(BOOK.item("D04"), ("s-1", "s-2", "s-3"))
    for code, persons in (
        ("C01", (None, None)),
        ("A01", ("s-1", None)),
        ("A01", ("s-1", "s-1")),
        ("D04", ("s-1", "s-2")),
    ):
        with pytest.raises(NotAllowed):
            rules.signed(BOOK.item(code), persons)


def test_levels_are_reached_by_what_was_earned() -> None:
    names = {0: None, 99: None, 100: "一星", 799: "二星", 800: "三星", 5000: "五星", 99999: "五星"}
    for earned, zh in names.items():
        found = rules.level(earned, BOOK.levels)
        assert (found.zh if found else None) == zh
    assert rules.next_level(5000, BOOK.levels) is None


def test_a_sheet_credits_only_what_two_signatures_at_a_desk_may() -> None:
    allowed = {code for code, item in BOOK.items.items() if cards.by_sheet(item)}
    assert {"C01", "B01", "A01", "C09"} <= allowed
    assert not {"A04", "B04", "D01", "D04", "D07"} & allowed

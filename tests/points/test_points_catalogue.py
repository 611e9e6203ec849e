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


PROGRAMME = """
A01 10 1 GS PO 30p/day 120p/month
A02 15 2 GS PH 2a/day
A03 10 0 GS PHO 3a/day 60p/month
A04 30 0 PS PO 60p/month
A05 30 0 GS P 90p/month
A06 10 1 A PO 60p/month
A07 5 0 A PHO 10p/month
A08 10 1 GS P 80p/month
A09 10 0 GS HO 1a/year/dwelling
A10 15 1 SM PO 120p/event
A11 20 0 GS O 1a/month
B01 10 1 A PO 40p/day
B02 12 1 GS PHO 48p/day
B03 12 1 GS PHO 48p/day
B04 12 1 SM PO 36p/day
B05 20 1 GS PO 60p/day
B06 50 0 GS P 2a/year
B07 10 0 GS PHO 20p/month
B08 20 0 GS P 40p/month
B09 20 0 SM H 1a/quarter
B10 5 0 A PH 4a/month/neighbour 40p/month
B11 30 0 GS H 1a/event
B12 5 1 A PO 40p/month
B13 5 0 A P 4a/month
C01 10 1 A PHO 40p/day
C02 2 0 A H 2a/day 30p/month
C03 5 0 GS PH 1a/week
C04 15 0 GS HO 1a/month
C05 5 0 A PO 6a/month
C06 20 0 SM PHO 60p/month
C07 10 0 GS P 1a/month
C08 20 0 GS PO 60p/month
C09 3 0 G PH 30p/month
C10 20 0 GS HO 120p/month
C11 30 0 GS O 60p/month
C12 12 1 GS PO 36p/day
D01 10 0 SM PHO 2a/year
D02 20 0 SM PHO 2a/year
D03 50 0 SMB PHO 2a/year
D04 200 0 SMB P
D05 50 0 SM PHO 1a/quarter
D06 30 0 A PHO 1a/year
D07 -5 0 GSM PHO 10p/month
D08 -10 0 GSM PHO 20p/month
D09 -5 0 GSM PH 10p/month
D10 -20 0 SM PHO
"""  # code, points, hours of a unit, approvers, kinds, caps (points or acts)


def test_all_forty_six_items_read_as_the_programme_says() -> None:
    kinds = {name: letter for letter, name in catalogue.KINDS.items()}
    for line in PROGRAMME.strip().splitlines():
        code, points, hours, approvers, letters, *caps = line.split()
        item = BOOK.item(code)
        found = [f"{cap.limit}{cap.counts[0]}/{cap.per}" + f"/{cap.each}" * bool(cap.each) for cap in item.caps]
        assert (item.points, item.hours) == (int(points), int(hours)), code
        assert ("".join(item.approvers), "".join(kinds[each] for each in item.kinds), found) == (
            approvers,
            letters,
            caps,
        )


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

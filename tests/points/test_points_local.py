"""What a community may change of the catalogue, and that another city's scale is only another file."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.access import Subject
from hub.civic.points import award, catalogue, local
from hub.civic.points.award import Award, Signed
from hub.clock import ManualClock
from hub.db import Store
from hub.errors import Refused
from tests.points.ledgers import a_store
from tests.world import LIUHE, START

OFFICE = Subject("s-office", "staff", person="p-office")
TODAY = date(2026, 11, 22)
SIGNED = Signed(verifier="s-staff", approver="s-director")
B01 = catalogue.on(TODAY).item("B01")  # 40 points a day


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Any:
    with a_store(tmp_path, clock=clock) as opened:
        yield opened


def _set(store: Store, *, off: bool = False, limits: tuple[int, ...] = (40,), since: date = TODAY) -> None:
    store.write_now(lambda tx: local.set_item(tx, LIUHE, B01, OFFICE, off=off, limits=limits, since=since))


def _credited(store: Store, reference: str, day: date) -> int:
    act = Award("person", "r-lin", "B01", Decimal(4), day, reference)
    receipt = store.write_now(lambda tx: award.credit(tx, [act], SIGNED))[0].receipt
    return receipt.amount if receipt else 0


def test_a_lower_cap_holds_from_its_day_on_and_not_before(store: Store) -> None:
    _set(store, limits=(20,))
    assert _credited(store, "yesterday", TODAY - timedelta(days=1)) == 40
    assert _credited(store, "today", TODAY) == 20


def test_an_item_is_switched_off_and_on_again(store: Store, clock: ManualClock) -> None:
    _set(store, off=True)
    with pytest.raises(Refused, match="志愿服务"):
        _credited(store, "off", TODAY)
    assert _credited(store, "before", TODAY - timedelta(days=1)) == 40
    clock.set(START + timedelta(days=1))
    _set(store, since=TODAY + timedelta(days=1))
    assert _credited(store, "on again", TODAY + timedelta(days=1)) == 40


@pytest.mark.parametrize("limits", [(41,), (0,), (-1,), (), (10, 10)])
def test_a_community_raises_no_cap(store: Store, limits: tuple[int, ...]) -> None:
    with pytest.raises(Refused):
        _set(store, limits=limits)


def test_nothing_is_changed_for_what_was_done_already(store: Store) -> None:
    with pytest.raises(Refused):
        _set(store, limits=(20,), since=TODAY - timedelta(days=1))


@given(limits=st.lists(st.integers(-5, 200), max_size=3))
def test_whatever_stands_in_the_row_no_cap_rises(limits: list[int]) -> None:
    from hub.civic.points.reward_models import LocalItem

    row = LocalItem(
        id="x", area=LIUHE, item="B01", since=TODAY, off=False, limits=",".join(map(str, limits)), by="", at=START
    )
    mine = local.applied(B01, row)
    assert [cap.limit for cap in mine.caps] <= [cap.limit for cap in B01.caps]
    assert (mine.points, mine.zh, mine.approvers, mine.kinds) == (B01.points, B01.zh, B01.approvers, B01.kinds)


def test_another_citys_scale_is_another_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its items, values, caps and levels, and not a line of code."""
    elsewhere = catalogue.FOLDER / "elsewhere"
    monkeypatch.setattr(catalogue, "FOLDER", elsewhere)
    catalogue.versions.cache_clear()
    try:
        book = catalogue.on(TODAY)
        assert book.version.startswith("pingjiang-")
        assert len(book.categories) == 3
        for code, hours, points in (("X01", "2", 4), ("X03", None, 50), ("Y02", None, 2)):
            act = Award("household", "h-lin", code, Decimal(hours) if hours else None, TODAY, f"there:{code}")
            receipt = store.write_now(lambda tx, each=act: award.credit(tx, [each], SIGNED))[0].receipt
            assert receipt is not None
            assert receipt.amount == points
        with pytest.raises(Refused):
            store.write_now(
                lambda tx: award.credit(tx, [Award("person", "r-lin", "B01", Decimal(1), TODAY, "no")], SIGNED)
            )
    finally:
        monkeypatch.undo()
        catalogue.versions.cache_clear()

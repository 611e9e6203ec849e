"""Out of character: a weight far from one's own is asked about first; whose a reading is may be put right for a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub import readings
from hub.access import Subject
from hub.audit import AuditRow
from hub.civic.health import kiosk, rebinding
from hub.civic.health.character import out_of_character
from hub.civic.health.models import ReadingBand
from hub.db import Tx
from hub.errors import Conflict, NotFound
from hub.registry import Device, moved
from tests.health.hutrig import CODECS, HUT, UNITS, WANG, Hut
from tests.world import staff


@pytest.fixture
def hut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hut]:
    monkeypatch.setitem(CODECS, "weight", ("scale-1", "sig.2a9d"))
    monkeypatch.setitem(UNITS, "weight", "kg")
    made = Hut(tmp_path)
    yield made
    made.store.close()


def weigh(hut: Hut, kg: str) -> str:
    hut.clock.advance(30)
    return hut.measure("weight", {"weight": kg})


def test_a_weight_far_from_ones_own_is_nobodys_until_it_is_confirmed(hut: Hut) -> None:
    hut.visit(WANG)
    own = weigh(hut, "58.5")
    assert hut.reading(own).person == "r-wang", "without a history nothing is out of character"
    other = weigh(hut, "66.0")
    assert hut.reading(other).person is None
    page = hut.page()
    assert "刚才是您本人测量的吗" in page
    assert "66" in page
    hut.act(kiosk.turn_to, HUT, "slip")
    assert "刚才是您本人测量的吗" in hut.page(), "no way round the question"
    hut.act(kiosk.answer_whose, HUT, True)
    assert (hut.reading(other).person, hut.reading(other).bound_by) == ("r-wang", "card")


def test_not_me_keeps_it_without_a_name_and_the_page_forgets_it(hut: Hut) -> None:
    hut.visit(WANG)
    weigh(hut, "58.5")
    other = weigh(hut, "80.0")
    hut.act(kiosk.answer_whose, HUT, False)
    assert (hut.reading(other).person, hut.reading(other).bound_by) == (None, "none")
    assert "80" not in hut.page()
    hut.act(kiosk.answer_whose, HUT, True)
    assert hut.reading(other).person is None, "a page left open answers for nothing"


def test_a_guest_is_never_asked(hut: Hut) -> None:
    hut.visit(WANG)
    weigh(hut, "58.5")
    hut.visit()
    assert hut.reading(weigh(hut, "80.0")).bound_by == "guest"


@given(
    st.decimals("30", "150", places=1),
    st.lists(st.decimals("30", "150", places=1), max_size=5),
)
@settings(max_examples=25)
def test_eight_per_cent_of_ones_own_median_is_the_line(now: Decimal, before: list[Decimal]) -> None:
    asked = out_of_character({"weight": now}, {"weight": before}) == ("weight",)
    own = (
        sorted(before)[len(before) // 2]
        if len(before) % 2
        else sum(sorted(before)[len(before) // 2 - 1 :][:2]) / 2
        if before
        else now
    )
    assert asked == (abs(now - own) > own * Decimal("0.08"))


def kinds(hut: Hut, reading: str) -> list[str]:
    rule = select(AuditRow.kind).where(AuditRow.subject == reading).order_by(AuditRow.seq)  # type: ignore[arg-type, call-overload]
    return list(hut.store.read_now(lambda read: read.session.execute(rule).scalars().all()))


def test_whose_a_reading_is_may_be_put_right_for_a_day_and_is_on_record(hut: Hut) -> None:
    hut.visit(WANG)
    taken = hut.measure("bp")
    resident = staff(hut.store, "s-attendant")
    with pytest.raises(NotFound):
        hut.act(rebinding.give_back, Subject(id="r-lin", kind="resident"), taken)
    hut.act(rebinding.give_back, Subject(id="r-wang", kind="resident"), taken)
    assert (hut.reading(taken).person, hut.reading(taken).bound_by) == (None, "none")
    hut.act(rebinding.tie, resident, taken, "r-lin", "她坐错了座位")
    assert (hut.reading(taken).person, hut.reading(taken).bound_by) == ("r-lin", "staff")
    assert kinds(hut, taken) == ["ReadingBound", "ReadingRebound", "ReadingRebound", "ReadingBound"]
    judged = hut.store.read_now(lambda read: read.session.execute(select(ReadingBand)).scalars().all())
    assert {row.reading for row in judged} == {taken}, "judged anew for the new owner"
    hut.clock.advance(readings.ANONYMOUS_AFTER.total_seconds())
    with pytest.raises(Conflict):
        hut.act(rebinding.tie, resident, taken, "r-wang", "too late")


def test_after_a_day_the_unclaimed_stays_nobodys_and_a_guests_always_does(hut: Hut) -> None:
    unclaimed = hut.measure("bp")
    hut.visit()
    guests = hut.measure("temp", {"temp": "36.5"})
    attendant = staff(hut.store, "s-attendant")
    with pytest.raises(Conflict):
        hut.act(rebinding.tie, attendant, guests, "r-lin", "x")
    with pytest.raises(NotFound):
        hut.act(rebinding.tie, staff(hut.store, "s-doctor"), unclaimed, "r-lin", "x")
    hut.clock.advance(readings.ANONYMOUS_AFTER.total_seconds())
    hut.act(readings.bind, unclaimed, "r-lin", "card", None)
    assert hut.reading(unclaimed).person is None


def test_an_expired_certificate_takes_the_word_and_the_kiosk_says_why(hut: Hut) -> None:
    def expire(tx: Tx) -> None:
        cuff = tx.session.get_one(Device, "bp-1")
        cuff.calibration, cuff.calibration_due = "JD-1", hut.clock.now().date() - timedelta(days=1)
        tx.session.add(cuff)
        moved(tx)

    hut.visit(WANG)
    hut.clock.advance(30)
    hut.measure("bp", {"sys": "186", "dia": "112", "map": "137", "pulse": "80"})
    assert len(hut.alerts()) == 1, "with its certificate it would call somebody"
    hut.write(expire)
    hut.book.look()
    hut.clock.advance(300)
    taken = hut.measure("bp", {"sys": "187", "dia": "113", "map": "138", "pulse": "80"})
    row = hut.reading(taken)
    assert (row.quality, row.reasons, row.person, row.calibration) == ("suspect", "uncalibrated", "r-wang", "JD-1")
    page = hut.page()
    assert "187" in page, "the number is shown"
    assert "检定" in page, "and why it has no word"
    judged = hut.store.read_now(lambda read: read.session.execute(select(ReadingBand)).scalars().all())
    assert {row.verdict.partition("/")[0] for row in judged if row.reading == taken} <= {"none"}
    assert len(hut.alerts()) == 1

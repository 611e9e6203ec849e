"""Whose reading is it: bound to the visit open at its hut, to nobody when in doubt, and never to the wrong person."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from hub.civic.health import binding, kiosk
from hub.civic.health.models import ReadingBand
from hub.db import Tx
from hub.events import ReadingsStored, StoredReading
from hub.readings import RawFrame, Reading, from_ms
from tests.health.hutrig import HUT, LIN, OTHER, WANG, Hut


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def test_a_reading_of_the_visit_is_the_visitors(hut: Hut) -> None:
    hut.visit(WANG)
    row = hut.reading(hut.measure())
    session = hut.session()
    assert session is not None
    assert (row.person, row.bound_by, row.session) == ("r-wang", "card", session.id)


def test_without_a_visit_a_reading_stays_nobodys(hut: Hut) -> None:
    row = hut.reading(hut.measure())
    assert (row.person, row.bound_by, row.session) == (None, "none", None)


def test_a_card_being_looked_at_takes_no_reading(hut: Hut) -> None:
    hut.act(kiosk.open_session, HUT)
    at_the_card_page = hut.reading(hut.measure())
    hut.act(kiosk.present_card, HUT, WANG)
    hut.clock.advance(1)
    before_agreeing = hut.reading(hut.measure())
    assert (at_the_card_page.bound_by, before_agreeing.bound_by) == ("none", "none")


def test_another_huts_reading_is_not_taken(hut: Hut) -> None:
    hut.visit(WANG)
    assert hut.reading(hut.measure(hut=OTHER)).person is None


def test_a_guests_reading_never_gets_a_name(hut: Hut) -> None:
    hut.visit()
    ident = hut.measure()
    row = hut.reading(ident)
    assert (row.person, row.bound_by) == (None, "guest")

    def claim(tx: Tx) -> None:
        from hub import readings

        readings.bind(tx, ident, "r-wang", "staff", None)

    hut.act(claim)
    assert hut.reading(ident).person is None


def test_only_measuring_forgets_whose_card_it_was(hut: Hut) -> None:
    hut.act(kiosk.open_session, HUT, card=WANG)
    hut.act(kiosk.measure_unnamed, HUT)
    session = hut.session()
    assert session is not None
    assert (session.guest, session.person, session.candidate) == (True, None, None)
    assert hut.reading(hut.measure()).person is None


def test_a_guests_raw_frames_go_when_the_visit_ends(hut: Hut) -> None:
    hut.visit()
    hut.measure()

    def frames() -> int:
        return hut.store.read_now(
            lambda read: read.session.execute(select(func.count()).select_from(RawFrame)).scalar_one()
        )

    assert frames() == 1
    hut.act(kiosk.end, HUT)
    assert frames() == 0


def test_a_named_visits_raw_frames_stay(hut: Hut) -> None:
    hut.visit(WANG)
    ident = hut.measure()
    hut.act(kiosk.end, HUT)
    assert hut.store.read_now(lambda read: read.session.get(RawFrame, ident)) is not None


def test_a_buffered_reading_from_before_the_visit_is_not_taken(hut: Hut) -> None:
    hut.clock.advance(3600)
    hut.visit(WANG)
    # Received while the visit lasts, taken twenty minutes ago: a gateway emptied its buffer (its own clock is sane).
    stored = _stored(hut, taken_s_ago=20 * 60)
    assert not binding.fits(stored, hut.session().began, None)  # type: ignore[union-attr]
    assert binding.fits(_stored(hut, taken_s_ago=100), hut.session().began, None)  # type: ignore[union-attr]


def test_within_the_clocks_grace_it_may_still_be_the_neighbours_before(hut: Hut) -> None:
    hut.visit(LIN)
    taken = hut.clock.now()
    hut.clock.advance(30)
    hut.act(kiosk.end, HUT)
    hut.clock.advance(10)
    hut.visit(WANG)
    hut.clock.advance(5)
    row = hut.reading(hut.measure(at=taken))
    assert row.person is None
    session = hut.session()
    assert session is not None
    assert session.note == "mistimed"


def test_what_a_release_takes_in_says_nothing_to_whoever_sits_there_now(hut: Hut) -> None:
    """Frames of a device that was held back come in hours later, with the times they came with then."""
    hut.visit(WANG)
    then = hut.clock.now() - timedelta(hours=3)
    taken_in = StoredReading(
        "x", "x", "bp", "bp-1", HUT, HUT, "420802002001", (), "ok", (), then, then, "gateway", False
    )
    hut.act(lambda tx: tx.emit(ReadingsStored, readings=(taken_in,)))  # type: ignore[attr-defined]
    session = hut.session()
    assert session is not None
    assert (session.note, session.reading, hut.alerts()) == ("", None, [])


def test_a_repeated_batch_changes_nothing(hut: Hut) -> None:
    hut.visit(WANG)
    ident = hut.measure(values={"sys": "190", "dia": "100", "pulse": "70"})
    row, alerts = hut.reading(ident), len(hut.alerts())
    stored = StoredReading(
        row.id, row.cause, row.kind, row.device, row.gateway, row.hut, row.area, (), row.quality, (),
        from_ms(row.t_effective_ms), from_ms(row.t_received_ms), row.t_basis, row.late,
    )  # fmt: skip
    hut.act(lambda tx: tx.emit(ReadingsStored, readings=(stored,)))  # type: ignore[attr-defined]
    assert hut.reading(ident).model_dump() == row.model_dump()
    assert len(hut.alerts()) == alerts == 1
    bands = hut.store.read_now(
        lambda read: read.session.execute(select(func.count()).select_from(ReadingBand)).scalar_one()
    )
    assert bands == 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from([WANG, LIN, None]), st.sampled_from([HUT, OTHER])),
        st.tuples(st.just("card"), st.sampled_from([WANG, LIN, "LH-999999"]), st.sampled_from([HUT, OTHER])),
        st.tuples(st.just("end"), st.none(), st.sampled_from([HUT, OTHER])),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 90, 200]), st.just(HUT)),
        st.tuples(st.just("measure"), st.sampled_from([0, 0, 30, 110]), st.sampled_from([HUT, OTHER])),
    ),
    min_size=3,
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=15, deadline=None)
def test_whatever_the_order_a_reading_belongs_to_the_visit_of_its_hut_and_time_or_to_nobody(
    steps: list[tuple[str, object, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        hut = Hut(Path(folder))
        for what, how, where in steps:
            if what == "open":
                hut.visit(how, where)  # type: ignore[arg-type]
            elif what == "card":
                _present(hut, where, str(how))
            elif what == "end":
                hut.act(kiosk.end, where)
            elif what == "wait":
                hut.clock.advance(int(str(how)))
            else:
                hut.measure(hut=where, at=hut.clock.now() - timedelta(seconds=int(str(how))))
                hut.clock.advance(1)
        _check(hut)
        hut.store.close()


def _present(hut: Hut, where: str, card: str) -> None:
    from hub.errors import TooMany

    try:
        hut.act(kiosk.present_card, where, card)
    except TooMany:
        assert sum(session.tries for session in hut.sessions()) >= kiosk.CARD_TRIES_MAX


def _check(hut: Hut) -> None:
    rows = hut.store.read_now(lambda read: list(read.session.execute(select(Reading)).scalars()))
    visits = {session.id: session for session in hut.sessions()}
    for each in (HUT, OTHER):
        assert sum(visit.closed is None for visit in visits.values() if visit.hut == each) <= 1
    for row in rows:
        if row.session is None:
            assert (row.person, row.bound_by) == (None, "none")
            continue
        visit = visits[row.session]
        received, taken = from_ms(row.t_received_ms), from_ms(row.t_effective_ms)
        assert visit.hut == row.hut
        assert visit.began is not None
        assert visit.began <= received
        assert visit.closed is None or received <= visit.closed
        assert row.person == visit.person
        assert row.bound_by == ("guest" if visit.guest else "card")
        # Taken while another visit was open at this hut: then it is not this one's.
        others = [v for v in visits.values() if v.hut == row.hut and v.id != visit.id and v.began and v.closed]
        assert not any(other.began <= taken < other.closed for other in others if other.closed <= visit.began)  # type: ignore[operator]


def _stored(hut: Hut, taken_s_ago: int) -> StoredReading:
    now = hut.clock.now()
    return StoredReading(
        "x", "x", "bp", "bp-1", HUT, HUT, "420802002001", (), "ok", (), now - timedelta(seconds=taken_s_ago), now,
        "gateway", False,
    )  # fmt: skip

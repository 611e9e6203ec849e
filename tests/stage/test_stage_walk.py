"""The walk is only what causes say: from any event to its beginning and to all that followed, and nothing between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.stage.trail import Place, Trail
from hub.civic.stage.walk import STATIONS, Fact, born, facts, folded, walk
from hub.clock import ManualClock
from hub.events import (
    AlertRaised,
    DeliveriesPlanned,
    DeviceChanged,
    FrameQuarantined,
    NoticeReleased,
    PointsPosted,
    Posted,
    ReadingBound,
    ReadingsStored,
    SheetApproved,
    StoredReading,
)
from hub.rng import SeededRng, uuid7

START = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
HERE = Place("lh-hut-1", "420802002001")


def at(ms: int) -> datetime:
    return START + timedelta(milliseconds=ms)


def reading(number: int, hut: str = "lh-hut-1", received: int = 0) -> StoredReading:
    return StoredReading(
        id=f"reading-{number}", cause=f"frame-{number}", kind="bp", device="cuff", gateway=hut, hut=hut, area=HERE.area,
        values=(), quality="ok", reasons=(), t_effective=START, t_received=at(received), t_basis="device", late=False,
    )  # fmt: skip


def urgent() -> list[ReadingsStored | ReadingBound | AlertRaised]:
    return [
        ReadingsStored(id="batch", at=at(14), cause="frame-1", readings=(reading(1), reading(2))),
        ReadingBound(id="bound", at=at(20), cause="reading-2", reading="reading-2", person="r", bound_by="card"),
        AlertRaised(
            id="alert", at=at(25), cause="bound", alert="a", rule="bp@1", level="urgent", hut="lh-hut-1",
            area=HERE.area, reading="reading-2",
        ),
    ]  # fmt: skip


def test_an_alert_is_walked_back_to_the_frame_that_made_it() -> None:
    steps = walk(facts(urgent()), "alert")
    assert [step.fact.id for step in steps] == ["frame-2", "reading-2", "bound", "alert"]
    assert [step.after_cause_ms for step in steps] == [0, 14, 6, 5]
    assert [step.after_start_ms for step in steps] == [0, 14, 20, 25]


def test_from_the_frame_forward_it_is_the_same_way() -> None:
    told = facts(urgent())
    assert walk(told, "frame-2") == walk(told, "alert")


def test_a_neighbours_reading_of_the_same_batch_is_not_on_the_way() -> None:
    assert {step.fact.id for step in walk(facts(urgent()), "frame-1")} == {"frame-1", "reading-1"}


def test_an_alert_nobody_claimed_comes_from_the_reading_it_names_not_from_the_batch() -> None:
    batch, _bound, alert = urgent()
    unclaimed = AlertRaised(
        id="alert", at=at(25), cause="batch", alert="a", rule="bp@1", level="urgent", hut="lh-hut-1",
        area=HERE.area, reading="reading-2",
    )  # fmt: skip
    assert [step.fact.id for step in walk(facts([batch, unclaimed]), alert.id)] == ["frame-2", "reading-2", "alert"]


def test_a_bad_frame_ends_where_it_is_set_aside() -> None:
    frame = uuid7(at(0), SeededRng("frame"))
    event = FrameQuarantined(
        id="q", at=at(40), cause=frame, quarantine="row", gateway="lh-hut-1", device="cuff", reason="truncated"
    )
    steps = walk(facts([event]), "q")
    assert [(step.fact.id, step.after_start_ms, step.fact.tone) for step in steps] == [
        (frame, 0, "ok"),
        ("q", 40, "bad"),
    ]


def test_an_id_that_carries_no_time_gives_none() -> None:
    assert born("not-an-id", START) == START
    assert born("ffffffff-ffff-7fff-bfff-ffffffffffff", START) == START


def test_a_notices_pages_of_deliveries_are_drawn_as_one_with_their_sum_and_the_slowest_time() -> None:
    events = [
        NoticeReleased(id="n", at=at(0), notice="1", revision=1, priority="important", areas=()),
        DeliveriesPlanned(id="d1", at=at(200), cause="n", channel="wechat", notice="1", count=332),
        DeliveriesPlanned(id="d2", at=at(500), cause="n", channel="wechat", notice="1", count=108),
    ]
    outbox = folded(walk(facts(events), "n"))[-1]
    assert (outbox.count, outbox.step.after_cause_ms, outbox.details) == (440, 500, ("wechat",))


@st.composite
def woods(draw: st.DrawFn) -> list[Fact]:
    """Facts with causes among the earlier ones, or unknown, or none; never earlier than their cause."""
    made: list[Fact] = []
    for number in range(draw(st.integers(1, 25))):
        cause = draw(st.one_of(st.none(), st.just("forgotten"), st.sampled_from(made) if made else st.none()))
        since = cause.at if isinstance(cause, Fact) else START
        made.append(
            Fact(
                f"f{number}",
                cause.id if isinstance(cause, Fact) else cause,
                since + timedelta(milliseconds=draw(st.integers(0, 500))),
                draw(st.sampled_from(STATIONS)),
                draw(st.sampled_from(["a", "b"])),
            )
        )
    return draw(st.permutations(made))


@given(woods(), st.data())
@settings(max_examples=150)
def test_every_steps_cause_is_on_the_way_and_time_only_goes_forward(wood: list[Fact], data: st.DataObject) -> None:
    focus = data.draw(st.sampled_from(wood))
    steps = walk(wood, focus.id)
    known = {fact.id: fact for fact in wood}
    on_the_way = {step.fact.id for step in steps}
    assert focus.id in on_the_way
    assert len(on_the_way) == len(steps)
    assert steps[0].fact.cause is None
    for step in steps[1:]:
        assert step.fact.cause == known[step.fact.id].cause
        assert step.fact.cause in on_the_way
        assert step.after_cause_ms >= 0
    assert [step.after_start_ms for step in steps] == sorted(step.after_start_ms for step in steps)
    assert all(fact.id in on_the_way for fact in wood if fact.cause in on_the_way)
    assert sum(fold.count for fold in folded(steps)) == len(steps)


@given(woods(), st.data())
@settings(max_examples=50)
def test_causes_in_a_circle_end(wood: list[Fact], data: st.DataObject) -> None:
    first = data.draw(st.sampled_from(wood))
    last = data.draw(st.sampled_from(wood))
    bent = [Fact(f.id, last.id, f.at, f.station, f.what) if f is first else f for f in wood]
    assert first.id in {step.fact.id for step in walk(bent, first.id)}


def test_hearing_and_drawing_twice_changes_nothing() -> None:
    trail = Trail(ManualClock(at(30)), HERE)
    for _ in range(2):
        trail.heard(urgent(), frozenset())
        trail.drew("health.kiosk:lh-hut-1", 2, ("batch", "bound", "alert"))
        trail.drew("stage.trail:all", 1, ("batch",))
    way = trail.way()
    assert [step.fact.id for step in way.steps] == ["frame-2", "reading-2", "bound", "alert"]
    assert (way.screens, way.drawn_ms) == (2, 30)


def test_what_happens_in_another_hut_does_not_take_the_stage() -> None:
    trail = Trail(ManualClock(START), HERE)
    trail.heard(urgent(), frozenset())
    trail.heard([ReadingsStored(id="far", at=at(99), cause="frame-9", readings=(reading(9, "ty-hut-1"),))], frozenset())
    dead = DeviceChanged(id="dead", at=at(99), device="x", hut="ty-hut-1", area="0", state="offline")
    trail.heard([dead], frozenset())
    assert trail.way().steps[0].fact.id == "frame-2"


def test_a_sheet_leads_to_its_postings() -> None:
    trail = Trail(ManualClock(START), HERE)
    moves = tuple(Posted("a", "person", "r", amount, balance, "x") for amount, balance in ((10, 10), (20, 30)))
    posted = PointsPosted(id="p", at=at(9), cause="s", posted=moves)
    sheet = SheetApproved(id="s", at=at(0), sheet="1", activity="2", rows=(), verified_by="a", approved_by="b")
    trail.heard([sheet, posted], frozenset())
    assert [step.fact.detail for step in trail.way().steps] == ["", "+10", "+20"]

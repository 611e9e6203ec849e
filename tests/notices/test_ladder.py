"""The ladder: each rung once, in its time, to whoever is left when it is climbed, and never after the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from channels.base import Accepted
from hub import audience, delivery, outbox, reach, registry
from hub.audience import Audience
from hub.audit import AuditRow
from hub.bus import Bus
from hub.civic.notices import MODULE, desk, jobs, knocking, ladder, rules, rungs
from hub.civic.notices.ladder import Pace
from hub.civic.notices.models import LadderStep, Notice
from hub.civic.notices.rungs import Rung
from hub.civic.notices.wording import Words
from hub.db import Tx
from hub.errors import Conflict, NotAllowed, Refused
from hub.events import LoudspeakerWanted, VisitWanted
from hub.outbox import Outbox
from hub.reach import Proof
from hub.services import Services
from tests import world
from tests.notices.office import Office, open_office
from tests.world import LIUHE, START, TAYING

SMS = {"sms.url": "http://127.0.0.1:9", "sms.access_id": "a", "sms.secret": "s", "sms.sign": "邻里", "sms.contact": "1"}
WECHAT = {"wechat.appid": "wx", "wechat.secret": "s", "wechat.token": "t", "wechat.template_id": "tpl",
          "wechat.api_base": "http://127.0.0.1:9"}  # fmt: skip
EXAMPLES = 200 if os.environ.get("LINLI_TEST_LONG") == "1" else 4
HOMES = {"r-wang": "h-wang", "r-lin": "h-lin", "r-boy": "h-lin"}


class Killed(Exception):
    pass


@dataclass
class Hub:
    """An office whose ladder is climbed by hand, with a grid worker and a loudspeaker who write down what is asked."""

    office: Office
    visits: list[VisitWanted]
    horns: list[LoudspeakerWanted]
    config: dict[str, str] = field(default_factory=lambda: {**SMS, **WECHAT})
    pace: Pace = field(default_factory=Pace)

    def climb(self) -> None:
        """What the job does between two looks at the clock."""
        services: Any = Services(
            self.office.store, None, None, None, self.office.clock, self.office.store.rng, None, None, (MODULE,),  # type: ignore[arg-type]
            None, Path(), self.config,  # type: ignore[arg-type]
        )  # fmt: skip

        async def go() -> None:
            while await jobs.climb_once(services, self.pace):
                pass

        asyncio.run(go())

    def wait(self, seconds: float) -> None:
        self.office.clock.advance(seconds)
        self.climb()

    def released(self, priority: str = "urgent", **changes: Any) -> Notice:
        made = self.office.draft(priority=priority, **changes)
        here = set(Audience.read(made.audience).areas) == {LIUHE}
        first, second = self.office.director if here else self.office.second_publisher, self.office.publisher
        if len(rules.NEEDED[priority]) > 1:
            self.office.store.write_now(lambda tx: desk.approve(tx, first, made.id))
        self.office.store.write_now(lambda tx: desk.release(tx, second, made.id))
        self.climb()
        return made

    def see(self, notice: Notice, *residents: str, level: str = "seen") -> None:
        proofs = [Proof(notice.id, 1, f"r:{each}", "web", level, self.office.clock.now()) for each in residents]
        self.office.store.write_now(lambda tx: reach.record_all(tx, proofs))

    def rows(self) -> list[Outbox]:
        query = select(Outbox).order_by(col(Outbox.key))
        return self.office.store.read_now(lambda read: list(read.session.execute(query).scalars()))

    def waiting(self, channel: str) -> list[str]:
        self.office.spread()
        return [row.resident for row in self.rows() if row.channel == channel and row.state == "planned"]

    def steps(self) -> dict[tuple[int, str], LadderStep]:
        query = select(LadderStep)
        rows = self.office.store.read_now(lambda read: list(read.session.execute(query).scalars()))
        return {(row.rung, row.way): row for row in rows}

    def climbed(self) -> int:
        query = select(AuditRow).where(col(AuditRow.kind) == "LadderClimbed")
        return len(self.office.store.read_now(lambda read: list(read.session.execute(query).scalars())))


def open_hub(folder: Path) -> Hub:
    bus = Bus()
    world.wire(bus, (MODULE,))
    visits, horns = list[VisitWanted](), list[LoudspeakerWanted]()
    bus.on(VisitWanted, lambda _tx, event: visits.append(event))
    bus.on(LoudspeakerWanted, lambda _tx, event: horns.append(event))
    office = open_office(folder, {"r-lin": "openid-lin"}, bus=bus)

    def fill(tx: Tx) -> None:
        audience.bind(tx, "r-lin", "sms", "10000000002")
        registry.grant_credential(tx, "horn-1", "speaker", LIUHE)

    office.store.write_now(fill)
    return Hub(office, visits, horns)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = open_hub(tmp_path)
    yield made
    made.office.store.close()


def test_everyday_news_takes_the_free_ways_and_nothing_follows(hub: Hub) -> None:
    hub.released("routine")
    assert hub.waiting("wechat") == ["r-lin"]
    hub.wait(7 * 24 * 3600)
    assert hub.waiting("sms") == []
    assert (hub.visits, hub.horns) == ([], [])


def test_a_channel_that_no_ladder_names_is_told_at_once(hub: Hub) -> None:
    hub.office.store.write_now(lambda tx: audience.bind(tx, "r-wang", "pigeon", "loft 7"))
    hub.released("routine")
    assert hub.waiting("pigeon") == ["r-wang"]


def test_an_urgent_notice_climbs_from_the_phone_to_the_door(hub: Hub) -> None:
    made = hub.released()
    assert hub.waiting("wechat") == ["r-lin"]
    assert [(each.household, each.reason) for each in hub.visits] == [("h-wang", "no_address")]
    hub.wait(119)
    assert hub.waiting("sms") == []
    hub.wait(1)
    assert hub.waiting("sms") == ["r-lin"]
    hub.wait(180)
    assert [(each.area, each.coverage) for each in hub.horns] == [(LIUHE, 0)]
    hub.visits.clear()
    hub.wait(600)
    assert [(each.household, each.reason, each.rank) for each in hub.visits] == [
        ("h-lin", "unseen", 0), ("h-wang", "unseen", 6),
    ]  # fmt: skip
    assert {(each.notice, each.area, each.priority, each.resident) for each in hub.visits} == {
        (made.id, LIUHE, "urgent", None)
    }
    standing = hub.office.store.read_now(lambda read: ladder.standing(read, read.session.get_one(Notice, made.id)))
    assert standing is not None
    assert (standing[0].state, standing[0].edition) == ("climbed", rungs.standing().edition)


def test_whoever_has_seen_it_when_a_rung_is_climbed_is_left_out_and_counted(hub: Hub) -> None:
    made = hub.released()
    hub.see(made, "r-lin")
    hub.visits.clear()
    hub.wait(900)
    assert hub.waiting("sms") == []
    assert hub.office.store.read_now(lambda read: outbox.states(read, made.id)["sms"]) == {
        "unreachable": 2, "seen already": 1,
    }  # fmt: skip
    assert [each.household for each in hub.visits] == ["h-wang"]
    assert (hub.steps()[4, "visit"].met, hub.steps()[4, "visit"].passed) == (1, 1)


def test_a_community_that_is_reached_well_enough_is_not_shouted_at(hub: Hub) -> None:
    made = hub.released()
    hub.see(made, "r-lin", "r-wang")
    hub.wait(300)
    assert hub.horns == []
    assert (hub.steps()[3, "loudspeaker"].met, hub.steps()[3, "loudspeaker"].passed) == (0, 1)


def test_an_acknowledgement_cancels_what_waits_for_that_person_on_every_channel(hub: Hub) -> None:
    made = hub.released()
    hub.wait(120)
    assert hub.waiting("wechat") == hub.waiting("sms") == ["r-lin"]
    hub.see(made, "r-lin", level="acknowledged")
    assert {(row.channel, row.state) for row in hub.rows()} == {("wechat", "cancelled"), ("sms", "cancelled")}


def test_what_this_hub_has_not_is_left_out_and_nothing_waits_for_it(hub: Hub) -> None:
    hub.config.clear()
    hub.office.store.write_now(lambda tx: registry.revoke_credential(tx, "horn-1"))
    hub.released()
    hub.wait(300)
    assert {(step.way, step.why) for step in hub.steps().values() if step.state == "skipped"} == {
        ("webpush", "nobody"), ("wechat", "absent"), ("sms", "absent"), ("loudspeaker", "absent"),
    }  # fmt: skip
    assert hub.waiting("wechat") == hub.waiting("sms") == []
    # No message can go anywhere: every door is one that only a visit reaches.
    assert [each.household for each in hub.visits] == ["h-lin", "h-wang"]


def test_what_is_meant_for_some_only_is_never_said_aloud(hub: Hub) -> None:
    hub.released("emergency", audience=Audience((LIUHE,), tags=("aged80",)))
    assert {way: step.why for (rung, way), step in hub.steps().items() if rung == 0} == {
        "screens": "private", "loudspeaker": "private", "webpush": "nobody", "wechat": "",
    }  # fmt: skip
    assert hub.horns == []


def test_the_all_clear_takes_every_way_that_the_alarm_took(hub: Hub) -> None:
    made = hub.released("emergency")
    hub.wait(120)
    hub.waiting("sms")
    Play(hub, made).do_carry(None)
    hub.office.store.write_now(lambda tx: desk.retract(tx, hub.office.publisher, made.id, "The matter is settled"))
    hub.climb()
    clear = [row for row in hub.rows() if row.notice == made.id and row.state == "planned"]
    assert clear == []
    assert hub.waiting("sms") == hub.waiting("wechat") == ["r-lin"]


def test_somebody_need_not_wait_for_the_next_rung_and_may_stop_them_all(hub: Hub) -> None:
    made = hub.released()
    staff, ways = hub.office.staff, {"sms", "wechat"}
    hub.office.store.write_now(lambda tx: ladder.climb_now(tx, staff, made.id, ways))
    assert hub.waiting("sms") == ["r-lin"]
    assert hub.steps()[2, "sms"].by == "s-staff"
    with pytest.raises(Refused):
        hub.office.store.write_now(lambda tx: ladder.stop(tx, staff, made.id, " "))
    hub.office.store.write_now(lambda tx: ladder.stop(tx, staff, made.id, "It disturbs too much"))
    hub.office.sweep()
    assert {row.channel: row.state for row in hub.rows()} == {"wechat": "planned", "sms": "cancelled"}
    hub.wait(3600)
    assert hub.horns == []
    with pytest.raises(Conflict):
        hub.office.store.write_now(lambda tx: ladder.climb_now(tx, staff, made.id, ways))


def test_only_who_may_release_here_steers_the_ladder(hub: Hub) -> None:
    made = hub.released()
    stranger = world.staff(hub.office.store, "s-grid")
    with pytest.raises(NotAllowed):
        hub.office.store.write_now(lambda tx: ladder.stop(tx, stranger, made.id, "because"))
    with pytest.raises(NotAllowed):
        hub.office.store.write_now(lambda tx: ladder.climb_now(tx, stranger, made.id, {"sms"}))


def test_a_correction_begins_its_own_ladder_and_ends_the_older(hub: Hub) -> None:
    made = hub.released("important")
    hub.wait(3000)
    words = Words(kind="water", title="停水改期", text="改到后天。", audience=Audience((LIUHE,)),
                               priority="important")  # fmt: skip
    hub.office.store.write_now(lambda tx: desk.correct(tx, hub.office.staff, made.id, words))
    hub.wait(1800)
    assert hub.waiting("sms") == []
    hub.wait(1800)
    assert hub.waiting("sms") == ["r-lin"]
    assert [row.revision for row in hub.rows() if row.channel == "sms"] == [2]


def test_a_clock_set_back_delays_nothing_and_a_hub_that_was_down_catches_up(hub: Hub) -> None:
    hub.released()
    hub.office.clock.set(START - timedelta(days=1))
    hub.wait(120)
    assert hub.climbed() == 3
    hub.office.clock.set(START)
    hub.pace = Pace()  # another process
    hub.wait(900)
    assert hub.climbed() == 5


def test_a_notice_that_ran_out_is_not_followed_up_even_before_anybody_noticed(hub: Hub) -> None:
    hub.released(expires=START + timedelta(seconds=100))
    hub.wait(1000)
    assert hub.climbed() == 2
    assert hub.waiting("sms") == []


def test_many_doors_are_gone_through_page_by_page_and_none_twice(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knocking, "DOORS_PAGE", 1)
    hub.released(audience=Audience((LIUHE, TAYING)))
    hub.visits.clear()
    hub.wait(900)
    assert [each.household for each in hub.visits] == ["h-lin", "h-wang"]
    assert hub.steps()[4, "visit"].met == 2


@pytest.mark.parametrize(
    "text",
    [
        'source = "x"\n[[routine]]\nafter_s = 0\nways = ["screens"]',
        'edition = "1"\nsource = "x"\n[[routine]]\nafter_s = 5\nways = ["screens"]',
        'edition = "1"\nsource = "x"\n[[a]]\nafter_s = 0\nways = ["sms"]\n[[a]]\nafter_s = 9\nways = ["sms"]',
        'edition = "1"\nsource = "x"\n[[a]]\nafter_s = 0\nways = ["sms"]\ndoors = "unseen"',
        'edition = "1"\nsource = "x"\n[[a]]\nafter_s = 0\nways = ["visit"]\ndoors = "open"',
        'edition = "1"\nsource = "x"\n[[a]]\nafter_s = 0\nways = ["loudspeaker"]\nbelow_percent = 120',
        'edition = "1"\nsource = "x"\n[[a]]\nafter_s = 0\nways = []',
        'edition = "1"\nsource = "x"\n[[a]]\nafter_s = 0\nways = ["screens"]\nloud = 3',
    ],
)
def test_a_slip_of_the_pen_in_the_ladder_file_is_found_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"a ladder file|rung|a channel|doors"):
        rungs.read(text)


@settings(max_examples=25)
@given(st.lists(st.builds(Rung, st.integers(0, 9), st.sampled_from([("sms",), ("visit",)]), st.none()), max_size=4))
def test_a_notice_keeps_the_rungs_it_was_released_with(kept: list[Rung]) -> None:
    assert rungs.loaded(rungs.dumped(kept)) == tuple(kept)


MOVES = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1, 60, 121, 300, 900])),
    st.tuples(st.just("jump"), st.sampled_from([-7200, -60, 60, 1000])),
    st.tuples(st.just("see"), st.sampled_from(sorted(HOMES))),
    st.tuples(st.just("know"), st.sampled_from(sorted(HOMES))),
    st.tuples(st.sampled_from(["climb", "killed", "restart", "page", "carry", "now", "stop", "retract"]), st.just(0)),
)


@settings(max_examples=EXAMPLES)
@given(st.lists(MOVES, min_size=6, max_size=14))
def test_whatever_happens_in_between_each_rung_is_climbed_once_and_nobody_who_knows_is_followed(
    story: list[tuple[str, Any]],
) -> None:
    with TemporaryDirectory() as folder:
        hub = open_hub(Path(folder))
        play = Play(hub, hub.released(expires=START + timedelta(hours=2)))
        for move, what in story:
            play.step(move, what)
        play.finish()
        hub.office.store.close()


@dataclass
class Play:
    """The hub, and what anybody outside may know of it: who has seen the notice, and whether it still holds."""

    hub: Hub
    made: Notice
    seen: set[str] = field(default_factory=set)
    over: bool = False
    stopped: bool = False

    def step(self, move: str, what: Any) -> None:
        office, before = self.hub.office, (len(self.hub.visits), len(self.hub.horns), self.hub.climbed())
        planned = {row.id for row in self.hub.rows()}
        if office.clock.now() >= START + timedelta(hours=2):
            office.store.write_now(desk.keep_time)
            self.over = True
        getattr(self, f"do_{move}")(what)
        if self.over or self.stopped:
            assert (len(self.hub.visits), len(self.hub.horns), self.hub.climbed()) == before or move in (
                "stop",
                "retract",
            )
        for event in self.hub.visits[before[0] :]:
            assert event.household not in {HOMES[each] for each in self.seen}
        for row in self.hub.rows():
            assert row.id in planned or row.resident not in self.seen
        rungs_taken = sorted({rung for rung, _way in self.hub.steps()})
        assert rungs_taken == list(range(self.hub.climbed()))  # in order, none twice

    def do_pass(self, seconds: int) -> None:
        self.hub.office.clock.advance(seconds)

    def do_jump(self, seconds: int) -> None:
        self.hub.office.clock.set(self.hub.office.clock.now() + timedelta(seconds=seconds))

    def do_see(self, resident: str) -> None:
        self.hub.see(self.made, resident, level="delivered")

    def do_know(self, resident: str) -> None:
        self.hub.see(self.made, resident)
        self.seen.add(resident)

    def do_climb(self, _what: Any) -> None:
        self.hub.climb()

    def do_killed(self, _what: Any) -> None:
        """The transaction of a rung never comes to its end."""
        visits, horns = list(self.hub.visits), list(self.hub.horns)

        def half(tx: Tx) -> None:
            ladder.go_on(tx, self.made.id, 1, 10_000, {"sms", "wechat"})
            raise Killed

        with pytest.raises(Killed):
            self.hub.office.store.write_now(half)
        self.hub.visits[:], self.hub.horns[:] = visits, horns
        self.hub.pace = Pace()

    def do_restart(self, _what: Any) -> None:
        self.hub.pace = Pace()

    def do_page(self, _what: Any) -> None:
        self.hub.office.store.write_now(lambda tx: outbox.spread(tx, 1))

    def do_carry(self, _what: Any) -> None:
        for channel in ("wechat", "sms"):
            batch = self.hub.office.store.write_now(partial(delivery.claim, channel=channel, limit=5))
            sent = [each for each in batch if each.purpose == "send"]
            assert not sent or not self.over
            people = {row.resident for row in self.hub.rows() if row.id in {each.delivery.id for each in sent}}
            assert not people & self.seen
            done = [Accepted(each.delivery.id) for each in batch]
            self.hub.office.store.write_now(partial(delivery.settle, batch=batch, outcomes=done))

    def do_now(self, _what: Any) -> None:
        if not self.over and not self.stopped and self.hub.climbed() < 5:
            climb_now = ladder.climb_now
            by = self.hub.office.staff
            self.hub.office.store.write_now(lambda tx: climb_now(tx, by, self.made.id, {"sms", "wechat"}))

    def do_stop(self, _what: Any) -> None:
        if not self.over and not self.stopped and self.hub.climbed() < 5:
            by = self.hub.office.staff
            self.hub.office.store.write_now(lambda tx: ladder.stop(tx, by, self.made.id, "It disturbs too much"))
            self.stopped = True

    def do_retract(self, _what: Any) -> None:
        if not self.over:
            by = self.hub.office.staff
            self.hub.office.store.write_now(lambda tx: desk.retract(tx, by, self.made.id, "It was a mistake"))
            self.over = True

    def finish(self) -> None:
        """Left alone it comes to its end: every channel that was taken accounts for everybody."""
        if self.over or self.stopped or self.hub.office.clock.now() >= START + timedelta(hours=1, minutes=40):
            return
        self.hub.climb()  # a process that has just begun looks at once, and counts on from there
        self.hub.wait(900)
        assert self.hub.climbed() == 5
        self.hub.office.spread()
        states = self.hub.office.store.read_now(lambda read: outbox.states(read, self.made.id))
        assert {channel: sum(counts.values()) for channel, counts in states.items()} == {"wechat": 3, "sms": 3}
        asked = self.hub.steps()[4, "visit"]
        assert asked.met + asked.passed == 2

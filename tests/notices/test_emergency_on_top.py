"""Whatever is released, corrected, withdrawn, relayed, ended or runs out, in any order and over several areas: nothing
but the emergency, then the drill, then the newest all-clear lies over a screen, and the board says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.access import Subject
from hub.audience import Audience
from hub.civic.notices import MODULE, active, allclear, board, cards, desk, rules, warnings
from hub.civic.notices.cap import Alert
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.errors import StillMissing
from tests.notices.office import Office, open_office, words
from tests.notices.test_warnings import rain, send
from tests.world import DISTRICT, LIUHE, TAYING
from web.render import make_render

SCREENS = (LIUHE, TAYING)
PLACES = ((LIUHE,), (TAYING,), (LIUHE, TAYING), (DISTRICT,))
COVERS = tuple(topic for topic in cards.TOPICS if topic.covers)
RENDER = make_render((MODULE,), None)
_SHOWN = re.compile(r'data-notice="([^"]+)" data-rev="(\d+)"')


@dataclass
class Told:
    """A notice as the model knows it."""

    id: str
    revision: int
    rank: int
    on: frozenset[str]
    at: datetime
    begins: datetime
    expires: datetime
    cover_until: datetime | None = None
    warning: str = ""

    def holds(self, now: datetime) -> bool:
        return self.begins <= now < self.expires


@dataclass
class World:
    """The office, and what a neighbour with a good memory would say of it."""

    office: Office
    live: dict[str, Told] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    clears: set[str] = field(default_factory=set)  # every all-clear there ever was
    boards: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    covers_met: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        return self.office.clock.now()

    def who(self, subject: Subject) -> Subject:
        """Having typed the password just now."""
        return replace(subject, proved_at=self.now)

    def signed(self, made: Notice) -> Notice:
        office, first, second = self.office, self.who(self.office.publisher), self.who(self.office.second_publisher)
        if len(rules.NEEDED[made.priority]) > 1:
            with pytest.raises(StillMissing):  # one person alone, whatever the priority
                office.store.write_now(lambda tx: desk.release(tx, first, made.id))
            office.store.write_now(lambda tx: desk.approve(tx, first, made.id))
        return office.store.write_now(lambda tx: desk.release(tx, second, made.id))

    def release(self, priority: str, place: int, minutes: int, delay: int) -> None:
        given = words(
            priority=priority,
            audience=Audience(PLACES[place]),
            expires=self.now + timedelta(minutes=minutes + delay),
            not_before=self.now + timedelta(minutes=delay) if delay else None,
        )
        made = self.office.store.write_now(lambda tx: desk.draft(tx, self.who(self.office.publisher), given))
        self._keep(self.signed(made))

    def correct(self, nth: int, priority: str) -> None:
        easy = [each for each in self._shown() if each.rank <= rules.ORDER["important"] and not each.cover_until]
        plain = [each for each in easy if self._kind(each.id) == "water"]
        if not plain:
            return
        old = plain[nth % len(plain)]
        places = next(place for place in PLACES if _on(place) == old.on)
        given = words(priority=priority, audience=Audience(places), expires=old.expires, title="停水通知（更正）")
        by = self.who(self.office.publisher)
        self._keep(self.office.store.write_now(lambda tx: desk.correct(tx, by, old.id, given)))

    def withdraw(self, nth: int) -> None:
        found = list(self.live.values())  # as they came: ids of one millisecond have no order
        if not found:
            return
        old = found[nth % len(found)]
        by = self.who(self.office.second_publisher)
        self.office.store.write_now(lambda tx: desk.retract(tx, by, old.id, "The matter is settled"))
        self._end(old, clears=old.rank >= rules.ORDER["drill"] and old.begins <= self.now)

    def warn(self, exercise: bool, relay: bool) -> None:
        """A red warning comes, or an update of the last one; two people relay it, or nobody does."""
        older = self._standing()
        kind, of = ("Update", (older[-1].identity,)) if older else ("Alert", ())
        alert = rain(self.office, f"n{len(self.alerts)}", len(self.alerts), kind, of)
        alert = replace(alert, status=older[-1].status if older else ("Exercise" if exercise else "Actual"))
        (ident,) = send(self.office, alert)
        self.alerts.append(alert)
        if not relay:
            return
        first, second = self.who(self.office.publisher), self.who(self.office.director)
        made = self.office.store.write_now(lambda tx: warnings.relay(tx, first, ident, [LIUHE]))
        made = self.office.store.write_now(lambda tx: desk.release(tx, second, made.id))
        for old in [each for each in self.live.values() if each.warning]:
            self._end(old, clears=False)  # the update stands in its place
        self._keep(made)

    def cancel(self) -> None:
        """The issuer takes its warning back: one message, nobody here signs."""
        older = self._standing()
        if not older:
            return
        stop = rain(self.office, f"n{len(self.alerts)}", len(self.alerts), "Cancel", (older[-1].identity,))
        stop = replace(stop, status=older[-1].status)
        send(self.office, stop)
        self.alerts.append(stop)
        for old in [each for each in self.live.values() if each.warning]:
            self._end(old, clears=True)

    def wait(self, minutes: int) -> None:
        self.office.clock.advance(minutes * 60)

    def settle(self) -> None:
        """Time's own work, and the boards that are due."""
        self.office.store.write_now(desk.keep_time)
        self.live = {ident: each for ident, each in self.live.items() if self.now < each.expires}
        while due := self.office.store.write_now(board.next_boards):
            self.boards.update({body["area"]: body for _wanted, body in due})
            self.office.store.write_now(lambda tx, due=due: board.published(tx, due))  # type: ignore[misc]

    def _standing(self) -> list[Alert]:
        """The last warning, if nothing took it away and it has not run out."""
        last = self.alerts[-1:]
        return [each for each in last if each.kind != "Cancel" and (each.expires() or self.now) > self.now]

    def _keep(self, made: Notice) -> None:
        assert made.released_at is not None
        self.live[made.id] = Told(
            made.id, made.revision, made.rank, _on(Audience.read(made.audience).areas), made.released_at,
            made.not_before or made.released_at, made.expires, made.cover_until, made.warning,
        )  # fmt: skip

    def _end(self, old: Told, *, clears: bool) -> None:
        """Out of the model; its all-clear in, which must be there and be the only new one."""
        del self.live[old.id]
        if not clears:
            return
        (clear,) = [each for each in self.all_clears() if each.id not in self.clears]
        assert _on(Audience.read(clear.audience).areas) == old.on
        self.clears.add(clear.id)
        self._keep(clear)

    def all_clears(self) -> list[Notice]:
        def look(read: Read) -> list[Notice]:
            rows = active.listed(read, [""], rules.STATES)
            return [each for each in rows if each.kind == allclear.KIND]

        return self.office.store.read_now(look)

    def _kind(self, ident: str) -> str:
        return self.office.store.read_now(lambda read: read.session.get_one(Notice, ident).kind)

    def _shown(self) -> list[Told]:
        return [each for each in self.live.values() if each.holds(self.now)]

    def order(self, area: str) -> list[Told]:
        here = [each for each in self._shown() if area in each.on]
        return sorted(here, key=lambda each: (-each.rank, -each.at.timestamp(), each.id))

    def top(self, area: str) -> Told | None:
        """What must lie over the screens of this place."""
        here = self.order(area)
        over = [each for each in here if each.rank >= rules.ORDER["drill"]]
        return next(iter(over or [each for each in here if each.cover_until and each.cover_until > self.now]), None)


def _on(areas: tuple[str, ...]) -> frozenset[str]:
    return frozenset(SCREENS if DISTRICT in areas else areas)


def check(world: World) -> None:
    assert {each.id for each in world.all_clears()} == world.clears, (
        "an all-clear for each end of what covered, and no other"
    )
    for area in SCREENS:
        top = world.top(area)
        for topic in COVERS:  # the TV's overlay; the cover of phone and kiosk
            html = world.office.store.read_now(lambda read, topic=topic, area=area: _drawn(read, topic, area))  # type: ignore[misc]
            assert _SHOWN.findall(html) == ([(top.id, str(top.revision))] if top else []), topic.name
            world.covers_met.update(re.findall(r"(?:cover|tv)-(alarm|drill|clear)", html))
        said = [(each["id"], each["rev"]) for each in world.boards.get(area, {"notices": []})["notices"]]
        assert said == [(each.id, each.revision) for each in world.order(area)][: board.NOTICES_MAX]


def _drawn(read: Read, topic: Any, area: str) -> str:
    return RENDER(topic.template, topic.view(read, area), "zh")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = open_office(tmp_path_factory.mktemp("top"), {})
    yield made
    made.store.close()


def another_day(office: Office) -> World:
    """What was before has run out or is withdrawn; its all-clears are no news."""
    office.clock.advance(timedelta(days=3).total_seconds())
    world = World(office)
    world.settle()
    world.clears = {each.id for each in world.all_clears()}
    world.boards = {area: {"notices": []} for area in SCREENS}
    return world


def live(world: World, steps: Sequence[tuple[Any, ...]]) -> None:
    for what, *given_ in steps:
        getattr(world, what)(*given_)
        world.settle()
        check(world)


PRIORITIES = st.sampled_from([*rules.PRIORITIES, "drill"])
MINUTES, DELAY = st.sampled_from([1, 5, 600]), st.sampled_from([0, 0, 3])
STEPS = st.one_of(
    st.tuples(st.just("release"), PRIORITIES, st.integers(0, 3), MINUTES, DELAY),
    st.tuples(st.just("correct"), st.integers(0, 9), st.sampled_from(["routine", "important"])),
    st.tuples(st.just("withdraw"), st.integers(0, 9)),
    st.tuples(st.just("warn"), st.booleans(), st.booleans()),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 2, 7])),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=7))
def test_nothing_but_the_emergency_then_the_drill_then_the_newest_end_lies_over_a_screen(
    steps: list[tuple[Any, ...]], office: Office
) -> None:
    world = another_day(office)
    live(world, steps)
    assert world.boards.keys() == set(SCREENS)


def test_every_kind_of_cover_lies_on_top_at_its_time(office: Office) -> None:
    """One long day, so that the property above is not about empty screens."""
    world = another_day(office)
    day = (
        ("release", "urgent", 3, 600, 0), ("release", "drill", 3, 600, 0), ("warn", False, True), ("warn", False, True),
        ("release", "emergency", 2, 600, 0), ("withdraw", 0), ("cancel",), ("withdraw", 0), ("withdraw", 0),
        ("withdraw", 0), ("wait", 2), ("release", "emergency", 1, 5, 3), ("wait", 3), ("wait", 7),
    )  # fmt: skip
    live(world, day)
    assert world.covers_met == {"alarm", "drill", "clear"}
    assert len(world.clears) >= 3

"""Every order of birth, heartbeat, sleep, will, reading, silence and restart to depth 8, in the same millisecond and
apart, against a model of its own; and random orders on the real store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from devices import topics
from hub import presence, registry
from hub.arrival import Note
from hub.db import Store, Tx
from hub.presence import CLOCK_WRONG_S, STATES, Heard, Line, born, device_state, told
from hub.rng import SystemRng
from tests.presence import model
from tests.presence.model import BOUND, EVENTS, Truth
from tests.world import LIUHE, START, make_store, people

DEPTH = 8
SKEW_S = CLOCK_WRONG_S + 1
NEVER = Line()
WORDS = {"beat": "online", "sleep": "asleep", "will": "offline"}


@dataclass(frozen=True)
class Hub:
    """What the code under test knows: the two rows of the store, as values. Each birth is a connection of its own."""

    line: Line = NEVER
    heard: Heard | None = None
    lives: tuple[int, int] = (0, 0)

    def name(self, who: str) -> str:
        return f"{who}{self.lives[model.CONNECTIONS.index(who)]}"


def at(tick: int) -> datetime:
    return START + timedelta(seconds=tick)


def step(hub: Hub, event: str, now: int) -> Hub:
    what, _, who = event.partition(" ")
    if what == "birth":
        lives = tuple(n + (each == who) for each, n in zip(model.CONNECTIONS, hub.lives, strict=True))
        hub = replace(hub, lives=lives)
        return replace(hub, line=born(hub.line, hub.name(who), at(now)))
    if what in WORDS:
        return replace(hub, line=told(hub.line, WORDS[what], hub.name(who), at(now)))
    heard = hub.heard or Heard(None)
    if what in ("reading", "failed", "skewed"):
        failures = heard.failed_in_a_row + 1 if what == "failed" else 0
        return replace(hub, heard=Heard(at(now), failures, SKEW_S if what == "skewed" else 0))
    if what in ("gone", "back"):
        return replace(hub, heard=replace(heard, gone=what == "gone"))
    return hub


def seen_by(hub: Hub, now: int) -> str:
    return device_state(hub.line, hub.heard, BOUND, at(now))


def shifted(hub: Hub, truth: Truth) -> tuple[Hub, Truth]:
    """Both counted from now on, so that two histories that differ only in length are one."""
    by = truth.now
    past = {name: None if (was := getattr(truth, name)) is None else max(was - by, -BOUND - 2) for name in
            ("line_at", "device_at")}  # fmt: skip
    moved = replace(truth, now=0, word_at=max(truth.word_at - by, -BOUND - 2), **past)
    line, heard = hub.line, hub.heard
    back = timedelta(seconds=by)

    def earlier(moment: datetime | None) -> datetime | None:
        return None if moment is None else max(moment - back, at(-BOUND - 2))

    line = replace(line, since=earlier(line.since), seen=earlier(line.seen))
    if heard is not None:
        heard = replace(heard, seen=earlier(heard.seen), failed_in_a_row=min(heard.failed_in_a_row, 3))
    moved = replace(moved, failures=min(moved.failures, 3))
    return replace(hub, line=line, heard=heard), moved


def orders(depth: int) -> Iterator[tuple[tuple[str, ...], Hub, Truth]]:
    """Every state that can be reached in so many events, each once, with the shortest way to it."""
    layer: dict[tuple[Hub, Truth], tuple[str, ...]] = {(Hub(), Truth()): ()}
    known = set(layer)
    for _ in range(depth):
        following: dict[tuple[Hub, Truth], tuple[str, ...]] = {}
        for (hub, truth), way in layer.items():
            for event in EVENTS:
                if not model.possible(truth, event):
                    continue
                after, fact = step(hub, event, truth.now), model.after(truth, event)
                yield (*way, event), after, fact
                named = _renamed(after, fact)
                key = shifted(named, fact)
                if key not in known:
                    known.add(key)
                    following[key] = (*way, event)
        layer = following


def _renamed(hub: Hub, truth: Truth) -> Hub:
    """Names that do not count up: the next birth of `a` is another connection than any before it."""
    owner = hub.line.owner
    kept = next((who for who in truth.open if hub.name(who) == owner), "")
    name = f"{kept}0" if kept else ("past" if owner else "")
    return replace(hub, line=replace(hub.line, owner=name), lives=(0, 0))


def test_every_order_to_depth_eight_reads_as_it_should() -> None:
    looked = 0
    met = set()
    for way, hub, truth in orders(DEPTH):
        looked += 1
        said = seen_by(hub, truth.now)
        met.add(said)
        assert said == model.state(truth), " ".join(way)
        if (
            not truth.open
            and truth.word != "never-seen"
            and (truth.device_at is None or truth.device_at <= truth.word_at)
        ):
            assert said == "offline", f"stuck: {' '.join(way)}"  # nobody is on the line, so nobody may seem to be
    print(f"{looked} steps from distinct states")
    assert met == set(STATES)
    assert looked > 20_000


def test_the_last_connection_to_be_born_is_never_called_dead_while_it_speaks() -> None:
    for way, hub, truth in orders(6):
        last = way[-1]
        if last.startswith(("birth", "beat")) and truth.open and truth.open[-1] == last[-1]:
            assert hub.line.state == "online", " ".join(way)


GATEWAY, DEVICE = "lh-hut-1", "bp-1"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_the_store_remembers_what_the_pure_steps_say(events: list[str]) -> None:
    hub, truth = Hub(), Truth()
    with TemporaryDirectory() as folder:
        store = _open(Path(folder), furnish=True)
        for event in events:
            if not model.possible(truth, event):
                continue
            hub = step(hub, event, truth.now)
            if event == "restart":
                store.close()
                store = _open(Path(folder), furnish=False)
            elif event.partition(" ")[0] not in ("tick", "silence"):
                _write(store, hub, event, at(truth.now))
            truth = model.after(truth, event)
            line = store.read_now(lambda read: presence.line_of(presence.gateways(read).get(GATEWAY)))
            heard = store.read_now(lambda read: presence.heard(read).get(DEVICE))
            assert device_state(line, heard, BOUND, at(truth.now)) == model.state(truth) == seen_by(hub, truth.now)
        store.close()


def _open(folder: Path, *, furnish: bool) -> Store:
    store = make_store(folder)
    if not furnish:
        store.rng = SystemRng()  # the seeded one would begin again, and give an id a second time

    def fill(tx: Tx) -> None:
        people(tx)
        registry.found_hut(tx, GATEWAY, LIUHE, "小屋", "Hut")
        registry.add_gateway(tx, GATEWAY, LIUHE, GATEWAY)
        registry.add_device(tx, DEVICE, GATEWAY, "generic.sig.2a35")

    if furnish:
        store.write_now(fill)
    return store


def _write(store: Store, hub: Hub, event: str, now: datetime) -> None:
    what, _, who = event.partition(" ")
    if what in ("reading", "failed", "skewed"):
        store.write_now(lambda tx: presence.hear(tx, [_arrival(what, now)]))  # type: ignore[list-item]
        return
    body: dict[str, str] = {"boot": "b1"}
    topic: topics.Birth | topics.State | topics.TwinReported = topics.Birth(LIUHE, GATEWAY)
    if what in WORDS:
        topic = topics.State(LIUHE, GATEWAY)
        body = {"s": "sleeping" if what == "sleep" else WORDS[what]}
    elif what in ("gone", "back"):
        topic, body = topics.TwinReported(LIUHE, GATEWAY, DEVICE), {"s": "offline" if what == "gone" else "online"}
    said = Note(topic, json.dumps(body).encode(), now, hub.name(who) if who else "")
    store.write_now(lambda tx: presence.note(tx, said))


@dataclass(frozen=True)
class _Effective:
    offset: timedelta


@dataclass(frozen=True)
class _Device:
    id: str


@dataclass(frozen=True)
class _Arrival:
    """As much of an arrival as presence looks at."""

    device: _Device
    t_received: datetime
    quality: str
    effective: _Effective


def _arrival(what: str, now: datetime) -> _Arrival:
    offset = timedelta(seconds=SKEW_S if what == "skewed" else 0)
    return _Arrival(_Device(DEVICE), now, "bad" if what == "failed" else "ok", _Effective(offset))

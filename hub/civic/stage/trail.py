"""The trail: what happened lately where the stage plays, in memory, and on how many screens it was drawn.

It hears what the bus and the feed tell after each commit. Hearing the same twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.civic.stage.walk import Fact, Steps, facts, walk
from hub.clock import Clock
from hub.events import (
    DeviceChanged,
    Event,
    FrameQuarantined,
    GatewayChanged,
    NoticeReleased,
    ReadingsStored,
    SheetApproved,
)

TOPIC, KEY = "stage.trail", "all"
FACTS_MAX = 400  # some dozens of ways; only the last one is drawn
DRAWN_MAX = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stage plays: what happens in other huts meanwhile is not the visitor's doing."""

    hut: str
    area: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A live part of pages that was drawn anew because of an event."""

    topic: str
    screens: int
    at: datetime
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """What the page shows under the screens."""

    steps: Steps = ()
    drawn: tuple[Drawn, ...] = ()

    @property
    def screens(self) -> int:
        return sum(each.screens for each in self.drawn)

    @property
    def drawn_ms(self) -> int:
        return max((each.after_ms for each in self.drawn), default=0)


@dataclass
class Trail:
    clock: Clock
    place: Place | None = None
    focus: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _facts: OrderedDict[str, Fact] = field(default_factory=OrderedDict)
    _drawn: OrderedDict[str, dict[str, Drawn]] = field(default_factory=OrderedDict)  # event -> topic -> drawing

    def heard(self, events: Sequence[Event], _touched: frozenset[tuple[str, str]]) -> None:
        """Bus observer."""
        for event in events:
            told = facts([event])
            if isinstance(event, ReadingsStored):
                told = tuple(fact for fact in told if self._ours(event, fact))
            for fact in told:
                self._facts.setdefault(fact.id, fact)
            if told and self._leads(event):
                self.focus = told[-1].id
        while len(self._facts) > FACTS_MAX:
            self._facts.popitem(last=False)
        if events:
            self.wake.set()

    def drew(self, topic: str, screens: int, because: tuple[str, ...]) -> None:
        """Feed observer: called once per language, so the caller gives the screens of all languages."""
        if topic.startswith(f"{TOPIC}:"):
            return
        for event in because:
            self._drawn.setdefault(event, {}).setdefault(topic, Drawn(topic, screens, self.clock.now()))
        while len(self._drawn) > DRAWN_MAX:
            self._drawn.popitem(last=False)
        if because:
            self.wake.set()

    def way(self) -> Way:
        steps = walk(tuple(self._facts.values()), self.focus)
        if not steps:
            return Way()
        began = steps[0].fact.at
        drawn: dict[str, Drawn] = {}
        for step in steps:
            for topic, each in self._drawn.get(step.fact.told, {}).items():
                after_ms = round((each.at - began).total_seconds() * 1000)
                drawn[topic] = Drawn(topic, each.screens, each.at, after_ms)
        return Way(steps, tuple(sorted(drawn.values(), key=lambda each: (each.at, each.topic))))

    def _ours(self, event: ReadingsStored, fact: Fact) -> bool:
        if self.place is None:
            return False
        return any(fact.id in (each.id, each.cause) for each in event.readings if each.hut == self.place.hut)

    def _leads(self, event: Event) -> bool:
        """Whether a way worth showing begins with it."""
        here = self.place
        if here is None:
            return False
        match event:
            case ReadingsStored() | SheetApproved():
                return True
            case NoticeReleased():
                return not event.areas or here.area in event.areas
            case FrameQuarantined() | GatewayChanged():
                return event.gateway == here.hut
            case DeviceChanged():
                return event.hut == here.hut
        return False

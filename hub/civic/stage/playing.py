"""Playing: the acts wait here for their turn, one after another, since they share one hut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from hub.civic.stage.outage import Unplug
from hub.civic.stage.trail import KEY, TOPIC, Place, Trail
from hub.civic.stage.walk import STATIONS, folded
from hub.clock import Clock
from hub.db import Read
from hub.errors import LinliError, NotFound, TooMany, Unavailable
from hub.feed import Feed
from hub.i18n import N_, _, language, speaking
from hub.services import Services

log = logging.getLogger(__name__)
WAITING_MAX = 6  # an impatient visitor; more would still be playing when they have gone on
ACT_S_MAX = 20.0  # the longest act cuts the line and waits for it to come back
SHOW_PAUSE_S = 0.1  # a busy second of a community is drawn ten times, not a hundred

# The buttons: what is played, and what the visitor reads on it.
ACTS: Mapping[str, tuple[str, str]] = {
    "grandmother": (N_("Grandma measures"), "cuff"),
    "urgent": (N_("An urgent value"), "warn"),
    "notice": (N_("Send a notice"), "notice"),
    "drill": (N_("Emergency drill"), "sound"),
    "points": (N_("Activity points"), "points"),
    "device": (N_("A device dies / returns"), "device"),
    "bad_frame": (N_("A bad frame"), "wrench"),
    "flood": (N_("Line cut, then catch up"), "signal"),
}


class Director(Protocol):
    """What the demo hands in as `services.stage`."""

    @property
    def hut_id(self) -> str: ...
    @property
    def area(self) -> str: ...
    @property
    def cast(self) -> Mapping[str, str]: ...
    @property
    def unplug(self) -> Unplug: ...
    async def act(self, name: str) -> None: ...
    async def sign_in(self, families: Sequence[str]) -> Mapping[str, str]: ...


@dataclass
class Playing:
    """What is on: the trail, and the acts that wait."""

    clock: Clock
    acts: asyncio.Queue[tuple[str, str]] = field(default_factory=lambda: asyncio.Queue(WAITING_MAX))
    title: str = ""  # msgid of the last act
    trouble: str = ""  # the sentence of an act that could not be done
    trail: Trail = field(init=False)

    def __post_init__(self) -> None:
        self.trail = Trail(self.clock)

    def ask(self, name: str) -> None:
        if name not in ACTS:
            raise NotFound(_("There is no such act on the stage"))
        if self.acts.full():
            raise TooMany(_("Several acts are still waiting; watch them first"), 5)
        self.acts.put_nowait((name, language()))

    def context(self) -> dict[str, Any]:
        """Of `trail.html`."""
        way = self.trail.way()
        stations = [(name, [fold for fold in folded(way.steps) if fold.step.fact.station == name]) for name in STATIONS]
        return {"act": self.title, "trouble": self.trouble, "way": way, "stations": stations}


_ON: WeakKeyDictionary[Feed, Playing] = WeakKeyDictionary()  # one for each hub that runs here


def playing(services: Services) -> Playing:
    found = _ON.get(services.feed)
    if found is None:
        found = _ON[services.feed] = Playing(services.clock)
        trail, feed = found.trail, services.feed
        services.store.bus.observe(trail.heard)
        feed.observers.append(lambda topic, _viewers, because: trail.drew(topic, feed.viewers(topic), because))
    return found


def director(services: Services) -> Director:
    if not services.demo or services.stage is None:
        raise NotFound(_("There is nothing here for you"))
    found: Director = services.stage
    return found


def view(_read: Read, _key: str) -> dict[str, Any]:
    """The trail before anything happened; what happens is pushed."""
    return Playing.context(Playing(_read.clock))


async def run(services: Services) -> None:
    """The job."""
    on = playing(services)
    async with asyncio.TaskGroup() as group:
        group.create_task(_play(services, on))
        group.create_task(_show(services, on))


async def _play(services: Services, on: Playing) -> None:
    while True:
        name, lang = await on.acts.get()
        on.title, on.trouble = ACTS[name][0], ""
        on.trail.wake.set()
        with speaking(lang):
            on.trouble = await _act(services, name)
        if on.trouble:
            on.trail.wake.set()


async def _act(services: Services, name: str) -> str:
    """Play it; gives the one sentence of why it could not be done."""
    try:
        chief = director(services)
        playing(services).trail.place = Place(chief.hut_id, chief.area)
        async with asyncio.timeout(ACT_S_MAX):
            await chief.act(name)
    except LinliError as error:
        return error.sentence
    except TimeoutError:
        return _("This act took too long and was stopped")
    except Exception:
        log.exception("an act failed", extra={"act": name})
        return Unavailable(_("This act could not be played; the log says why")).sentence
    return ""


async def _show(services: Services, on: Playing) -> None:
    while True:
        await on.trail.wake.wait()
        on.trail.wake.clear()
        if on.trail.place is None and services.stage is not None:
            chief = director(services)
            on.trail.place = Place(chief.hut_id, chief.area)
        services.feed.push(TOPIC, KEY, on.context())
        await services.clock.sleep(SHOW_PAUSE_S)

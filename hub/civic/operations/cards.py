"""The board's live fragments. Each is drawn once for all operators of the same areas; ages are absolute times that the
page makes friendly, so that a fragment changes only when something happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.access import Subject
from hub.civic.operations import board, recent, scope, setaside, summons, work
from hub.civic.operations.scope import Scope
from hub.civic.operations.words import QUALITY_WORDS
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _
from hub.module import Topic

WORK, HUTS, HUT, DEVICES = "operations.work", "operations.huts", "operations.hut", "operations.devices"
RECENT, FLOW, ALARM, QUARANTINE = "operations.recent", "operations.flow", "operations.alarm", setaside.TOPIC
DEVICES_MAX = 24  # on the board; every hut has a page for all of its own


def hut_key(place: board.Place) -> str:
    return f"{place.path}|{place.id}"


def plot_key(window: str, within: str, hut: str = "") -> str:
    """Of a whole scope, or of one hut in its area."""
    return f"{window}|{within}" + (f"|{hut}" if hut else "")


def scope_of(name: str, key: str) -> str:
    """The scope that a topic's key names, whatever else stands in it."""
    parts = key.split("|")
    place = 1 if name == RECENT else 0
    return parts[place] if place < len(parts) else ""


def _may(name: str) -> Callable[[Subject, str], bool]:
    return lambda subject, key: scope.allows(subject, scope_of(name, key))


def may_watch_the_machine(subject: Subject, key: str) -> bool:
    """Rate, delay and standstill are of the one machine that serves every area."""
    return key == scope.ALL and subject.may(scope.VIEW)


def tasks(read: Read, key: str) -> Mapping[str, Any]:
    within = scope.parse(key)
    queue = work.look(read, within)
    return {"queue": queue, "summoned": summons.sums(read, queue.tasks), "at": read.now()}


def huts(read: Read, key: str) -> Mapping[str, Any]:
    places = board.look(read, scope.parse(key))
    return {
        "places": places,
        "counts": board.counts(places),
        "tiles": len(places) <= board.TILES_MAX,
        "devices": sum(len(place.boxes) for place in places),
    }


def devices(read: Read, key: str) -> Mapping[str, Any]:
    """The devices in most need of a look, then those heard last."""
    pairs = [(box, place) for place in board.look(read, scope.parse(key)) for box in place.boxes]
    pairs.sort(key=lambda pair: (-pair[0].worst.rank, -(pair[0].seen.timestamp() if pair[0].seen else 0)))
    return {"pairs": pairs[:DEVICES_MAX], "more": max(0, len(pairs) - DEVICES_MAX), "at": read.now()}


def hut(read: Read, key: str) -> Mapping[str, Any]:
    """Key: the hut's area and the hut; under another area's name there is none."""
    path, _bar, ident = key.partition("|")
    return {"place": one(read, scope.parse(path), ident), "at": read.now()}


def one(read: Read, within: Scope, ident: str) -> board.Place:
    found = board.look(read, within, ident)
    if not found:
        raise NotFound(_("There is no such hut"))
    return found[0]


def plot(read: Read, key: str) -> Mapping[str, Any]:
    """Key: `plot_key`."""
    window, within, ident = [*key.split("|"), "", ""][:3]
    if window not in recent.WINDOWS:
        raise NotFound(_("There is nothing here for you"))
    places = board.look(read, scope.parse(within), ident or None)
    drawn = recent.draw(read, places, window, 100 if ident else recent.DEVICES_MAX)
    return {"recent": drawn, "qualities": QUALITY_WORDS}


def unpushed(read: Read, key: str) -> Mapping[str, Any]:
    """A topic out of memory has nothing in the store: before the first push there is nothing to show."""
    return {"flow": None, "tasks": ()}


TOPICS = (
    Topic(WORK, "operations/work.html", tasks, _may(WORK)),
    Topic(HUTS, "operations/huts.html", huts, _may(HUTS)),
    Topic(HUT, "operations/devices_of_hut.html", hut, _may(HUT)),
    Topic(DEVICES, "operations/devices.html", devices, _may(DEVICES)),
    Topic(RECENT, "operations/recent.html", plot, _may(RECENT)),
    Topic(QUARANTINE, "operations/quarantine.html", setaside.view, _may(QUARANTINE)),
    Topic(FLOW, "operations/flow.html", unpushed, may_watch_the_machine, kind="event"),
    Topic(ALARM, "operations/alarm.html", unpushed, may_watch_the_machine, kind="event"),
)

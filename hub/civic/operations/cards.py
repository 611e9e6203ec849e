"""The board's live fragments. Each is drawn once for all operators; ages are absolute times that the page makes
friendly, so that a fragment changes only when something happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.access import Subject
from hub.civic.operations import board, recent, setaside, work
from hub.civic.operations.words import QUALITY_WORDS
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _
from hub.module import Topic

PERMISSION = "operate.view"
WORK, HUTS, HUT, DEVICES = "operations.work", "operations.huts", "operations.hut", "operations.devices"
RECENT, FLOW, ALARM, QUARANTINE = "operations.recent", "operations.flow", "operations.alarm", setaside.TOPIC
DEVICES_MAX = 24  # on the board; every hut has a page for all of its own


def may_watch(subject: Subject, key: str) -> bool:
    return subject.may(PERMISSION)


def tasks(read: Read, key: str) -> Mapping[str, Any]:
    return {"queue": work.queue(board.look(read), *work.unread(read)), "at": read.now()}


def huts(read: Read, key: str) -> Mapping[str, Any]:
    places = board.look(read)
    return {
        "places": places,
        "counts": board.counts(places),
        "tiles": len(places) <= board.TILES_MAX,
        "devices": sum(len(place.boxes) for place in places),
    }


def devices(read: Read, key: str) -> Mapping[str, Any]:
    """The devices in most need of a look, then those heard last."""
    pairs = [(box, place) for place in board.look(read) for box in place.boxes]
    pairs.sort(key=lambda pair: (-pair[0].worst.rank, -(pair[0].seen.timestamp() if pair[0].seen else 0)))
    return {"pairs": pairs[:DEVICES_MAX], "more": max(0, len(pairs) - DEVICES_MAX), "at": read.now()}


def hut(read: Read, key: str) -> Mapping[str, Any]:
    return {"place": one(read, key), "at": read.now()}


def one(read: Read, ident: str) -> board.Place:
    found = board.look(read, ident)
    if not found:
        raise NotFound(_("There is no such hut"))
    return found[0]


def plot(read: Read, key: str) -> Mapping[str, Any]:
    """Key: a window, or window/hut."""
    window, _slash, ident = key.partition("/")
    if window not in recent.WINDOWS:
        raise NotFound(_("There is nothing here for you"))
    places = board.look(read, ident or None)
    drawn = recent.draw(read, places, window, 100 if ident else recent.DEVICES_MAX)
    return {"recent": drawn, "qualities": QUALITY_WORDS}


def unpushed(read: Read, key: str) -> Mapping[str, Any]:
    """A topic out of memory has nothing in the store: before the first push there is nothing to show."""
    return {"flow": None, "tasks": ()}


TOPICS = (
    Topic(WORK, "operations/work.html", tasks, may_watch),
    Topic(HUTS, "operations/huts.html", huts, may_watch),
    Topic(HUT, "operations/devices_of_hut.html", hut, may_watch),
    Topic(DEVICES, "operations/devices.html", devices, may_watch),
    Topic(RECENT, "operations/recent.html", plot, may_watch),
    Topic(QUARANTINE, "operations/quarantine.html", setaside.view, may_watch),
    Topic(FLOW, "operations/flow.html", unpushed, may_watch, kind="event"),
    Topic(ALARM, "operations/alarm.html", unpushed, may_watch, kind="event"),
)

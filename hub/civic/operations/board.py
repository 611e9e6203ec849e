"""What stands where and how it is: huts, gateways and devices in one look at the store, each with one word.

Two plain queries and the two small presence tables; the city's 1,557 huts fit. Nothing here knows a person or a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlmodel import col

from devices.profile import all_profiles
from hub import presence
from hub.civic.operations.scope import Scope
from hub.civic.operations.words import DEVICE_WORDS, LIFE_WORDS, UPKEEP_WORDS, Word
from hub.db import Read, Tx
from hub.directory import Area
from hub.i18n import pick
from hub.presence import GatewayPresence, Heard, device_state
from hub.registry import Device, Gateway, Hut

TILES_MAX = 60  # more huts than this are drawn as small cells


class Box(NamedTuple):
    """A device as the registry knows it, plus what was heard of it."""

    id: str
    gateway: str
    hut: str | None
    kind: str
    zh: str
    en: str
    serial: str | None
    firmware: str | None
    profile: str | None
    life: str
    upkeep: str | None
    state: str
    seen: datetime | None
    offset_s: int | None

    @property
    def name(self) -> str:
        return pick(self.zh, self.en)

    @property
    def live(self) -> Word:
        return LIFE_WORDS.get(self.life) or DEVICE_WORDS[self.state]

    @property
    def care(self) -> Word | None:
        return UPKEEP_WORDS.get(self.upkeep or "")

    @property
    def in_use(self) -> bool:
        return self.life not in LIFE_WORDS

    @property
    def worst(self) -> Word:
        words = [self.live, *([self.care] if self.care and self.in_use else [])]
        return max(words, key=lambda word: word.rank)


@dataclass(frozen=True, slots=True)
class Line:
    """A gateway and the state of its connection."""

    id: str
    state: str
    since: datetime | None
    firmware: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A hut, or a gateway that stands in none."""

    id: str
    area: str
    path: str  # of the area, from the city down
    zh: str
    en: str
    area_zh: str
    area_en: str
    lines: tuple[Line, ...]
    boxes: tuple[Box, ...]

    @property
    def name(self) -> str:
        return pick(self.zh, self.en)

    @property
    def where(self) -> str:
        return pick(self.area_zh, self.area_en)

    @property
    def cut(self) -> bool:
        """Whether the hut as a whole is unreachable: it had a line, and none is up."""
        states = {line.state for line in self.lines}
        return "offline" in states and not states & {"online", "asleep"}

    @property
    def lost(self) -> datetime | None:
        """Since when no line of it is up: the last that went."""
        return max((line.since for line in self.lines if line.since), default=None)

    @property
    def word(self) -> Word:
        """The worst of what is in it. A line nobody has ever opened says nothing about the hut."""
        if self.cut:
            return DEVICE_WORDS["offline"]
        if all(line.state == "never-seen" for line in self.lines):
            return DEVICE_WORDS["never-seen"]
        words = [box.worst for box in self.boxes if box.in_use]
        worst = max(words, key=lambda word: word.rank, default=DEVICE_WORDS["online"])
        return worst if worst.rank > DEVICE_WORDS["never-seen"].rank else DEVICE_WORDS["online"]


_SEEN: WeakKeyDictionary[object, dict[tuple[Scope, str | None], list[Place]]] = WeakKeyDictionary()


def look(read: Read, scope: Scope, only: str | None = None) -> list[Place]:
    """Every place of the scope, or only the one of this id, in the order of the area tree.

    A read-only look at the store is one instant: the parts of a page that are drawn in it share what was found.
    """
    if isinstance(read, Tx):
        return _look(read, scope, only)
    seen = _SEEN.setdefault(read.session, {})
    if (scope, only) not in seen:
        seen[scope, only] = _look(read, scope, only)
    return list(seen[scope, only])


def _look(read: Read, scope: Scope, only: str | None) -> list[Place]:
    said = presence.gateways(read)
    lines = _lines(read, said, scope)
    boxes = _boxes(read, said, scope, only)
    gateways: dict[str, list[Line]] = defaultdict(list)
    for line, hut in lines.values():
        gateways[hut or line.id].append(line)
    rule = (
        select(Hut, col(Area.path), col(Area.zh), col(Area.en))
        .join(Area, col(Area.code) == col(Hut.area))
        .where(scope.holds(Hut.area))
        .order_by(col(Area.path), col(Hut.id))
    )
    if only is not None:
        rule = rule.where(col(Hut.id) == only)
    found = [
        Place(hut.id, hut.area, path, hut.zh, hut.en, zh, en, tuple(gateways[hut.id]), tuple(boxes.get(hut.id, ())))
        for hut, path, zh, en in read.session.execute(rule)
    ]
    return found + _hutless(read, scope, gateways, boxes, only)


def _hutless(
    read: Read, scope: Scope, gateways: Mapping[str, list[Line]], boxes: Mapping[str, list[Box]], only: str | None
) -> list[Place]:
    rule = (
        select(col(Gateway.id), col(Gateway.area), col(Area.path), col(Area.zh), col(Area.en))
        .join(Area, col(Area.code) == col(Gateway.area))
        .where(col(Gateway.hut).is_(None), scope.holds(Gateway.area))
        .order_by(col(Gateway.id))
    )
    if only is not None:
        rule = rule.where(col(Gateway.id) == only)
    return [
        Place(
            row.id,
            row.area,
            row.path,
            row.id,
            row.id,
            row.zh,
            row.en,
            tuple(gateways[row.id]),
            tuple(boxes.get(row.id, ())),
        )
        for row in read.session.execute(rule)
    ]


def _lines(read: Read, said: Mapping[str, GatewayPresence], scope: Scope) -> dict[str, tuple[Line, str | None]]:
    rule = select(col(Gateway.id), col(Gateway.hut)).where(scope.holds(Gateway.area)).order_by(col(Gateway.id))
    lines = {}
    for ident, hut in read.session.execute(rule):
        row = said.get(ident)
        line = Line(ident, row.state, row.since, row.firmware) if row else Line(ident, "never-seen", None, None)
        lines[ident] = (line, hut)
    return lines


def _boxes(read: Read, said: Mapping[str, GatewayPresence], scope: Scope, only: str | None) -> dict[str, list[Box]]:
    heard, now, profiles = presence.heard(read), read.now(), all_profiles()
    columns = (
        *(col(Device.id), col(Device.gateway), col(Device.hut), col(Device.kind), col(Device.zh), col(Device.en)),
        *(col(Device.serial), col(Device.firmware), col(Device.profile), col(Device.state), col(Device.upkeep)),
        col(Device.calibration_due),
    )
    rule = (
        select(*columns)
        .join(Gateway, col(Gateway.id) == col(Device.gateway))
        .where(col(Device.state) != "retired", scope.holds(Gateway.area))
        .order_by(col(Device.id))
    )
    if only is not None:
        rule = rule.where((col(Device.hut) == only) | (col(Device.gateway) == only))
    found: dict[str, list[Box]] = defaultdict(list)
    for row in read.session.execute(rule):
        line, known = presence.line_of(said.get(row.gateway)), heard.get(row.id) or Heard(None)
        profile = profiles.get(row.profile or "")
        state = _state(line, known, profile.offline_after_s if profile else None, now)
        due = row.calibration_due is not None and row.calibration_due <= now.date()
        upkeep = row.upkeep or ("calibration_due" if due else None)
        box = Box._make((*row[:10], upkeep, state, known.seen, known.clock_offset_s))
        found[row.hut or row.gateway].append(box)
    return found


def _state(line: presence.Line, heard: Heard, offline_after_s: int | None, now: datetime) -> str:
    """`device_state`; what has no profile sends nothing, so it is as its line is."""
    if offline_after_s is not None:
        return device_state(line, heard, offline_after_s, now)
    if heard.gone:
        return "offline"
    return line.state if line.state in DEVICE_WORDS else "online"


def counts(places: Sequence[Place]) -> list[tuple[Word, int]]:
    """How many huts stand at each level, the worst first."""
    tally: dict[Word, int] = defaultdict(int)
    for place in places:
        tally[place.word] += 1
    return sorted(tally.items(), key=lambda each: -each[0].rank)

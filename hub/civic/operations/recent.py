"""The last readings as a drawing: time across, one row per device, one mark per reading, its shape the quality.

That there was a reading is all an operator may know of it: neither a value nor a person is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub.civic.operations.board import Box, Place
from hub.civic.operations.scope import Scope
from hub.db import Read
from hub.readings import Reading, from_ms, reasons_of, sent_later, to_ms
from hub.registry import Device, Gateway

WINDOWS = {"24h": timedelta(hours=24), "60m": timedelta(minutes=60)}
TICKS = {"24h": timedelta(hours=4), "60m": timedelta(minutes=10)}
DEVICES_MAX = 16  # rows that fit the board; a hut's own page shows all of its devices
MARKS_MAX = 200  # per device, the newest; more on one line is a bar
LIST_MAX = 200
BY_DEVICE_MAX = 200  # so many ranges of the index by device are sorted; past that the order of ids serves
WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 1200, 330, 40, 22, 6, 24
NAME_CHARS_MAX = 24  # what fits beside the hut's name; the whole name stands in the table and the tooltip
ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Row:
    box: Box
    place: Place
    label: str
    first: bool  # of its hut: only there the hut's name stands
    y: float
    marks: tuple[tuple[float, str], ...]  # x, quality
    counts: tuple[int, int, int]  # ok, suspect, bad
    newest: datetime | None
    more: bool


@dataclass(frozen=True, slots=True)
class Recent:
    window: str
    rows: tuple[Row, ...]
    left_out: int
    ticks: tuple[tuple[float, str], ...]
    at: datetime
    height: float
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = BOTTOM


@dataclass(frozen=True, slots=True)
class Passed:
    """One line of the table: when, which device, how good. Nothing of what was measured."""

    id: str
    device: str
    hut: str | None
    kind: str
    received: datetime
    quality: str
    reasons: str
    late: bool


def draw(read: Read, places: Sequence[Place], window: str, devices_max: int = DEVICES_MAX) -> Recent:
    now, span = read.now(), WINDOWS[window]
    since = now - span
    pairs = [(box, place) for place in places for box in place.boxes if box.profile is not None]
    chosen = _chosen(pairs, devices_max)

    def x(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((at - since) / span), 1)

    rows = []
    for number, (box, place) in enumerate(chosen):
        found = _marks(read, box.id, since)
        tally = [sum(1 for _at, quality in found if quality == each) for each in ("ok", "suspect", "bad")]
        rows.append(
            Row(
                box=box,
                place=place,
                label=box.name if len(box.name) <= NAME_CHARS_MAX else box.name[: NAME_CHARS_MAX - 1] + "…",
                first=number == 0 or chosen[number - 1][1].id != place.id,
                y=TOP + ROW * number + ROW / 2,
                marks=tuple((x(at), quality) for at, quality in found),
                counts=(tally[0], tally[1], tally[2]),
                newest=found[0][0] if found else None,
                more=len(found) == MARKS_MAX,
            )
        )
    return Recent(
        window=window,
        rows=tuple(rows),
        left_out=len(pairs) - len(chosen),
        ticks=tuple((x(at), at.astimezone(ZONE).strftime("%H:%M")) for at in _ticks(since, now, TICKS[window])),
        at=now,
        height=TOP + ROW * max(1, len(rows)) + BOTTOM,
    )


def _chosen(pairs: list[tuple[Box, Place]], devices_max: int) -> list[tuple[Box, Place]]:
    """All in their order, or, where they do not fit, those heard last."""
    if len(pairs) <= devices_max:
        return pairs
    heard = sorted((pair for pair in pairs if pair[0].seen), key=lambda pair: pair[0].seen, reverse=True)  # type: ignore[arg-type,return-value]
    kept = {pair[0].id for pair in heard[:devices_max]}
    return [pair for pair in pairs if pair[0].id in kept]


def _marks(read: Read, device: str, since: datetime) -> list[tuple[datetime, str]]:
    rows = read.session.execute(
        select(col(Reading.t_received_ms), col(Reading.quality))
        .where(col(Reading.device) == device, col(Reading.t_received_ms) >= to_ms(since))
        .order_by(col(Reading.t_received_ms).desc())
        .limit(MARKS_MAX)
    )
    return [(from_ms(received), quality) for received, quality in rows]


def _ticks(since: datetime, now: datetime, step: timedelta) -> list[datetime]:
    """Round local times inside the window."""
    midnight = since.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + step * (-(-(since - midnight) // step))
    return [first + step * count for count in range(int((now - first) / step) + 1)]


def newest(read: Read, scope: Scope, device: str | None = None) -> list[Passed]:
    """The newest readings of the scope's devices as lines of a table."""
    own = select(col(Device.id)).join(Gateway, col(Gateway.id) == col(Device.gateway)).where(scope.holds(Gateway.area))
    rule = select(
        col(Reading.id), col(Reading.device), col(Reading.hut), col(Reading.kind), col(Reading.t_received_ms),
        col(Reading.quality), col(Reading.reasons), col(Reading.t_effective_ms),
    )  # fmt: skip
    if device:
        own = own.where(col(Device.id) == device)
    few = read.session.execute(own.limit(BY_DEVICE_MAX + 1)).scalars().all()
    if len(few) <= BY_DEVICE_MAX:
        rule = rule.where(col(Reading.device).in_(few)).order_by(col(Reading.t_received_ms).desc())
    else:
        # Of a whole city the newest ids are soon found; of one village they may lie a million readings back.
        rule = rule.where(col(Reading.device).in_(own)).order_by(col(Reading.id).desc())
    return [
        Passed(
            ident,
            of,
            hut,
            kind,
            from_ms(received),
            quality,
            " ".join(reasons_of(reasons, with_values=False)),
            sent_later(received, effective),
        )
        for ident, of, hut, kind, received, quality, reasons, effective in read.session.execute(rule.limit(LIST_MAX))
    ]

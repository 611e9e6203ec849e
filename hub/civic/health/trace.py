"""A heart trace as a drawing on the paper every doctor knows: 25 mm a second, 10 mm a millivolt. Drawn, never judged.

The curve is read again from the frame that is kept beside the reading; where the frame is gone, so is the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from devices.base import DecodeError, Strip
from devices.codecs import codec
from devices.profile import all_profiles
from hub import directory, readings, sightings
from hub.access import Subject, needs, signed_in
from hub.civic.health import figures, triage
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.page import actor, page, services
from hub.readings import RawFrame, Reading

KIND, PLACE = "ecg", "trace"
ROW_S = 10
MM_PER_S, MM_PER_MV = 25, 10
HALF_MM = 20  # two millivolts above and below; what is beyond is cut at the edge, as on paper
POINTS_PER_S_MAX = 125  # finer than a pixel of the widest screen
Owner = Annotated[Subject, signed_in("resident")]
Doctor = Annotated[Subject, needs(triage.PERMISSION)]


@dataclass(frozen=True, slots=True)
class Row:
    """Ten seconds of the strip."""

    start_s: int
    points: str  # of an SVG polyline, in millimetres


@dataclass(frozen=True, slots=True)
class Trace:
    lead: str
    seconds: int
    rows: tuple[Row, ...]
    width: int = ROW_S * MM_PER_S
    height: int = 2 * HALF_MM


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/me/health/readings/{ident}/trace")
    async def trace(request: Request, ident: str, who: Owner) -> Response:
        shown = await services(request).store.read(lambda read: _open(read, who, ident))
        return page(request, "health/trace.html", active="/me/health", **shown)

    @routes.get("/desk/triage/{task}/trace/{ident}")
    async def doctors(request: Request, task: str, ident: str, who: Doctor) -> Response:
        shown = await services(request).store.write(lambda tx: _look(tx, who, task, ident), actor(request))
        return page(request, "health/strip.html", active="/desk/triage", task=task, **shown)

    return routes


def strip_of(read: Read, row: Reading) -> Strip | None:
    """The curve behind a reading, from its own frame."""
    raw = read.session.get(RawFrame, row.id)
    profile = all_profiles().get(row.profile.partition("@")[0])
    if raw is None or profile is None:
        return None
    try:
        found = codec(row.codec.partition("@")[0]).decode(readings.open_raw(read.seal, raw.payload), profile)
    except DecodeError:
        return None  # a newer codec no longer reads it
    return next((each.strip for each in found if each.kind == row.kind), None)


def draw(strip: Strip) -> Trace:
    """Pure. The middle of the strip's own range is the base line, so that a drift does not push it off the paper."""
    every = max(1, strip.rate_hz // POINTS_PER_S_MAX)
    ordered = sorted(strip.samples)
    base = ordered[len(ordered) // 2]
    a_row = ROW_S * strip.rate_hz
    rows = []
    for begin in range(0, len(strip.samples), a_row):
        points = []
        for place in range(begin, min(begin + a_row, len(strip.samples)), every):
            millivolt = (strip.samples[place] - base) * strip.nv_per_count / 1_000_000
            y = min(max(HALF_MM - millivolt * MM_PER_MV, 0), 2 * HALF_MM)
            points.append(f"{(place - begin) / strip.rate_hz * MM_PER_S:.1f},{y:.1f}")
        rows.append(Row(begin // strip.rate_hz, " ".join(points)))
    return Trace(strip.lead, round(len(strip.samples) / strip.rate_hz), tuple(rows))


def _open(read: Read, who: Subject, ident: str) -> dict[str, Any]:
    row = read.session.get(Reading, ident)
    if row is None or row.person != who.id or row.kind != KIND:
        raise NotFound(_("There is no such reading"))
    looks = [each for each in sightings.of_person(read, who.id) if each.where == PLACE]
    return {**_drawn(read, row), "looks": looks}


def _look(tx: Tx, who: Subject, task: str, ident: str) -> dict[str, Any]:
    """A doctor's: what the task tells of, or anything of a person who agreed to all. It leaves a line of its own."""
    rows = {row.id: row for row in triage.readings_of(tx, who, task)}
    row = rows.get(ident) or _of_trusting(tx, who, task, ident)
    if row is None or row.kind != KIND:
        raise NotFound(_("There is no such reading"))
    sightings.leave(tx, who, [row], PLACE)
    return _drawn(tx, row)


def _of_trusting(read: Read, who: Subject, task: str, ident: str) -> Reading | None:
    person = triage.trusting(read, who, task)
    row = read.session.get(Reading, ident) if person is not None else None
    return row if row is not None and row.person == person else None


def _drawn(read: Read, row: Reading) -> dict[str, Any]:
    strip = strip_of(read, row)
    return {
        "row": figures.shown(read, row),
        "trace": draw(strip) if strip is not None else None,
        "tz": directory.area(read, row.area).tz,
    }

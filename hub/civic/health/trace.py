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
from hub import directory, readings
from hub.access import Subject, signed_in
from hub.civic.health import figures
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _
from hub.page import page, services
from hub.readings import RawFrame, Reading

KIND = "ecg"
ROW_S = 10
MM_PER_S, MM_PER_MV = 25, 10
HALF_MM = 20  # two millivolts above and below; what is beyond is cut at the edge, as on paper
POINTS_PER_S_MAX = 125  # finer than a pixel of the widest screen
Owner = Annotated[Subject, signed_in("resident")]


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
    strip = strip_of(read, row)
    return {
        "row": figures.shown(read, row),
        "trace": draw(strip) if strip is not None else None,
        "tz": directory.area(read, row.area).tz,
    }

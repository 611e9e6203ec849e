"""One reading, opened by its owner: its number and word, by which rule set, what stood there before, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hub import directory
from hub.access import Subject, signed_in
from hub.civic.health import bands, figures, meals
from hub.civic.health.figures import Judged
from hub.civic.health.rules import Band, rulesets
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _, pick
from hub.page import page, services
from hub.readings import Reading

Owner = Annotated[Subject, signed_in("resident")]


@dataclass(frozen=True, slots=True)
class Made:
    """A word with the table that gave it, and until when it stood."""

    judged: Judged | None
    why_none: str
    name: str
    table: str
    until: datetime | None = None


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/me/health/readings/{ident}")
    async def one(request: Request, ident: str, who: Owner) -> Response:
        shown = await services(request).store.read(lambda read: opened(read, who, ident))
        return page(request, "health/reading.html", active="/me/health", **shown)

    return routes


def opened(read: Read, who: Subject, ident: str) -> dict[str, Any]:
    row = read.session.get(Reading, ident)
    if row is None or row.person != who.id:
        raise NotFound(_("There is no such reading"))
    return {
        "row": figures.shown(read, row),
        "tz": directory.area(read, row.area).tz,
        "made": [_made(band) for band in bands.of(read, row)],
        "earlier": [_made(band, past.until) for past, band in bands.earlier(read, ident)],
        "meals": meals.MEALS if row.kind == meals.KIND else {},
        "meal": bands.meal_of(read, row) or "",
    }


def _made(band: Band, until: datetime | None = None) -> Made:
    known = rulesets().get(band.ruleset)
    table = f"{pick(known.title_zh, known.title_en)} ({band.ruleset}@{band.version})" if known else ""
    judged = figures.as_judged(band)
    why = figures.UNJUDGED.get(band.why_none, "")
    return Made(judged if band.level != "none" else None, _(why) if why else "", judged.name, table, until)

"""One's own readings to take along: a table for people (CSV), a bundle for programs (FHIR). All, oldest first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import col

from hub import derived, directory, fhir, readings, recall
from hub.access import Subject, signed_in
from hub.civic.health import bands
from hub.civic.health.figures import BASIS_NAMES, CODE_NAMES, KIND_NAMES
from hub.db import Read
from hub.i18n import N_, _
from hub.page import services
from hub.readings import Reading

Owner = Annotated[Subject, signed_in("resident")]
_CHUNK = 500
_BOM = "\ufeff"  # by which Excel knows that it is UTF-8
HEADINGS = (
    N_("Time"), N_("Kind"), N_("What"), N_("Value"), N_("Unit"), N_("Word"), N_("By rule set"), N_("Quality"),
    N_("Time by"), N_("Worked out"), N_("Number of the reading"),
)  # fmt: skip
QUALITIES = {"ok": N_("good"), "suspect": N_("doubtful"), "bad": N_("did not work")}


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/me/health/export.csv")
    async def table(request: Request, who: Owner) -> Response:
        text = await services(request).store.read(lambda read: as_csv(read, who.id))
        return _file(
            "\ufeff" + text, "my-readings.csv", "text/csv; charset=utf-8"
        )  # the mark tells Excel that it is UTF-8

    @routes.get("/me/health/export.json")
    async def bundle(request: Request, who: Owner) -> Response:
        body = await services(request).store.read(lambda read: as_fhir(read, who.id))
        return _file(body, "my-readings.fhir.json", fhir.MEDIA_TYPE)

    return routes


def as_csv(read: Read, person: str) -> str:
    zone = _zone(read, person)
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(_(each) for each in HEADINGS)
    for row in _rows(read, person):
        at = readings.from_ms(row.t_effective_ms).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
        values = readings.values(read, row)
        mass_index = derived.bmi(read, row, values)
        words = {band.measure: band for band in bands.of(read, row) if band.level != "none"}
        chief = words.get(row.kind) or words.get("bmi")
        own = [] if mass_index is None else [(mass_index.value, True)]
        for value, made in [*((each, False) for each in values), *own]:
            band = words.get(value.code) or (chief if value.code in ("sys", "dia", row.kind) else None)
            shown = value.text if row.quality != "bad" else None
            write.writerow(
                (
                    at,
                    _(KIND_NAMES.get(row.kind, row.kind)),
                    _(CODE_NAMES.get(value.code, value.code)),
                    shown or "",
                    value.unit,
                    _(band.word) if band is not None else "",
                    f"{band.ruleset}@{band.version}" if band is not None else "",
                    _(QUALITIES.get(row.quality, row.quality)),
                    _(BASIS_NAMES.get(row.t_basis, row.t_basis)),
                    "1" if made else "",
                    row.id,
                )
            )
    return out.getvalue()


def as_fhir(read: Read, person: str) -> bytes:
    zone = _zone(read, person)
    entries: list[fhir.Json] = []
    for row in _rows(read, person):
        values = readings.values(read, row)
        flagged = recall.flagged(read, [row.id]).get(row.id)
        entries += fhir.observations(
            row, values, zone, derived.bmi(read, row, values), flagged, bands.meal_told(read, row)
        )
    return fhir.encode(fhir.bundle("collection", entries, "urn:linli"))


def _rows(read: Read, person: str) -> Iterator[Reading]:
    at, ident = col(Reading.t_effective_ms), col(Reading.id)
    rule = select(Reading).where(col(Reading.person) == person).order_by(at, ident).limit(_CHUNK)
    found = list(read.session.execute(rule).scalars())
    while found:
        yield from found
        last = found[-1]
        later = (at > last.t_effective_ms) | ((at == last.t_effective_ms) & (ident > last.id))
        found = list(read.session.execute(rule.where(later)).scalars())


def _zone(read: Read, person: str) -> str:
    return directory.area(read, directory.resident(read, person).area).tz


def _file(body: str | bytes, name: str, media_type: str) -> Response:
    return Response(body, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})

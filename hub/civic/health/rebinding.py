"""Put right whose a reading is: a resident gives back what was not theirs, an attendant ties what was left unclaimed.

Within a day only; after that nobody remembers who sat there, and it stays as it is. Each change is on record.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete
from sqlmodel import col

from hub import directory, readings
from hub.access import Subject, needs, signed_in, subject
from hub.civic.health import bands
from hub.civic.health.models import ReadingBand
from hub.db import Tx
from hub.errors import Conflict, NotFound
from hub.i18n import _
from hub.page import actor, see_other, services

PERMISSION = "readings.bind"
Owner = Annotated[Subject, signed_in("resident")]


class BindBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    person: str | None = Field(max_length=64)
    why: str = Field(min_length=1, max_length=200)


def give_back(tx: Tx, who: Subject, reading: str) -> bool:
    """这不是我的: nobody's from here on."""
    if readings.get(tx, reading).person != who.id:
        raise NotFound(_("There is no such reading"))
    return _rebind(tx, reading, None, "not-mine")


def tie(tx: Tx, who: Subject, reading: str, person: str | None, why: str) -> None:
    """By an attendant of the place, to a resident of it."""
    row = readings.get(tx, reading)
    path = directory.area(tx, row.area).path
    if not who.may(PERMISSION, path):
        raise NotFound(_("There is no such reading"))
    owner = tx.session.get(directory.Resident, person) if person is not None else None
    if person is not None and owner is None:
        raise NotFound(_("There is no such resident or member of staff"))
    if not _rebind(tx, reading, person, why):
        raise Conflict(_("It is older than a day, a guest's, or theirs already; it stays as it is"))


def _rebind(tx: Tx, reading: str, person: str | None, why: str) -> bool:
    before = readings.get(tx, reading).person
    # The word was found by another's age: it is judged anew for whoever it belongs to now.
    tx.change(delete(ReadingBand).where(col(ReadingBand.reading) == reading))
    done = readings.rebind(tx, reading, person, why)
    for each in {before, person} - {None}:
        tx.touch(bands.HOME_TOPIC, str(each))
        tx.touch(bands.LIST_TOPIC, str(each))
    return done


def router() -> APIRouter:
    routes = APIRouter()

    @routes.post("/me/health/readings/{ident}/not-mine", include_in_schema=False)
    async def not_mine(request: Request, ident: str, who: Owner) -> Response:
        await services(request).store.write(lambda tx: give_back(tx, who, ident), actor(request))
        return see_other("/me/health")

    @routes.post("/api/v1/readings/{ident}/bind", dependencies=[needs(PERMISSION)])
    async def bind(request: Request, ident: str, body: BindBody) -> JSONResponse:
        who = subject(request)
        await services(request).store.write(lambda tx: tie(tx, who, ident, body.person, body.why), actor(request))
        return JSONResponse({"id": ident, "person": body.person})

    return routes

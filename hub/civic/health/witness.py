"""Erasing at the desk, for somebody without a phone: one member of staff asks with the card in hand, another witnesses.

The two are two people, neither of the resident's household. Neither sees a value: the card, how many readings, and the
words about what goes and what stays, which they read aloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import or_, select
from sqlmodel import col

from hub import directory
from hub.access import Subject, needs
from hub.civic.health import erasing
from hub.civic.health.erasing import Found, Scope
from hub.civic.health.events import ErasureMoved
from hub.civic.health.models import ErasureRequest
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotAllowed, NotFound
from hub.events import PersonalMessage
from hub.i18n import _, speaking
from hub.page import actor, page, see_other, services

PERMISSION = "health.erase"
WAITS = timedelta(hours=1)  # the resident stands there; later nobody knows what was said
Desk = Annotated[Subject, needs(PERMISSION)]


@dataclass(frozen=True, slots=True)
class Waiting:
    id: str
    who: str
    day: date | None
    found: Found
    asked_by: str
    asked_at: datetime
    mine: bool


def ask(tx: Tx, who: Subject, card: str, today_only: bool) -> ErasureRequest:
    person = directory.resident_by_card(tx, card)
    if person is None or not who.may(PERMISSION, directory.area(tx, person.area).path):
        raise NotFound(_("No resident of this place has that card"))
    _not_for_own(who, person)
    zone = ZoneInfo(directory.area(tx, person.area).tz)
    row = ErasureRequest(
        id=tx.new_id(),
        person=person.id,
        area=person.area,
        day=tx.now().astimezone(zone).date() if today_only else None,
        asked_by=tx.actor.id,
        asked_person=who.person or who.id,
        asked_at=tx.now(),
    )
    tx.session.add(row)
    tx.session.flush()
    tx.emit(ErasureMoved, request=row.id, person=person.id, what="asked")
    return row


def witness(tx: Tx, who: Subject, ident: str) -> int:
    """The second one says that the resident wants it; then it is done at once."""
    row = _open(tx, who, ident)
    if row.asked_person == (who.person or who.id) or row.asked_by == tx.actor.id:
        raise NotAllowed(_("You have asked for it yourself; a colleague must witness it"))
    _not_for_own(who, directory.resident(tx, row.person))
    row.state, row.witness, row.done_at = "done", tx.actor.id, tx.now()
    tx.session.add(row)
    tx.session.flush()
    tx.emit(ErasureMoved, request=row.id, person=row.person, what="witnessed")
    row.count = erasing.erase(tx, Scope(row.person, day=row.day), "desk")
    with speaking("zh"):  # the residents' language
        title = _("There is something new in your household")
        text = _("Please open My health on your phone, or ask in the community.")
    tx.emit(PersonalMessage, resident=row.person, kind="health", title=title, text=text)
    return row.count


def drop(tx: Tx, who: Subject, ident: str) -> None:
    row = _open(tx, who, ident)
    row.state, row.done_at = "dropped", tx.now()
    tx.session.add(row)
    tx.session.flush()
    tx.emit(ErasureMoved, request=row.id, person=row.person, what="dropped")


def _open(read: Read, who: Subject, ident: str) -> ErasureRequest:
    row = read.session.get(ErasureRequest, ident)
    if row is None or not who.may(PERMISSION, directory.area(read, row.area).path):
        raise NotFound(_("There is no such request"))
    if row.state != "open" or read.now() - row.asked_at > WAITS:
        raise Conflict(_("This request is over; ask anew with the card"))
    return row


def _not_for_own(who: Subject, person: directory.Resident) -> None:
    if person.id == who.person or (who.household and who.household == person.household):
        raise NotAllowed(_("Not for yourself or your own household"))


def waiting(read: Read, who: Subject) -> list[Waiting]:
    paths = who.paths(PERMISSION)
    rule = (
        select(ErasureRequest)
        .join(Area, col(Area.code) == col(ErasureRequest.area))
        .where(col(ErasureRequest.state) == "open", col(ErasureRequest.asked_at) > read.now() - WAITS)
    )
    if "" not in paths:
        rule = rule.where(or_(*[(col(Area.path) == path) | col(Area.path).startswith(path + "/") for path in paths]))
    return [
        _waiting(read, who, row) for row in read.session.execute(rule.order_by(col(ErasureRequest.asked_at))).scalars()
    ]


def _waiting(read: Read, who: Subject, row: ErasureRequest) -> Waiting:
    person = directory.resident(read, row.person)
    years = directory.age(person.born, read.now().date())
    staff = read.session.get(directory.Staff, row.asked_by.partition(":")[2])
    return Waiting(
        row.id,
        directory.greeting(person.name, person.sex, years),
        row.day,
        erasing.look(read, Scope(row.person, day=row.day)),
        staff.name if staff else row.asked_by,
        row.asked_at,
        row.asked_person == (who.person or who.id),
    )


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/desk/erasures")
    async def shown(request: Request, who: Desk) -> Response:
        rows = await services(request).store.read(lambda read: waiting(read, who))
        return page(request, "health/erasures.html", rows=rows, done=request.query_params.get("done", "") == "1")

    @routes.post("/desk/erasures")
    async def begin(
        request: Request,
        who: Desk,
        card: Annotated[str, Form(max_length=64)],
        which: Annotated[str, Form(pattern="^(today|all)$")],
    ) -> Response:
        await services(request).store.write(lambda tx: ask(tx, who, card, which == "today"), actor(request))
        return see_other("/desk/erasures")

    @routes.post("/desk/erasures/{ident}/witness")
    async def second(request: Request, ident: str, who: Desk) -> Response:
        store = services(request).store
        await store.write(lambda tx: witness(tx, who, ident), actor(request))
        await store.settle_log()
        return see_other("/desk/erasures?done=1")

    @routes.post("/desk/erasures/{ident}/drop")
    async def dropped(request: Request, ident: str, who: Desk) -> Response:
        await services(request).store.write(lambda tx: drop(tx, who, ident), actor(request))
        return see_other("/desk/erasures")

    return routes


def done_for(read: Read, person: str) -> list[tuple[datetime, int]]:
    """For the person's own page: what was erased at the desk."""
    rule = select(ErasureRequest).where(col(ErasureRequest.person) == person, col(ErasureRequest.state) == "done")
    rows = read.session.execute(rule.order_by(col(ErasureRequest.done_at).desc()).limit(10)).scalars()
    return [(row.done_at, row.count) for row in rows if row.done_at is not None]

"""Answers on behalf (代为回复): a grid worker at the door or on the telephone enters what a resident says to a notice.

It is the same answer as from the resident's own phone, with who entered it in the audit log beside whom it is for.
Nobody answers for their own household: an answer is proof that the person was reached.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub import audience, directory
from hub.access import Subject, needs, subject
from hub.civic.notices import active, answers, cards
from hub.civic.notices.events import AnsweredOnBehalf
from hub.db import Read, Tx
from hub.directory import Household, Resident
from hub.errors import NotAllowed, NotFound
from hub.i18n import _, pick
from hub.page import actor, page, see_other, services

WAY = "grid"
router = APIRouter()


def answer_for(tx: Tx, who: Subject, resident: str, notice: str, kind: str, text: str) -> None:
    person = directory.resident(tx, resident)
    if not who.may(answers.PERMISSION, directory.area(tx, person.area).path):
        raise NotFound(_("There is no such resident here"))
    if person.household == who.household or person.id == who.person:
        raise NotAllowed(_("You may not answer for yourself or your own household"))
    for_them = Subject(id=person.id, kind="resident", area=person.area)
    if kind == "received":
        answers.receive(tx, for_them, notice, WAY)
    else:
        answers.open_task(tx, for_them, notice, kind, text, WAY)
    tx.emit(AnsweredOnBehalf, notice=notice, kind=kind)


@router.get("/desk/behalf", dependencies=[needs(answers.PERMISSION)])
async def form(request: Request, notice: str = "", building: str = "", flat: str = "", done: str = "") -> HTMLResponse:
    """First the notice and the door, then the person behind it and the answer."""
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        people = _behind(read, who, building, flat.strip()) if notice and building and flat.strip() else None
        return {
            "notices": [cards.shown(read, each) for each in active.notices_of(read, who.area)],
            "buildings": [(each.id, pick(each.zh, each.en)) for each in audience.buildings_in(read, [who.area])],
            "people": people,
        }  # fmt: skip

    found = await services(request).store.read(look)
    chosen: dict[str, Any] = {"notice": notice, "building": building, "flat": flat.strip()[:32], "done": bool(done)}
    return page(request, "notices/behalf.html", **found, **chosen, text_max=answers.TEXT_CHARS_MAX)


@router.post("/desk/behalf", dependencies=[needs(answers.PERMISSION)])
async def enter(
    request: Request,
    resident: Annotated[str, Form(max_length=64)],
    notice: Annotated[str, Form(max_length=36)],
    do: Annotated[str, Form(max_length=16)],
    text: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    who = subject(request)
    by = actor(request, on_behalf_of=f"resident:{resident}")
    await services(request).store.write(lambda tx: answer_for(tx, who, resident, notice, do, text), by)
    return see_other(f"/desk/behalf?notice={notice}&done=1")


def _behind(read: Read, who: Subject, building: str, flat: str) -> list[tuple[str, str]]:
    """Who lives behind a door of this place: id and greeting, no full name."""
    today = read.now().date()
    rule = (
        select(Resident).join(Household, col(Household.id) == col(Resident.household))
        .where(col(Household.building) == building, col(Household.flat) == flat, col(Household.area) == who.area)
        .order_by(col(Resident.born))
    )  # fmt: skip
    rows = read.session.execute(rule).scalars()
    return [(each.id, directory.greeting(each.name, each.sex, directory.age(each.born, today))) for each in rows]

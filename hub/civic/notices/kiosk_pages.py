"""Notices at a hut's kiosk: read by anybody who stands there, answered by whoever has shown a card.

Nothing of a person stays: each page goes back to the hut's own after a minute; questions show during the visit only.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import visitor
from hub.access import signed_in, subject
from hub.civic.notices import active, answer_pages, answers, cards, rules
from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import _
from hub.page import actor, page, see_other, services

WAY = "kiosk"
LISTED_MAX = 4  # choices on one screen (domain.md 4.3)
BACK_S = 60  # as long as the hut's own page waits before it asks whether somebody is there
router = APIRouter()


@router.get("/kiosk/-/notices", dependencies=[signed_in("kiosk")])
async def listing(request: Request) -> HTMLResponse:
    hub, who = services(request), subject(request)

    def look(read: Read) -> dict[str, Any]:
        held = active.notices_of(read, who.area)
        return {"items": [cards.shown(read, each) for each in held[:LISTED_MAX]]}

    return page(request, "notices/kiosk_list.html", hut=who.hut, back_s=BACK_S, **await hub.store.read(look))


@router.get("/kiosk/-/n/{ident}", dependencies=[signed_in("kiosk")])
async def one(request: Request, ident: str) -> HTMLResponse:
    hub, who = services(request), subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = next((each for each in active.notices_of(read, who.area) if each.id == ident), None)
        if found is None:
            raise NotFound(_("There is no such notice"))
        person = visitor.at(read, who.hut, hub.modules)
        mine = answer_pages.under_notice(read, person, ident) if person else None
        asked = answer_pages.mine(read, person.id)["asked"] if person else []
        return {
            "notice": cards.shown(read, found), "mine": mine, "drill": found.priority in rules.COVERING,
            "asked": [each for each in asked if each["url"] == f"/n/{ident}"][:2],
        }  # fmt: skip

    return page(request, "notices/kiosk_one.html", hut=who.hut, back_s=BACK_S, **await hub.store.read(look))


@router.post("/kiosk/-/n/{ident}/answer", dependencies=[signed_in("kiosk")])
async def answer(request: Request, ident: str, do: Annotated[str, Form(max_length=16)]) -> Response:
    hub, who = services(request), subject(request)

    def take(tx: Tx) -> None:
        person = visitor.at(tx, who.hut, hub.modules)
        if person is None:
            raise Refused(_("Show your card first, then answer"))
        if do == "received":
            answers.receive(tx, person, ident, WAY)
        else:
            answers.open_task(tx, person, ident, do, "", WAY)

    await hub.store.write(take, actor(request))
    return see_other(f"/kiosk/-/n/{ident}")

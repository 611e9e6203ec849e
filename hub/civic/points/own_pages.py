"""The resident's pages beside the statement: points to a neighbour or the pool, the slip to print, the PIN."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory
from hub.access import signed_in, subject
from hub.civic.points import beneficiary, book, cards, counter, ledger, transfers
from hub.db import Read, Tx
from hub.errors import LinliError, Refused
from hub.i18n import _, pick
from hub.page import acted, actor, page, services
from hub.rng import code

router = APIRouter(include_in_schema=False)
SLIP_ENTRIES = 20  # what fits on the counter printer's paper


@router.get("/me/points/transfers", dependencies=[signed_in("resident")])
async def listing(request: Request) -> HTMLResponse:
    return await _listing(request)


@router.post("/me/points/transfers", dependencies=[signed_in("resident")])
async def send(
    request: Request,
    points: Annotated[str, Form(max_length=8)],
    once: Annotated[str, Form(min_length=32, max_length=32)],
    card: Annotated[str, Form(max_length=40)] = "",
    to: Annotated[str, Form(max_length=8)] = "card",
) -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        wanted = points.strip()
        if not (wanted.isascii() and wanted.isdigit() and int(wanted)):
            raise Refused(_("Give the points as a whole number"))
        source = beneficiary.one(tx, "person", who.person or "")
        destination = None if to == transfers.POOL else transfers.by_card(tx, card)
        transfers.send(tx, who, source, destination, int(wanted), once=once)

    return await acted(request, work, "/me/points/transfers", lambda wrong, status: _listing(request, wrong, status))


@router.post("/me/points/transfers/{ident}/cancel", dependencies=[signed_in("resident")])
async def cancel(request: Request, ident: str) -> Response:
    who = subject(request)
    return await acted(
        request, lambda tx: transfers.cancel(tx, who, ident), "/me/points/transfers",
        lambda wrong, status: _listing(request, wrong, status),
    )  # fmt: skip


@router.get("/me/points/slip", dependencies=[signed_in("resident")])
async def slip(request: Request) -> HTMLResponse:
    """对账小票: the newest entries with the balance, surname only, to be printed."""
    who = subject(request)
    shown = await services(request).store.read(lambda read: slip_of(read, who.person or ""))
    return page(request, "points/slip.html", back="/me/points", **shown)


def slip_of(read: Read, person: str) -> dict[str, Any]:
    found = directory.resident(read, person)
    place = directory.area(read, found.area)
    account = ledger.account_id("person", person)
    held = ledger.held(read, [account])
    today = read.now().astimezone(ZoneInfo(place.tz)).date()
    lines = [cards.line(each) for each in book.statement(read, account, limit=SLIP_ENTRIES)]
    return {
        "name": directory.greeting(found.name, found.sex, directory.age(found.born, today)), "lines": lines,
        "place": pick(place.zh, place.en), "balance": held[account].balance if account in held else 0,
        "earned": held[account].earned if account in held else 0, "now": read.now(), "tz": place.tz,
    }  # fmt: skip


@router.get("/me/points/pin", dependencies=[signed_in("resident")])
async def pin(request: Request) -> HTMLResponse:
    return page(request, "points/pin.html", wrong="", said="")


@router.post("/me/points/pin", dependencies=[signed_in("resident")])
async def set_pin(request: Request, digits: Annotated[str, Form(max_length=8)]) -> HTMLResponse:
    """密码: four digits for the counter and the kiosk, chosen at home."""
    who = subject(request)
    try:
        await services(request).store.write(lambda tx: counter.set_pin(tx, who.person or "", digits), actor(request))
    except LinliError as error:
        return page(request, "points/pin.html", error.status, wrong=error.sentence, said="")
    return page(request, "points/pin.html", wrong="", said=_("The PIN is set"))


async def _listing(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    account = ledger.account_id("person", who.person or "")

    def look(read: Read) -> dict[str, Any]:
        return {"rows": transfers.of_person(read, account), **cards.figures(read, who.id)}

    shown = await services(request).store.read(look)
    once = code(services(request).rng, 32)
    return page(
        request, "points/transfers.html", status, wrong=wrong, once=once, month_max=transfers.MONTH_POINTS_MAX,
        neighbours_max=transfers.MONTH_NEIGHBOURS_MAX, **shown,
    )  # fmt: skip

"""An account at the desk: found by card, read, printed as a slip; an organisation gives, a household moves."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject, needs, subject
from hub.civic.points import (
    beneficiary,
    book,
    cards,
    catalogue,
    claim_import,
    keepers,
    ledger,
    moving,
    own_pages,
    publicity,
    rules,
    teams,
    transfers,
)
from hub.civic.points.beneficiary import Owner
from hub.civic.points.events import AccountOpened
from hub.db import Read, Tx
from hub.directory import Building, Organisation
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import _, pick
from hub.page import acted, actor, page, see_other, services
from hub.rng import code

Text = Annotated[str, Form(max_length=80)]
router = APIRouter(include_in_schema=False)


@router.get("/desk/points/accounts", dependencies=[needs("points.read")])
async def search(request: Request) -> HTMLResponse:
    return await _search(request)


@router.post("/desk/points/accounts", dependencies=[needs("points.read")])
async def find(request: Request, text: Text) -> Response:
    """A POST, so that no card stands in an address; the account's own id is opaque."""
    who = subject(request)
    try:
        kind, owner = await services(request).store.read(lambda read: claim_import.meant(read, who.area, text))
    except LinliError as error:
        return await _search(request, error.sentence, error.status)
    return see_other(f"/desk/points/accounts/{kind}-{owner}")


@router.get("/desk/points/accounts/{account}", dependencies=[needs("points.read")])
async def one(request: Request, account: str) -> HTMLResponse:
    return await _one(request, account)


@router.get("/desk/points/accounts/{account}/slip", dependencies=[needs("points.read")])
async def slip(request: Request, account: str) -> HTMLResponse:
    who = subject(request)

    def look(tx: Tx) -> dict[str, Any]:
        owner = owner_of(tx, who, account)
        if owner.kind != "person":
            raise NotFound(_("There is no such account"))
        tx.emit(AccountOpened, account=account, area=owner.area)
        return own_pages.slip_of(tx, owner.id)

    shown = await services(request).store.write(look, actor(request))
    return page(request, "points/slip.html", back=f"/desk/points/accounts/{account}", **shown)


@router.post("/desk/points/accounts/{account}/gift", dependencies=[needs("points.declare")])
async def gift(request: Request, account: str, points: Text, once: Text) -> Response:
    """An organisation gives what it earned to the pool; it pays no person."""
    who = subject(request)

    def work(tx: Tx) -> None:
        wanted = points.strip()
        if not (wanted.isascii() and wanted.isdigit() and int(wanted)) or len(once) != 32:
            raise Refused(_("Give the points as a whole number"))
        transfers.send(tx, who, owner_of(tx, who, account), None, int(wanted), once=once)

    return await _step(request, account, work)


@router.post("/desk/points/accounts/{account}/keepers", dependencies=[needs("points.declare")])
async def keeper(request: Request, account: str, card: Text, role: Text) -> Response:
    """Who acts for an organisation: by the card, which its holder shows."""
    who = subject(request)

    def work(tx: Tx) -> None:
        owner = owner_of(tx, who, account)
        found = directory.resident_by_card(tx, card)
        if owner.kind != "organisation" or found is None:
            raise NotFound(_("Nobody has a card with that number"))
        teams.enter(tx, who, owner.id, found.id, role)

    return await _step(request, account, work)


@router.post("/desk/points/accounts/{account}/keepers/{ident}/end", dependencies=[needs("points.declare")])
async def no_keeper(request: Request, account: str, ident: str) -> Response:
    who = subject(request)
    return await _step(request, account, lambda tx: teams.leave(tx, who, ident))


@router.post("/desk/points/accounts/{account}/move", dependencies=[needs("points.declare")])
async def move(request: Request, account: str, building: Text, flat: Text) -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        owner = owner_of(tx, who, account)
        moving.move(tx, who, owner.household or "", building, flat)

    return await _step(request, account, work)


async def _step(request: Request, account: str, work: Any) -> Response:
    return await acted(
        request, work, f"/desk/points/accounts/{account}", lambda wrong, status: _one(request, account, wrong, status)
    )


async def _search(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> list[tuple[str, str, int]]:
        teams = read.session.execute(
            select(col(Organisation.id), col(Organisation.zh), col(Organisation.en)).where(
                col(Organisation.area) == who.area, col(Organisation.state) == "filed"
            )
        ).all()
        held = ledger.held(read, [ledger.account_id("organisation", ident) for ident, _zh, _en in teams])
        named = [(ledger.account_id("organisation", ident), pick(zh, en)) for ident, zh, en in teams]
        return [(account, name, held[account].balance if account in held else 0) for account, name in named]

    teams = await services(request).store.read(look)
    return page(request, "points/desk_accounts.html", status, wrong=wrong, teams=teams)


async def _one(request: Request, account: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    """Whose entries were looked at by whom is in the record."""
    who = subject(request)

    def look(tx: Tx) -> dict[str, Any]:
        owner = owner_of(tx, who, account)
        tx.emit(AccountOpened, account=account, area=owner.area)
        place = directory.area(tx, owner.area)
        held = ledger.held(tx, [account])
        earned = held[account].earned if account in held else 0
        reached = rules.level(earned, catalogue.versions()[-1].levels)
        name, building = publicity.named(tx, [owner.key]).get(account, ("", ""))
        buildings = tx.session.execute(
            select(col(Building.id), col(Building.zh), col(Building.en)).where(col(Building.area) == who.area)
        )
        return {
            "account": account, "kind": owner.kind, "name": name, "building": building, "earned": earned,
            "tz": place.tz,
            "balance": held[account].balance if account in held else 0,
            "level": pick(reached.zh, reached.en) if reached else "",
            "lines": [cards.line(each) for each in book.statement(tx, account, limit=own_pages.SLIP_ENTRIES)],
            "sent": transfers.of_person(tx, account), "today": tx.now().astimezone(ZoneInfo(place.tz)).date(),
            "buildings": [(ident, pick(zh, en)) for ident, zh, en in buildings],
            "keepers": teams.for_desk(tx, owner.id) if owner.kind == "organisation" else [], "roles": keepers.ROLES,
            "may_give": owner.kind == "organisation" and who.may("points.declare", place.path),
            "may_move": bool(owner.household) and who.may("points.declare"),
        }  # fmt: skip

    shown = await services(request).store.write(look, actor(request))
    once = code(services(request).rng, 32)
    return page(request, "points/desk_account.html", status, wrong=wrong, once=once, **shown)


def owner_of(read: Read, who: Subject, account: str) -> Owner:
    kind, _dash, ident = account.partition("-")
    owner = beneficiary.one(read, kind, ident)
    if not who.may("points.read", directory.area(read, owner.area).path):
        raise NotFound(_("There is no such account"))
    return owner

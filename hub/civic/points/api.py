"""The points of the JSON API (contracts.md 3): accounts, statements, the catalogue, transfers."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from hub import directory, idempotency
from hub.access import Subject, public, signed_in, subject
from hub.civic.points import beneficiary, book, cards, catalogue, claim_api, holds, keepers, ledger, rules, transfers
from hub.civic.points.beneficiary import Key, Owner
from hub.civic.points.claim_models import Transfer
from hub.civic.points.why import Held
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.idempotency import Answer
from hub.page import actor, services
from hub.rng import code

PAGE_MAX = 100
router = APIRouter(prefix="/api/v1/points")


class TransferBody(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    source: str = Field(alias="from", max_length=80)
    destination: str = Field(alias="to", max_length=80)
    points: int = Field(gt=0, le=1_000_000)


@router.get("/accounts", dependencies=[signed_in("resident", "staff", "token")])
async def accounts(request: Request, owner: Annotated[str, Query(pattern="^[a-z0-9-]{1,64}$")]) -> dict[str, Any]:
    """The accounts of a resident, household or organisation; one not opened yet is told with its id, empty."""
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        owners = _visible(read, who, owner)
        idents = [ledger.account_id(*each.key) for each in owners]
        held, aside = ledger.held(read, idents), holds.standing(read, idents)
        items = [_shape(each, held.get(ident), aside.get(ident, 0)) for each, ident in zip(owners, idents, strict=True)]
        return {"items": items, "after": None}

    return await services(request).store.read(look)


@router.get("/accounts/{ident}/statement", dependencies=[signed_in("resident", "staff", "token")])
async def statement(
    request: Request,
    ident: Annotated[str, Path(pattern="^[a-z]+-[a-z0-9-]{1,64}$")],
    after: Annotated[str, Query(max_length=60)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 30,
) -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        kind, _dash, owner = ident.partition("-")
        if not any(each.kind == kind for each in _visible(read, who, owner)):
            raise NotFound(_("There is no such account"))
        found = book.statement(read, ident, after=after, limit=limit)
        items = [
            {
                "txn": each.txn, "at": each.at.isoformat(), "points": each.amount, "balance": each.balance,
                "reason": each.reason, "item": each.item, "reference": each.reference, "reversed": each.reversed,
                "act_date": each.act_date.isoformat() if each.act_date else None,
                "what": cards.line(each).what, "number": cards.line(each).number, "approved_by": each.approved_by,
            }
            for each in found
        ]  # fmt: skip
        return {"items": items, "after": found[-1].cursor if len(found) == limit else None}

    return await services(request).store.read(look)


@router.get("/catalogue", dependencies=[public("what an act is worth is the same for everyone")])
async def listing(request: Request) -> dict[str, Any]:
    now = catalogue.on(services(request).clock.now().astimezone(ZoneInfo(cards.ZONE)).date())
    return {
        "version": now.version, "effective_from": now.effective_from.isoformat(),
        "levels": [{"zh": each.zh, "en": each.en, "points": each.points} for each in now.levels],
        "categories": [{"id": each.id, "zh": each.zh, "en": each.en} for each in now.categories],
        "items": [
            {
                "code": item.code, "zh": item.zh, "en": item.en, "points": item.points,
                "unit": {"zh": item.unit_zh, "en": item.unit_en}, "approvers": list(item.approvers),
                "kinds": list(item.kinds), "evidence": {"zh": item.evidence_zh, "en": item.evidence_en},
                "caps": [{cap.counts: cap.limit, "per": cap.per, "each": cap.each or None} for cap in item.caps],
            }
            for item in now.items.values()
        ],
        "after": None,
    }  # fmt: skip


@router.post("/transfers", status_code=201, dependencies=[signed_in("resident", "staff", "token")])
async def transfer(
    request: Request, body: TransferBody, key: Annotated[str | None, Header(alias="Idempotency-Key")] = None
) -> JSONResponse:
    """In one's own household at once; to a neighbour (an account, or `card:` and the number) or to `pool` after a day.

    The key lives for ever, as every key of the ledger does."""
    who, raw = subject(request), await request.body()
    once = code(services(request).rng, 32)
    scope = f"{who.kind}:{who.id} POST {request.url.path}"

    def move(tx: Tx) -> Answer:
        household = "household-" in (body.source[:10], body.destination[:10])
        if not household:
            return Answer(201, claim_api.shape_transfer(_send(tx, who, body, once)))
        for ident in (body.source, body.destination):
            kind, _dash, owner = ident.partition("-")
            if kind in ("person", "household"):
                ledger.open_account(tx, beneficiary.one(tx, kind, owner))
        receipt = ledger.share(tx, who, body.source, body.destination, body.points, f"share:{who.id}:{once}")
        return Answer(201, {"id": receipt.txn, "at": receipt.at.isoformat(), "points": receipt.amount})

    answer = await services(request).store.write(
        lambda tx: idempotency.once(tx, scope, key, raw, move, for_ever=True), actor(request)
    )
    return JSONResponse(answer.body, answer.status)


def _send(tx: Tx, who: Subject, body: TransferBody, once: str) -> Transfer:
    kind, _dash, owner = body.source.partition("-")
    source = beneficiary.one(tx, kind, owner)
    if body.destination.startswith("card:"):
        return transfers.send(tx, who, source, transfers.by_card(tx, body.destination[5:]), body.points, once=once)
    if body.destination == transfers.POOL:
        return transfers.send(tx, who, source, None, body.points, once=once)
    kind, _dash, owner = body.destination.partition("-")
    return transfers.send(tx, who, source, beneficiary.one(tx, kind, owner), body.points, once=once)


def _visible(read: Read, who: Subject, ident: str) -> list[Owner]:
    """The owners this id may mean, when this subject may see them: themselves, or those of a place they answer for."""
    wanted: list[Key] = [(kind, ident) for kind in rules.PERSONAL]
    found = []
    for key in wanted:
        try:
            owner = beneficiary.one(read, *key)
        except NotFound:
            continue
        own = who.kind == "resident" and owner.id in (who.person, who.household)
        own = own or (owner.kind == "organisation" and keepers.acting(read, who, owner.id) is not None)
        if own or who.may("points.read", directory.area(read, owner.area).path):
            found.append(owner)
    today = read.now().astimezone(ZoneInfo(cards.ZONE)).date()
    found = [each for each in found if not (each.kind == "person" and each.born and rules.is_minor(each.born, today))]
    if not found:
        raise NotFound(_("There is no such resident, household or filed organisation"))
    return found


def _shape(owner: Owner, held: Held | None, aside: int) -> dict[str, Any]:
    earned = held.earned if held else 0
    reached = rules.level(earned, catalogue.versions()[-1].levels)
    return {
        "id": ledger.account_id(*owner.key), "kind": owner.kind, "balance": held.balance if held else 0,
        "held": aside,
        "earned": earned, "level": {"zh": reached.zh, "en": reached.en} if reached else None,
    }  # fmt: skip

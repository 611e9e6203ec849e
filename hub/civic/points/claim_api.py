"""Claims, objections, the public notice and transfers of the JSON API (contracts.md 3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hub import directory
from hub.access import needs, public, signed_in, subject
from hub.civic.points import claim_rules, claims, docket, photos, publicity, transfers
from hub.civic.points.claim_models import Claim, Objection, Transfer
from hub.civic.points.claim_pages import began_of
from hub.civic.points.claims import Draft
from hub.command import answered
from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import _
from hub.idempotency import Answer
from hub.page import services

PAGE_MAX = 100
BASE64_CHARS_MAX = photos.PHOTO_BYTES_MAX * 4 // 3 + 8
router = APIRouter(prefix="/api/v1/points")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


class ClaimBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    item: str = Field(max_length=16)
    account: str = Field(max_length=80, pattern="^(person|household|organisation)-[a-z0-9-]{1,64}$")
    date: date
    words: str = Field(default="", max_length=claims.WORDS_MAX)
    hours: Decimal | None = Field(default=None, gt=0, le=12, allow_inf_nan=False)
    amount: Decimal | None = Field(default=None, gt=0, le=12, allow_inf_nan=False)  # the units, where an item has any
    place: str = Field(default="", max_length=80)
    number: str = Field(default="", max_length=64)
    about: str = Field(default="", max_length=64)
    began: str = Field(default="", max_length=5, pattern="^([0-2][0-9]:[0-5][0-9])?$")
    # A photo as base64, or the number of a document or ticket.
    evidence: list[Annotated[str, Field(max_length=BASE64_CHARS_MAX)]] = Field(default=[], max_length=photos.PHOTOS_MAX)


class WhyBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=claims.WORDS_MAX)


class AnswerBody(WhyBody):
    upheld: bool


@router.get("/claims", dependencies=[signed_in("resident", "staff", "token")])
async def listing(
    request: Request, area: Annotated[str, Query(max_length=12)] = "", state: Annotated[str, Query(max_length=16)] = ""
) -> dict[str, Any]:
    """One's own; for staff those of a community that wait."""
    who = subject(request)

    def look(read: Read) -> list[Claim]:
        if who.kind == "resident":
            return docket.mine(read, who.person or "", who.household or "", PAGE_MAX)
        place = directory.area(read, area or who.area)
        who.require("points.read", place.path)
        return docket.waiting(read, place.code, PAGE_MAX)

    found = await services(request).store.read(look)
    return {"items": [shape(each) for each in found if not state or each.state == state], "after": None}


@router.post("/claims", status_code=201, dependencies=[signed_in("resident", "staff", "token")])
async def declare(request: Request, body: ClaimBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    numbers = [each for each in body.evidence if len(each) <= claims.NUMBER_MAX]
    pictures = [
        await run_in_threadpool(photos.read, _bytes(each)) for each in body.evidence if len(each) > claims.NUMBER_MAX
    ]
    kind, _dash, owner = body.account.partition("-")
    draft = Draft(
        kind, owner, body.item, body.date, body.words or body.item, body.hours or body.amount, body.place,
        body.number or (numbers[0] if numbers else ""), body.about, began=began_of(body.began),
    )  # fmt: skip
    return await _command(request, key, lambda tx: Answer(201, shape(claims.declare(tx, who, draft, pictures))))


@router.get("/claims/{ident}", dependencies=[signed_in("resident", "staff", "token")])
async def one(request: Request, ident: str) -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> Claim:
        claim = docket.find(read, ident)
        if not docket.belongs(read, who, claim) and not who.may("points.read", directory.area(read, claim.area).path):
            raise NotFound(_("There is no such claim"))
        return claim

    return shape(await services(request).store.read(look))


@router.post("/claims/{ident}/verify", dependencies=[needs("points.read")])
async def verify(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(claims.verify(tx, who, ident))))


@router.post("/claims/{ident}/approve", dependencies=[needs("points.read")])
async def approve(request: Request, ident: str, key: Key = None) -> JSONResponse:
    """The next signature; the last one credits, publishes or announces."""
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(claims.approve(tx, who, ident))))


@router.post("/claims/{ident}/return", dependencies=[needs("points.read")])
async def send_back(request: Request, ident: str, body: WhyBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(claims.send_back(tx, who, ident, body.reason))))


@router.post("/claims/{ident}/refuse", dependencies=[needs("points.read")])
async def refuse(request: Request, ident: str, body: WhyBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(claims.refuse(tx, who, ident, body.reason))))


@router.post("/claims/{ident}/withdraw", dependencies=[signed_in("resident", "staff", "token")])
async def withdraw(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(claims.withdraw(tx, who, ident))))


@router.post("/claims/{ident}/object", status_code=201, dependencies=[signed_in("resident")])
async def object_to(request: Request, ident: str, body: WhyBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(
        request, key, lambda tx: Answer(201, shape_objection(publicity.object_to_claim(tx, who, ident, body.reason)))
    )


@router.post("/objections/{ident}/answer", dependencies=[needs("points.read")])
async def answer(request: Request, ident: str, body: AnswerBody, key: Key = None) -> JSONResponse:
    who = subject(request)

    def work(tx: Tx) -> Answer:
        return Answer(200, shape_objection(publicity.answer(tx, who, ident, body.reason, upheld=body.upheld)))

    return await _command(request, key, work)


@router.get("/notice", dependencies=[public("what is on public notice is for everyone to read, with masked names")])
async def notice(request: Request, area: Annotated[str, Query(pattern="^[0-9]{12}$")]) -> dict[str, Any]:
    found = await services(request).store.read(lambda read: publicity.published(read, area))
    items = [
        {
            "id": each.id, "name": each.name, "place": each.place, "item": each.what, "points": each.points,
            "until": each.until.isoformat(), "objected": each.objected,
        }
        for each in found
    ]  # fmt: skip
    return {"items": items, "after": None}


@router.post("/transfers/{ident}/cancel", dependencies=[signed_in("resident", "staff", "token")])
async def cancel(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape_transfer(transfers.cancel(tx, who, ident))))


def shape(claim: Claim) -> dict[str, Any]:
    return {
        "id": claim.id, "area": claim.area, "account": f"{claim.owner_kind}-{claim.owner}", "item": claim.item,
        "date": claim.act_date.isoformat(), "hours": str(Decimal(claim.minutes) / 60) if claim.minutes else None,
        "points": claim.points, "state": claim.state, "held": bool(claim.held), "needs": list(docket.needed(claim)),
        "number": claim.number, "place": claim.place, "reason": claim.why, "declared_at": claim.declared_at.isoformat(),
        "until": claim.due.isoformat() if claim.due and claim.state in claim_rules.WAITING else None, "txn": claim.txn,
    }  # fmt: skip


def shape_objection(found: Objection) -> dict[str, Any]:
    return {"id": found.id, "claim": found.claim, "txn": found.txn, "state": found.state, "at": found.at.isoformat()}


def shape_transfer(found: Transfer) -> dict[str, Any]:
    return {
        "id": found.id, "points": found.amount, "state": found.state, "at": found.at.isoformat(),
        "due": found.due.isoformat(), "to_pool": found.destination.startswith("pool-"),
    }  # fmt: skip


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(_("A photo is given as base64")) from None


async def _command(request: Request, key: str | None, command: Callable[[Tx], Answer]) -> JSONResponse:
    return await answered(request, key, command, for_ever=True)

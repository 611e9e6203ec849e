"""Commands, wishes, releases and claims of the JSON API, below `/api/v1/devices` (contracts.md 3).

A claim's code is told once: a repeat with the same Idempotency-Key names the claim without it, since what is kept of
an answer is not sealed.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlmodel import col

from hub import lifecycle, twin
from hub.access import needs, subject
from hub.civic.fleet import book, claims, holds, takein
from hub.civic.fleet.book import ACT, CLAIM, VIEW
from hub.civic.fleet.models import Claim
from hub.civic.fleet.phone import UNKNOWN
from hub.command import answered
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.idempotency import Answer
from hub.page import services
from hub.twin import Command, Twin

PAGE_MAX = 200
router = APIRouter(prefix="/api/v1/devices")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


class CommandBody(BaseModel):
    """`args` is handed to the device as it stands; it is forgotten with the answer."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=32)
    args: dict[str, Any] = Field(default={}, max_length=32)
    expires_s: int = twin.EXPIRES_S


class WishBody(BaseModel):
    """Settings by name; null takes a wish away."""

    model_config = ConfigDict(extra="forbid")
    desired: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$")], str | int | float | bool | None]


class ReleaseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    why: str = Field(max_length=holds.WHY_CHARS_MAX)
    take_in: bool = False  # what it said while it was held back


class EnterBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    area: str = Field(max_length=12)
    profile: str = Field(max_length=64)
    serial: str = Field(default="", max_length=64)


class ClaimBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=32)
    gateway: str = Field(max_length=64)
    place: str = Field(max_length=claims.PLACE_CHARS_MAX)


# Before the paths that begin with a device's id: `claims` is none.
@router.get("/claims", dependencies=[needs(CLAIM)])
async def waiting(request: Request) -> dict[str, Any]:
    """Registered, and nobody has set it up yet."""
    who = subject(request)
    found = await services(request).store.read(lambda read: claims.waiting(read, who.paths(CLAIM)))
    return {"items": [_claim(each) for each in found[:PAGE_MAX]], "after": None}


@router.post("/claims", status_code=201, dependencies=[needs(ACT)])
async def enter(request: Request, body: EnterBody, key: Key = None) -> JSONResponse:
    """Register a device that stands nowhere yet; its code goes onto the label."""
    who, told = subject(request), {}

    def work(tx: Tx) -> Answer:
        label = claims.enter(tx, who, ACT, body.area, body.profile, body.serial)
        told["code"] = label.code
        return Answer(201, {"device": label.device, "profile": body.profile, "expires": label.expires.isoformat()})

    response = await answered(request, key, work)
    return JSONResponse({**json.loads(bytes(response.body)), **told}, response.status_code)


@router.post("/claim", status_code=201, dependencies=[needs(CLAIM)])
async def claim(request: Request, body: ClaimBody, key: Key = None) -> JSONResponse:
    """Set a device up at a gateway by the code on its label. A wrong code is counted, and five of them are enough."""
    who = subject(request)

    def work(tx: Tx) -> Answer:
        made = claims.redeem(tx, who, CLAIM, body.code, body.gateway, body.place)
        if made is None:
            return Answer(404, None)
        said = {"id": made.id, "gateway": made.gateway, "hut": made.hut, "place": made.place, "life": made.state}
        return Answer(201, said)

    response = await answered(request, key, work)
    if response.status_code == 404:  # said after the commit, or the try would not count
        raise NotFound(_(UNKNOWN))
    return response


@router.get("/{ident}/commands", dependencies=[needs(VIEW)])
async def commands(
    request: Request,
    ident: str,
    after: Annotated[str, Query(max_length=36)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
) -> dict[str, Any]:
    """Newest first."""
    who = subject(request)

    def look(read: Read) -> list[dict[str, Any]]:
        book.one(read, who, ident)
        rule = select(Command).where(col(Command.device) == ident).order_by(col(Command.id).desc()).limit(limit)
        if after:
            rule = rule.where(col(Command.id) < after)
        return [_command(row) for row in read.session.execute(rule).scalars()]

    items = await services(request).store.read(look)
    return {"items": items, "after": items[-1]["id"] if len(items) == limit else None}


@router.get("/{ident}/commands/{command}", dependencies=[needs(VIEW)])
async def one_command(request: Request, ident: str, command: str) -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        book.one(read, who, ident)
        found = read.session.get(Command, command)
        if found is None or found.device != ident:
            raise NotFound(_("There is no such command"))
        return _command(found)

    return await services(request).store.read(look)


@router.post("/{ident}/commands", status_code=201, dependencies=[needs(ACT)])
async def order(request: Request, ident: str, body: CommandBody, key: Key = None) -> JSONResponse:
    """Tell a device to do something; it ends as done, failed or expired."""
    who = subject(request)

    def work(tx: Tx) -> Answer:
        book.one(tx, who, ident, ACT)
        return Answer(201, _command(twin.order(tx, ident, body.name, body.args, expires_s=body.expires_s)))

    return await answered(request, key, work)


@router.get("/{ident}/twin", dependencies=[needs(VIEW)])
async def wishes(request: Request, ident: str) -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        book.one(read, who, ident)
        return _twin(twin.of(read, ident))

    return await services(request).store.read(look)


@router.patch("/{ident}/twin", dependencies=[needs(ACT)])
async def wish(request: Request, ident: str, body: WishBody, key: Key = None) -> JSONResponse:
    who = subject(request)

    def work(tx: Tx) -> Answer:
        book.one(tx, who, ident, ACT)
        twin.want(tx, ident, body.desired)
        return Answer(200, _twin(twin.of(tx, ident)))

    return await answered(request, key, work)


@router.post("/{ident}/release", dependencies=[needs(ACT)])
async def release(request: Request, ident: str, body: ReleaseBody, key: Key = None) -> JSONResponse:
    """Let a device back into use, whatever held it, with what was done."""
    who = subject(request)

    def work(tx: Tx) -> Answer:
        found = book.one(tx, who, ident, ACT)
        for hold in holds.open_of(tx, ident):
            holds.release(tx, hold.id, body.why)
        lifecycle.move(tx, ident, "active", body.why)
        count = takein.wanted(tx, ident, take_in=True) if body.take_in else 0
        return Answer(200, {"id": ident, "life": found.state, "taking_in": count})

    return await answered(request, key, work)


def _command(row: Command) -> dict[str, Any]:
    """Without its arguments: a slip holds values."""
    return {
        "id": row.id, "device": row.device, "name": row.name, "state": row.state, "made": row.made.isoformat(),
        "expires": row.expires.isoformat(), "sent": row.sent_at.isoformat() if row.sent_at else None,
        "ended": row.ended_at.isoformat() if row.ended_at else None, "answer": row.answer,
    }  # fmt: skip


def _twin(row: Twin) -> dict[str, Any]:
    desired, reported = twin.desired(row), twin.reported(row)
    return {
        "desired": desired, "version": row.version, "sent": row.sent, "reported": reported, "applied": row.applied,
        "delta": [each.key for each in twin.delta(desired, reported)],
        "reported_at": row.reported_at.isoformat() if row.reported_at else None,
    }  # fmt: skip


def _claim(row: Claim) -> dict[str, Any]:
    return {
        "device": row.device, "profile": row.profile, "serial": row.serial, "area": row.area,
        "made": row.made.isoformat(), "expires": row.expires.isoformat(),
    }  # fmt: skip

"""Huts, gateways, devices, quarantine and ingest of the JSON API (contracts.md 3).

A list holds what lies in the areas for which the caller holds the permission.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlmodel import col

from hub import directory, idempotency, quarantine, registry
from hub.access import Subject, needs, subject
from hub.civic.operations import board, flow, scope
from hub.civic.operations.board import Place
from hub.civic.operations.scope import ACT, VIEW
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.idempotency import Answer
from hub.page import actor, services
from hub.quarantine import QuarantineRow
from hub.rng import code

PAGE_MAX = 200
router = APIRouter(prefix="/api/v1")
After = Annotated[str, Query(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


class DeviceBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    gateway: str = Field(max_length=64)
    profile: str = Field(max_length=64)
    serial: str | None = Field(default=None, max_length=64)


@router.get("/huts", dependencies=[needs(VIEW)])
async def huts(request: Request, after: After = "", limit: Limit = 100) -> dict[str, Any]:
    places = await _places(request)
    rows = [
        {
            "id": place.id, "area": place.area, "zh": place.zh, "en": place.en, "state": place.word.text.lower(),
            "level": place.word.level, "devices": len(place.boxes), "gateways": [line.id for line in place.lines],
        }
        for place in places
    ]  # fmt: skip
    return _page(rows, after, limit)


@router.get("/gateways", dependencies=[needs(VIEW)])
async def gateways(request: Request, after: After = "", limit: Limit = 100) -> dict[str, Any]:
    rows = [
        {
            "id": line.id, "area": place.area, "hut": place.id if place.id != line.id else None, "state": line.state,
            "since": line.since.isoformat() if line.since else None, "firmware": line.firmware,
        }
        for place in await _places(request)
        for line in place.lines
    ]  # fmt: skip
    return _page(rows, after, limit)


@router.get("/devices", dependencies=[needs(VIEW)])
async def devices(request: Request, after: After = "", limit: Limit = 100) -> dict[str, Any]:
    rows = [
        {
            "id": box.id, "gateway": box.gateway, "hut": box.hut, "area": place.area, "kind": box.kind,
            "profile": box.profile, "zh": box.zh, "en": box.en, "serial": box.serial, "firmware": box.firmware,
            "life": box.life, "state": box.state, "upkeep": box.upkeep,
            "seen": box.seen.isoformat() if box.seen else None,
        }
        for place in await _places(request)
        for box in place.boxes
    ]  # fmt: skip
    return _page(rows, after, limit)


@router.post("/devices", status_code=201, dependencies=[needs(ACT)])
async def enter(
    request: Request, body: DeviceBody, key: Annotated[str | None, Header(alias="Idempotency-Key")] = None
) -> JSONResponse:
    """A device behind a gateway; its id is made here."""
    who = subject(request)
    raw = await request.body()
    answer = await services(request).store.write(
        lambda tx: idempotency.once(
            tx, f"{who.kind}:{who.id} POST /api/v1/devices", key, raw, lambda tx: Answer(201, _enter(tx, who, body))
        ),
        actor(request),
    )
    return JSONResponse(answer.body, answer.status)


@router.get("/quarantine", dependencies=[needs(VIEW)])
async def set_aside(request: Request, after: After = "", limit: Limit = 50) -> dict[str, Any]:
    """Newest first, with the sentence in the language of the request."""
    held = scope.of(subject(request)).holds(QuarantineRow.area)

    def look(read: Read) -> list[dict[str, Any]]:
        rule = select(QuarantineRow).where(held).order_by(col(QuarantineRow.id).desc()).limit(limit)
        if after:
            rule = rule.where(col(QuarantineRow.id) < after)
        return [_aside(row) for row in read.session.execute(rule).scalars()]

    items = await services(request).store.read(look)
    return {"items": items, "after": items[-1]["id"] if len(items) == limit else None}


@router.get("/ingest", dependencies=[needs(VIEW)])
async def ingest(request: Request) -> dict[str, object]:
    hub = services(request)
    return flow.as_json(flow.measure(hub.ingest, hub.clock.now()))


def _enter(tx: Tx, who: Subject, body: DeviceBody) -> dict[str, str]:
    behind = tx.session.get(registry.Gateway, body.gateway)
    if behind is None:
        raise NotFound(_("There is no such gateway; add it first"))
    who.require(ACT, directory.area(tx, behind.area).path)
    ident = f"device-{code(tx.rng)}"
    return {"id": registry.add_device(tx, ident, body.gateway, body.profile, serial=body.serial).id}


def _aside(row: QuarantineRow) -> dict[str, Any]:
    return {
        "id": row.id, "at": row.at.isoformat(), "gateway": row.gateway, "device": row.device, "area": row.area,
        "codec": row.codec, "reason": row.reason, "sentence": quarantine.sentence(row), "bytes": row.payload_bytes,
        "seen": row.seen,
    }  # fmt: skip


async def _places(request: Request) -> list[Place]:
    """The places within the caller's areas."""
    within = scope.of(subject(request))
    return await services(request).store.read(lambda read: board.look(read, within))


def _page(rows: Sequence[dict[str, Any]], after: str, limit: int) -> dict[str, Any]:
    ordered = sorted((row for row in rows if row["id"] > after), key=lambda row: row["id"])
    items = ordered[:limit]
    return {"items": items, "after": items[-1]["id"] if len(ordered) > limit else None}

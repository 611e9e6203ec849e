"""The notices of the JSON API (contracts.md 3). Errors leave as problem+json; the shell makes them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub import idempotency, reach
from hub.access import needs, public, subject
from hub.audience import Audience
from hub.civic.notices import active, board, desk, rules
from hub.civic.notices.models import Notice
from hub.civic.notices.wording import Words
from hub.db import Read, Tx
from hub.idempotency import Answer
from hub.page import actor, services

PAGE_MAX = 100
router = APIRouter(prefix="/api/v1")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


class AudienceBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    areas: list[str] = Field(min_length=1, max_length=200)
    buildings: list[str] = Field(default=[], max_length=200)
    tags: list[str] = Field(default=[], max_length=200)
    roles: list[str] = Field(default=[], max_length=200)
    stairs: list[str] = Field(default=[], max_length=200)
    households: list[str] = Field(default=[], max_length=200)
    unreached: str = Field(default="", max_length=64)


class NoticeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: str = "general"
    title: str
    text: str
    audience: AudienceBody
    priority: str = "routine"
    title_en: str = ""
    text_en: str = ""
    issuer: str = ""
    contact: str = ""
    not_before: AwareDatetime | None = None
    expires: AwareDatetime | None = None

    def words(self) -> Words:
        plain = self.model_dump(exclude={"audience"})
        return Words(audience=Audience.of(self.audience.model_dump()), **plain)


class ReasonBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str


def shape(notice: Notice) -> dict[str, Any]:
    """A notice as the API says it."""
    to = Audience.read(notice.audience)
    return {
        "id": notice.id, "revision": notice.revision, "kind": notice.kind, "priority": notice.priority,
        "title": notice.title, "text": notice.text, "title_en": notice.title_en, "text_en": notice.text_en,
        "issuer": notice.issuer, "contact": notice.contact, "state": notice.state,
        "audience": {"areas": list(to.areas), "buildings": list(to.buildings), "tags": list(to.tags),
                     "roles": list(to.roles), "stairs": list(to.stairs), "households": list(to.households),
                     "unreached": to.unreached},
        "not_before": _time(notice.not_before), "expires": _time(notice.expires),
        "drafted_at": _time(notice.drafted_at), "released_at": _time(notice.released_at),
        "ended_at": _time(notice.ended_at), "reason": notice.reason, "content_hash": notice.content_hash,
    }  # fmt: skip


@router.get("/notices", dependencies=[needs("notices.read")])
async def listing(
    request: Request, state: str = "", after: str = "", limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50
) -> dict[str, Any]:
    who = subject(request)
    states = [state] if state in rules.STATES else [each for each in rules.STATES if not state]

    def read(read: Read) -> list[Notice]:
        return active.listed(read, who.paths("notices.read"), states, before=after, limit=limit)

    items = await services(request).store.read(read)
    return {"items": [shape(each) for each in items], "after": items[-1].id if len(items) == limit else None}


@router.post("/notices", status_code=201, dependencies=[needs("notices.draft")])
async def create(request: Request, body: NoticeBody, key: Key = None) -> JSONResponse:
    who, words = subject(request), body.words()
    return await _command(request, key, lambda tx: Answer(201, shape(desk.draft(tx, who, words))))


@router.get("/notices/{ident}", dependencies=[needs("notices.read")])
async def one(request: Request, ident: str) -> dict[str, Any]:
    who = subject(request)
    return await services(request).store.read(lambda read: shape(_readable(read, who.paths("notices.read"), ident)))


@router.post("/notices/{ident}/approve", dependencies=[needs("notices.read")])
async def approve(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)

    def sign(tx: Tx) -> Answer:
        standing = desk.approve(tx, who, ident)
        lacking = rules.missing(active.notice(tx, ident).priority, {each.part for each in standing})
        signed = [{"part": each.part, "staff": each.staff, "at": _time(each.at)} for each in standing]
        return Answer(200, {"id": ident, "signatures": signed, "missing": list(lacking)})

    return await _command(request, key, sign)


@router.post("/notices/{ident}/release", dependencies=[needs("notices.read")])
async def release(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(desk.release(tx, who, ident))))


@router.post("/notices/{ident}/retract", dependencies=[needs("notices.read")])
async def retract(request: Request, ident: str, body: ReasonBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await _command(request, key, lambda tx: Answer(200, shape(desk.retract(tx, who, ident, body.reason))))


@router.get("/notices/{ident}/reach", dependencies=[needs("notices.read")])
async def reached(request: Request, ident: str) -> dict[str, Any]:
    who = subject(request)

    def read(read: Read) -> dict[str, Any]:
        _readable(read, who.paths("notices.read"), ident)
        sums = reach.sums(read, ident)
        return {"audience": sums.audience, "best": sums.best, "channels": sums.channels, "screens": sums.screens}

    return await services(request).store.read(read)


@router.get("/board-keys", dependencies=[public("every screen needs the public key to believe a board")])
async def board_keys(request: Request) -> dict[str, Any]:
    key = board.BoardKey.open(services(request).data)
    return {"keys": [{"id": key.id, "alg": "Ed25519", "public": base64.b64encode(key.public).decode()}]}


def _readable(read: Read, paths: tuple[str, ...], ident: str) -> Notice:
    """A notice that touches one of the places the reader answers for, or holds there from above."""
    found = active.notice(read, ident)
    return active.touching(read, found, paths)


async def _command(request: Request, key: str | None, command: Callable[[Tx], Answer]) -> JSONResponse:
    who = subject(request)
    scope = f"{who.kind}:{who.id} {request.method} {request.url.path}"
    body = await request.body()
    answer = await services(request).store.write(
        lambda tx: idempotency.once(tx, scope, key, body, command), actor(request)
    )
    return JSONResponse(answer.body, answer.status)


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None

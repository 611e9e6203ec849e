"""The notices of the JSON API (contracts.md 3). Errors leave as problem+json; the shell makes them."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Query, Request, UploadFile
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from hub import directory, reach
from hub.access import needs, public, subject
from hub.audience import Audience
from hub.civic.notices import active, attachments, board, desk, fields, kinds, rules, wording
from hub.civic.notices.attachments import Attachment
from hub.civic.notices.models import Notice
from hub.civic.notices.wording import Words
from hub.command import answered
from hub.db import Read, Tx
from hub.errors import Refused
from hub.i18n import _
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


class FileBody(BaseModel):
    """One picture (JPEG, PNG) or PDF. A request has at most 1 MiB; larger ones go to `/notices/{id}/files`, 8 MiB."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200, examples=["plan.png"])
    content: Base64Bytes = Field(description="the file's bytes in base64")


class NoticeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: str = "general"
    title: str = Field(default="", description="empty: the kind's own, where `fields` are given")
    text: str = Field(default="", description="the whole text; or leave it empty and give `fields`")
    fields: dict[str, str] = Field(
        default={}, max_length=40,
        description="what the kind asks for, by name (`begin`, `end` as local times; `<name>_en`): they make the text",
        examples=[{"begin": "2026-11-23T08:00", "end": "2026-11-23T18:00", "reason": "管道检修"}],
    )  # fmt: skip
    files: list[FileBody] = Field(default=[], max_length=attachments.FILES_MAX)
    audience: AudienceBody
    priority: str = "routine"
    title_en: str = ""
    text_en: str = ""
    issuer: str = ""
    contact: str = ""
    not_before: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    ladder: str = Field(default="", description="followed up like `routine`, `important` or `urgent`; empty: as it is")

    def words(self, read: Read) -> Words:
        """As the desk's composer makes them. Refused in one sentence about the first thing that is wrong."""
        plain = self.model_dump(exclude={"audience", "files"})
        to = Audience.of(self.audience.model_dump())
        if self.fields:
            plain |= self._by_fields(read, directory.area(read, to.areas[0]).tz)
        else:
            plain["fields"] = ""
        plain["contact"] = fields.phone(self.contact)
        return Words(audience=to, **plain)

    def _by_fields(self, read: Read, zone: str) -> dict[str, Any]:
        kind = kinds.every().get(self.kind)
        known = fields.names(kind) if kind is not None else ()
        if self.text or self.text_en:
            raise Refused(_("Either a text or the fields of a kind, not both"))
        strange = [name for name in self.fields if name not in known]
        if kind is None or strange:
            raise Refused(_("This kind has no field {name}").format(name=strange[0][:40]))
        made = fields.built(kind, self.fields, read.now(), zone)
        return {
            "title": self.title or kind.title, "title_en": self.title_en or (kind.title_en if made.text_en else ""),
            "text": made.text, "text_en": made.text_en, "template": kind.template,
            "fields": fields.kept(kind, self.fields), "expires": self.expires or made.ends,
        }  # fmt: skip


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
        "fields": fields.read(notice.fields), "ladder": notice.ladder, "corrects": notice.corrects,
        "files": [{"name": each.name, "type": each.type, "size": each.size, "sha256": each.digest,
                   "url": f"/n/{notice.id}/files/{each.digest}"} for each in attachments.of(notice)],
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
    """A draft; nobody sees it until it is signed and released."""
    who, hub = subject(request), services(request)
    await hub.store.read(lambda read: wording.places(read, who, body.words(read).audience))  # before a file is kept
    kept = [await _kept(request, each.name, each.content) for each in body.files]

    def draft(tx: Tx) -> Answer:
        made = desk.draft(tx, who, body.words(tx))
        for each in kept:
            made = attachments.add(tx, who, made.id, each)
        return Answer(201, shape(made))

    return await answered(request, key, draft)


@router.post("/notices/{ident}/correct", status_code=201, dependencies=[needs("notices.draft")])
async def correct(request: Request, ident: str, body: NoticeBody, key: Key = None) -> JSONResponse:
    """The next revision of a released notice, with its files; where two people sign, a draft that waits for them."""
    who = subject(request)
    if body.files:
        raise Refused(_("Files are attached to a draft; copy the notice to change them"))
    return await answered(request, key, lambda tx: Answer(201, shape(desk.correct(tx, who, ident, body.words(tx)))))


@router.post("/notices/{ident}/files", status_code=201, dependencies=[needs("notices.draft")])
async def attach(request: Request, ident: str, file: UploadFile) -> JSONResponse:
    """Attach one picture or PDF to a draft; all signatures are void."""
    who, hub = subject(request), services(request)
    await hub.store.read(lambda read: active.visible_to(read, who, ident, "notices.draft"))
    made = await _kept(request, file.filename or "", await file.read())
    added = await hub.store.write(lambda tx: shape(attachments.add(tx, who, ident, made)), actor(request))
    return JSONResponse(added, 201)


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

    return await answered(request, key, sign)


@router.post("/notices/{ident}/release", dependencies=[needs("notices.read")])
async def release(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await answered(request, key, lambda tx: Answer(200, shape(desk.release(tx, who, ident))))


@router.post("/notices/{ident}/retract", dependencies=[needs("notices.read")])
async def retract(request: Request, ident: str, body: ReasonBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    return await answered(request, key, lambda tx: Answer(200, shape(desk.retract(tx, who, ident, body.reason))))


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


async def _kept(request: Request, name: str, body: bytes) -> Attachment:
    return await anyio.to_thread.run_sync(attachments.keep, services(request).data, name, body)


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None

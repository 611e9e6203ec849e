"""The desk's pages of a notice's later life: its revisions, a copy as a new draft, files, and the archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import UploadFile

from hub import reach
from hub.access import Subject, needs, public, subject
from hub.civic.notices import active, archive, attachments, cards, coverage_pages, desk, forms, kinds, revisions
from hub.civic.notices.archive import Wanted
from hub.civic.notices.models import Notice
from hub.civic.notices.pages import composer
from hub.db import Read
from hub.directory import Area, area
from hub.errors import NotFound, Refused
from hub.i18n import _
from hub.page import actor, page, see_other, services

router = APIRouter()
# An attachment is data: it may load nothing, run nothing and be put into no page but ours.
_INERT = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Query:
    """What the archive was asked for, as typed, for its form and its links."""

    q: str
    kind: str
    first: str
    last: str


@router.get("/desk/notices/{ident}/copy", dependencies=[needs("notices.draft")])
async def copy(request: Request, ident: str) -> HTMLResponse:
    """The same words once more, as a new draft."""
    who, hub = subject(request), services(request)
    found = await hub.store.read(lambda read: _readable(read, who, ident))
    return await composer(request, forms.copy_of(found, hub.clock.now()))


@router.post("/desk/notices/{ident}/unschedule", dependencies=[needs("notices.read")])
async def unschedule(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: desk.unschedule(tx, who, ident), actor(request))
    return see_other("/desk")


@router.get("/desk/notices/{ident}/versions", dependencies=[needs("notices.read")])
async def versions(request: Request, ident: str) -> HTMLResponse:
    """What was released, word for word, with the changed words; and where the old one still is in people's heads."""
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = _readable(read, who, ident)
        behind = revisions.behind(read, ident, found.revision)
        return {
            "notice": cards.shown(read, found), "versions": revisions.versions(read, ident, whole=True),
            "behind": behind, "behind_all": sum(each.people for each in behind),
        }  # fmt: skip

    return page(request, "notices/versions.html", **await services(request).store.read(look))


@router.post("/desk/notices/{ident}/files", dependencies=[needs("notices.draft")])
async def attach(request: Request, ident: str) -> Response:
    who, hub = subject(request), services(request)
    async with request.form() as form:
        given = form.get("file")
        if not isinstance(given, UploadFile) or not given.filename:
            raise Refused(_("Choose a file first"))
        name, body = given.filename, await given.read()
    await hub.store.read(lambda read: active.visible_to(read, who, ident, "notices.draft"))
    made = await anyio.to_thread.run_sync(attachments.keep, hub.data, name, body)
    await hub.store.write(lambda tx: attachments.add(tx, who, ident, made), actor(request))
    return see_other(f"/desk/notices/{ident}")


@router.post("/desk/notices/{ident}/files/{digest}/remove", dependencies=[needs("notices.draft")])
async def detach(request: Request, ident: str, digest: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: attachments.remove(tx, who, ident, digest), actor(request))
    return see_other(f"/desk/notices/{ident}")


@router.get("/desk/notices/{ident}/files/{digest}", dependencies=[needs("notices.read")])
async def desk_file(request: Request, ident: str, digest: str) -> Response:
    who = subject(request)
    found = await services(request).store.read(lambda read: _readable(read, who, ident))
    return await _file(request, found, digest)


@router.get("/n/{ident}/files/{digest}", dependencies=[public("what is attached to a public notice is public")])
async def public_file(request: Request, ident: str, digest: str) -> Response:
    found = await services(request).store.read(lambda read: active.notice(read, ident))
    if found.state != "released":
        raise NotFound(_("There is no such file"))
    return await _file(request, found, digest)


@router.get("/desk/archive", dependencies=[needs("notices.read")])
async def archived(
    request: Request, q: str = "", kind: str = "", first: str = "", last: str = "", before: str = ""
) -> HTMLResponse:
    who, asked = subject(request), Query(q[:60], kind[:32], first[:10], last[:10])

    def look(read: Read) -> dict[str, Any]:
        rows = archive.found(read, who.paths("notices.read"), _wanted(read, who, asked), before=before[:36])
        shown = [(cards.shown(read, each), cards.area_names(active.areas_of(read, each.id))) for each in rows]
        return {"rows": shown, "after": rows[-1].id if len(rows) == archive.PAGE else ""}

    found = await services(request).store.read(look)
    return page(request, "notices/archive.html", asked=asked, kinds=list(kinds.every().values()), **found)


@router.get("/desk/archive.csv", dependencies=[needs("notices.read")])
async def exported(request: Request, q: str = "", kind: str = "", first: str = "", last: str = "") -> Response:
    """What was found, whole, as a table."""
    who, asked = subject(request), Query(q[:60], kind[:32], first[:10], last[:10])

    def look(read: Read) -> list[list[object]]:
        rows = archive.found(
            read, who.paths("notices.read"), _wanted(read, who, asked), limit=archive.EXPORTED_MAX
        )  # fmt: skip
        return [_line(read, each) for each in rows]

    heads = (
        _("Number"), _("Revision"), _("Kind"), _("Priority"), _("State"), _("Title"), _("Text"),
        _("Title in English"), _("Text in English"), _("Issuer"), _("Phone"), _("Area"), _("From"), _("Ended"),
        _("Reason"), _("Meant for"), _("Seen"),
    )  # fmt: skip
    return coverage_pages.csv_answer("archive.csv", heads, await services(request).store.read(look))


def _line(read: Read, notice: Notice) -> list[object]:
    shown, sums = cards.shown(read, notice), reach.sums(read, notice.id)
    zone = read.session.get_one(Area, notice.place)
    ended = coverage_pages.local(notice.ended_at, zone) if notice.ended_at else ""
    return [
        notice.id, notice.revision, shown.kind, shown.priority_word, shown.state_word, notice.title, notice.text,
        notice.title_en, notice.text_en, notice.issuer, notice.contact,
        cards.area_names(active.areas_of(read, notice.id)), coverage_pages.local(shown.at, zone), ended, shown.reason,
        sums.audience, sums.at_least(reach.BEST, "seen"),
    ]  # fmt: skip


def _wanted(read: Read, who: Subject, asked: Query) -> Wanted:
    return Wanted.of(asked.q, asked.kind, asked.first, asked.last, area(read, who.area).tz)


async def _file(request: Request, notice: Notice, digest: str) -> Response:
    named = attachments.named(notice, digest)
    tag = f'"{named.digest}"'
    headers = {
        "etag": tag, "cache-control": "private, no-cache", "content-security-policy": _INERT,
        "content-disposition": _disposition(named), "cross-origin-resource-policy": "same-origin",
    }  # fmt: skip
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = await anyio.to_thread.run_sync(attachments.body, services(request).data, named.digest)
    return Response(body, media_type=named.type, headers=headers)


def _disposition(named: attachments.Attachment) -> str:
    """Pictures stand in the page; a PDF is saved, never opened under our name."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", named.name)
    how = "inline" if named.picture else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(named.name, safe='')}"


def _readable(read: Read, who: Subject, ident: str) -> Notice:
    return active.touching(read, active.notice(read, ident), who.paths("notices.read"))

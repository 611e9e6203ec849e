"""/why/{id} and /frames/{id}: how something came to be, down to the bytes, for residents and staff alike.

Both serve every surface. Staff links carry `?surface=staff`; without it whoever has only a staff session is sent there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import col

from hub import frames, retention, sightings, why
from hub.access import Subject, needs, public, subject
from hub.civic.operations import acts, scope
from hub.civic.operations.scope import VIEW
from hub.db import Read
from hub.errors import NotFound, NotSignedIn
from hub.i18n import N_, _
from hub.page import actor, page, see_other, services
from hub.quarantine import QuarantineRow
from hub.readings import Reading
from hub.registry import Device
from hub.why import Chain, Link

TELLS = ("device", "gateway", "hut", "reason", "state", "rule", "level", "channel", "count", "amount", "how", "key")
ACTORS = {
    "hub": N_("the hub itself"),
    "resident": N_("a resident"),
    "staff": N_("a member of staff"),
    "token": N_("a program with a token"),
    "kiosk": N_("a kiosk"),
    "cli": N_("the command line"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A link as the page draws it."""

    id: str
    word: str  # msgid; empty: hidden
    at: datetime | None
    actor: str
    behalf: str
    facts: tuple[tuple[str, str], ...]
    frame: str  # the reading whose frame can be opened
    asked: bool


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    own = [public("it shows each reader only what they may see; who is not signed in is asked to")]
    routes.add_api_route("/why/{ident:path}", chain, methods=["GET"], dependencies=own)
    routes.add_api_route("/frames/{ident}", frame, methods=["GET"], dependencies=own)
    routes.add_api_route("/operate/quarantine/{ident}", aside, methods=["GET"], dependencies=[needs(VIEW)])
    return routes


async def chain(request: Request, ident: str) -> Response:
    who = _reader(request)
    if who is None:
        return _elsewhere(request)
    hub = services(request)
    traces = [module.trace for module in hub.modules if module.trace is not None]

    def look(read: Read) -> tuple[list[Shown], list[Shown]]:
        found = why.chain(read, ident, who, traces)
        return _shown(read, found, found.way, who), _shown(read, found, found.followed, who)

    way, followed = await hub.store.read(look)
    return page(
        request, "operations/why.html", shell=_shell(who), way=way, followed=followed, tail=_tail(who), ident=ident
    )


async def frame(request: Request, ident: str) -> Response:
    """Each byte of the frame behind a reading. Whose values somebody else opens learns of it."""
    who = _reader(request)
    if who is None:
        return _elsewhere(request)
    store, keep_days = services(request).store, retention.days(services(request).config)
    found = await store.read(lambda read: frames.of_reading(read, who, ident, keep_days))
    if found.open and who.kind != "resident":
        rows = await store.read(lambda read: _row(read, ident))
        await store.write(lambda tx: sightings.leave(tx, who, rows, "frame"), actor(request))
    return page(request, "operations/frame.html", shell=_shell(who), frame=found, tail=_tail(who), days=keep_days)


async def aside(request: Request, ident: str) -> Response:
    who = subject(request)

    def look(read: Read) -> frames.Frame:
        device = read.session.execute(select(col(QuarantineRow.device)).where(col(QuarantineRow.id) == ident)).scalar()
        known = read.session.get(Device, device or "")
        held = scope.of(who).holds(QuarantineRow.area)
        return frames.set_aside(read, held, ident, known.profile if known is not None else None)

    found = await services(request).store.read(look)
    return page(request, "operations/frame.html", shell=_shell(who), frame=found, tail=_tail(who))


def _row(read: Read, ident: str) -> list[Reading]:
    row = read.session.get(Reading, ident)
    return [row] if row is not None else []


def _reader(request: Request) -> Subject | None:
    """Who asks; None where only another surface's session is there."""
    who = subject(request)
    if who.kind != "nobody":
        if who.kind not in ("resident", "staff", "token"):
            raise NotFound(_("There is nothing here for you"))
        return who
    staff = any(name.endswith("linli_staff") for name in request.cookies)
    if staff and request.query_params.get("surface") != "staff":
        return None
    raise NotSignedIn(_("Please sign in first"))


def _elsewhere(request: Request) -> Response:
    return see_other(f"{request.url.path}?surface=staff")


def _shell(who: Subject) -> str:
    return "resident.html" if who.kind == "resident" else "staff.html"


def _tail(who: Subject) -> str:
    return "" if who.kind == "resident" else "?surface=staff"


def _shown(read: Read, found: Chain, links: tuple[Link, ...], who: Subject) -> list[Shown]:
    asked = found.way[-1].node
    staff = {
        name.partition(":")[2]
        for link in links
        if link.node
        for name in (link.node.actor, link.node.on_behalf_of or "")
    }
    names = acts.called(read, staff) if who.kind != "resident" else {}
    return [_one(link, names, link.node is not None and link.node is asked) for link in links]


def _one(link: Link, names: dict[str, str], asked: bool) -> Shown:
    node = link.node
    if node is None:
        return Shown("", "", None, "", "", (), "", False)
    facts = tuple((name, str(node.detail[name])) for name in TELLS if node.detail and node.detail.get(name) is not None)
    opened = node.about if node.kind in ("frame", "reading") else ""
    behalf = _called(node.on_behalf_of, names) if node.on_behalf_of else ""
    return Shown(
        node.id, link.word, node.at, _called(node.actor, names) if node.actor else "", behalf, facts, opened, asked
    )


def _called(actor: str, names: dict[str, str]) -> str:
    """Colleagues by masked name; residents and programs by what they are, never by who."""
    kind, _colon, ident = actor.partition(":")
    return names.get(ident) or _(ACTORS.get(kind, kind))

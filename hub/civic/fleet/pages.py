"""/operate/fleet: every device, its papers and orders, recalls; a label is printed here, its code shown once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub import lifecycle, recall, registry, twin
from hub.access import Subject, covers, needs, subject
from hub.civic.fleet import book, certificates, claims, holds, lots, takein
from hub.civic.fleet.book import ACT, CLAIM, VIEW
from hub.civic.fleet.certificates import Paper
from hub.civic.fleet.lots import Strips
from hub.civic.fleet.models import Hold
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import N_, _, pick
from hub.page import actor, page, public_base, see_other, services
from hub.qr import svg
from hub.registry import Gateway

ZONE = ZoneInfo("Asia/Shanghai")
AREAS_MAX = 60
Text = Annotated[str, Form(max_length=400)]
router = APIRouter(include_in_schema=False)


@router.get("/operate/fleet", dependencies=[needs(VIEW)])
async def listing(request: Request, q: Annotated[str, Query(max_length=64)] = "") -> HTMLResponse:
    return await _list(request, q)


async def _list(request: Request, q: str = "", *, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        return {
            "rows": book.rows(read, who, q),
            "waiting": claims.waiting(read, who.paths(VIEW)),
            "strangers": book.strangers(read, who),
            "areas": _areas(read, who),
            "gateways": _gateways(read, who),
        }

    found = await services(request).store.read(look)
    return page(
        request, "fleet/list.html", status, q=q, wrong=wrong, life=book.LIFE, paper=book.PAPER, may_act=who.may(ACT),
        may_claim=who.may(CLAIM), profiles=book.models(),
        now=services(request).clock.now(), password="", gateway="", **found,
    )  # fmt: skip


def _areas(read: Read, who: Subject) -> list[tuple[str, str]]:
    """Where one may register devices: the highest areas first."""
    held = who.paths(ACT)
    rule = select(Area).order_by(col(Area.path))
    rows = [row for row in read.session.execute(rule).scalars() if any(covers(path, row.path) for path in held)]
    return [(row.code, pick(row.zh, row.en)) for row in rows[:AREAS_MAX]]


def _gateways(read: Read, who: Subject) -> list[str]:
    rule = select(col(Gateway.id), col(Area.path)).join(Area, col(Area.code) == col(Gateway.area))
    rows = read.session.execute(rule.order_by(col(Gateway.id)))
    return [gateway for gateway, path in rows if who.may(ACT, path)]


@router.post("/operate/fleet", dependencies=[needs(ACT)])
async def enter(request: Request, area: Text, profile: Text, serial: Text = "") -> Response:
    who = subject(request)
    try:
        label = await services(request).store.write(
            lambda tx: claims.enter(tx, who, ACT, area, profile, serial), actor(request)
        )
    except LinliError as error:
        return await _list(request, wrong=error.sentence, status=error.status)
    return _label(request, label)


@router.post("/operate/fleet/claims/{ident}/label", dependencies=[needs(ACT)])
async def relabel(request: Request, ident: str) -> Response:
    who = subject(request)
    return _label(
        request, await services(request).store.write(lambda tx: claims.again(tx, who, ACT, ident), actor(request))
    )


def _label(request: Request, label: claims.Label) -> HTMLResponse:
    link = f"{public_base(request)}/claim?code={label.code}"
    return page(request, "fleet/label.html", label=label, qr=svg(link), link=link)


@router.post("/operate/fleet/gateways/rotate", dependencies=[needs(ACT)])
async def rotate(request: Request, gateway: Text, hours: Annotated[int, Form(ge=0, le=168)] = 24) -> Response:
    """A new password, shown this once; the old one works on while somebody carries it to the hut."""
    who = subject(request)

    def work(tx: Tx) -> str:
        if gateway not in _gateways(tx, who):
            raise NotFound(_("There is no such gateway; add it first"))
        return registry.rotate_credential(tx, gateway, overlap_s=hours * 3600)

    password = await services(request).store.write(work, actor(request))
    return page(request, "fleet/password.html", gateway=gateway, password=password, hours=hours)


@router.get("/operate/fleet/recall", dependencies=[needs(ACT)])
async def recalls(
    request: Request,
    device: Annotated[str, Query(max_length=64)] = "",
    lot: Annotated[str, Query(max_length=64)] = "",
    since: str = "",
    until: str = "",
) -> HTMLResponse:
    return await _recall(request, device, lot, since, until)


async def _recall(
    request: Request, device: str, lot: str, since: str, until: str, wrong: str = "", status: int = 200
) -> HTMLResponse:
    found = None
    if (device or lot) and since and until and not wrong:
        try:
            query = _query(device, lot, since, until)
            found = await services(request).store.read(lambda read: _look(read, subject(request), query))
        except LinliError as error:
            wrong, status = error.sentence, error.status
    return page(
        request, "fleet/recall.html", status, device=device, lot=lot, since=since, until=until, found=found,
        wrong=wrong, reasons=REASONS,
    )  # fmt: skip


REASONS = dict(zip(recall.REASONS, (N_("Recalled"), N_("Not calibrated"), N_("Bad strip lot")), strict=True))


@router.post("/operate/fleet/recall", dependencies=[needs(ACT)])
async def recall_now(
    request: Request, since: Text, until: Text, reason: Text, words: Text = "", device: Text = "", lot: Text = ""
) -> Response:
    who = subject(request)

    def work(tx: Tx) -> recall.Recall:
        query = _query(device, lot, since, until)
        _look(tx, who, query)
        return recall.flag(tx, query, reason, words)

    try:
        made = await services(request).store.write(work, actor(request))
    except LinliError as error:
        return await _recall(request, device, lot, since, until, error.sentence, error.status)
    return page(request, "fleet/recalled.html", made=made, reasons=REASONS)


def _look(read: Read, who: Subject, query: recall.Query) -> recall.Found:
    """A lot lies in meters of many huts, so it is recalled by who answers for the whole tree, or by device."""
    if query.device:
        book.one(read, who, query.device, ACT)
    elif not all(path.count("/") == 0 for path in who.paths(ACT)):
        raise Refused(_("Name the device as well: other communities use strips of this lot"))
    return recall.look(read, query)


def _query(device: str, lot: str, since: str, until: str) -> recall.Query:
    first, last = _day(since), _day(until)
    begin = datetime.combine(first, time(), ZONE)
    return recall.Query(begin, datetime.combine(last + timedelta(days=1), time(), ZONE), device.strip(), lot.strip())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(_("A day is written as 2026-11-22")) from None


@router.get("/operate/fleet/{ident}", dependencies=[needs(VIEW)])
async def device(request: Request, ident: str) -> HTMLResponse:
    return await _sheet(request, ident)


async def _sheet(request: Request, ident: str, *, wrong: str = "", status: int = 200) -> HTMLResponse:
    who, hub = subject(request), services(request)
    sheet = await hub.store.read(lambda read: book.sheet(read, who, ident))
    return page(
        request, "fleet/device.html", status, sheet=sheet, wrong=wrong, life=book.LIFE, paper=book.PAPER,
        commands=book.COMMANDS, happened=book.HAPPENED, states=book.COMMAND_STATES, units=lots.UNITS,
        may_act=who.may(ACT), now=hub.clock.now(),
    )  # fmt: skip


async def _act(request: Request, ident: str, work: Callable[[Tx], object], permission: str = ACT) -> Response:
    """One change of one device, then back to its page; what cannot be done is said there."""
    who = subject(request)

    def held(tx: Tx) -> None:
        book.one(tx, who, ident, permission)
        work(tx)

    try:
        await services(request).store.write(held, actor(request))
    except NotFound:
        raise
    except LinliError as error:
        return await _sheet(request, ident, wrong=error.sentence, status=error.status)
    return see_other(f"/operate/fleet/{ident}")


@router.post("/operate/fleet/{ident}/state", dependencies=[needs(ACT)])
async def state(request: Request, ident: str, to: Text, why: Text = "") -> Response:
    def work(tx: Tx) -> None:
        if not why.strip():
            raise Refused(_("Say what was done, in {n} characters at most").format(n=holds.WHY_CHARS_MAX))
        for hold in holds.open_of(tx, ident) if to == "active" else ():
            holds.release(tx, hold.id, why)
        lifecycle.move(tx, ident, to, why)

    return await _act(request, ident, work)


@router.post("/operate/fleet/{ident}/certificate", dependencies=[needs(ACT)])
async def certificate(
    request: Request,
    ident: str,
    number: Text,
    institute: Text,
    standard: Text,
    issued: Text,
    due: Text,
    result: Text = "pass",
    paper: Annotated[UploadFile | None, File()] = None,
) -> Response:
    content = await paper.read(certificates.FILE_BYTES_MAX + 1) if paper is not None else b""

    def work(tx: Tx) -> None:
        typed = Paper(
            number, institute, standard, _day(issued), _day(due), result == "pass", certificates.fingerprint(content)
        )
        certificates.enter(tx, ident, typed)

    return await _act(request, ident, work)


@router.post("/operate/fleet/{ident}/lot", dependencies=[needs(CLAIM)])
async def lot(
    request: Request, ident: str, number: Text, expires: Text, low: Text, high: Text, unit: Text = "mmol/L"
) -> Response:
    return await _act(
        request, ident, lambda tx: lots.open_lot(tx, ident, Strips(number, _day(expires), low, high, unit)), CLAIM
    )


@router.post("/operate/fleet/{ident}/check", dependencies=[needs(CLAIM)])
async def check(request: Request, ident: str, value: Text) -> Response:
    return await _act(request, ident, lambda tx: lots.check(tx, ident, value), CLAIM)


@router.post("/operate/fleet/{ident}/command", dependencies=[needs(ACT)])
async def command(request: Request, ident: str, name: Text) -> Response:
    return await _act(request, ident, lambda tx: twin.order(tx, ident, name))


@router.post("/operate/fleet/{ident}/wish", dependencies=[needs(ACT)])
async def wish(request: Request, ident: str, key: Text, value: Text = "") -> Response:
    def work(tx: Tx) -> None:
        name = key.strip()
        if not 0 < len(name) <= 32 or not name.isascii() or not name.replace("_", "").isalnum():
            raise Refused(_("A setting is named by letters, digits and _"))
        twin.want(tx, ident, {name: value.strip() or None})

    return await _act(request, ident, work)


@router.post("/operate/fleet/{ident}/aside", dependencies=[needs(ACT)])
async def aside(request: Request, ident: str, take: Text) -> Response:
    """What becomes of the frames that were set aside while the device was held back."""
    return await _act(request, ident, lambda tx: takein.wanted(tx, ident, take_in=take == "in"))


@router.post("/operate/fleet/holds/{ident}/release", dependencies=[needs(ACT)])
async def release(request: Request, ident: str, why: Text = "", take: Text = "") -> Response:
    """Let it back; with `take` what it said meanwhile is taken in as soon as it is in use."""
    who, hub = subject(request), services(request)

    def work(tx: Tx) -> str:
        hold = tx.session.get(Hold, ident)
        area = tx.session.get(Area, hold.area) if hold is not None else None
        if hold is None or not who.may(ACT, area.path if area is not None else ""):
            raise NotFound(_("There is nothing to release"))
        holds.release(tx, ident, why)
        if take == "in":
            takein.wanted(tx, hold.device, take_in=True)
        return hold.device if tx.session.get(registry.Device, hold.device) is not None else ""

    found = await hub.store.write(work, actor(request))
    return see_other(f"/operate/fleet/{found}" if found else "/operate/fleet")

"""Where guides are read (/guides, the hut's kiosk) and where the desk keeps them (/desk/guides)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory
from hub.access import needs, public, signed_in, subject
from hub.civic.guides import book, cards
from hub.civic.guides.book import Draft
from hub.civic.guides.models import Guide
from hub.db import Read
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import _, pick
from hub.page import actor, page, page_live, see_other, services

PUBLIC = "what one must bring, do and pay is public"
BACK_S = 60  # as long as the hut's own page waits before it asks whether somebody is there
KIOSK_MAX = 5  # choices on one screen
Text = Annotated[str, Form(max_length=5_000)]
router = APIRouter(include_in_schema=False)


@router.get("/guides", dependencies=[public(PUBLIC)])
async def listing(
    request: Request,
    area: Annotated[str, Query(max_length=12)] = "",
    q: Annotated[str, Query(max_length=60)] = "",
) -> HTMLResponse:
    code = area or subject(request).area or request.cookies.get("linli_area", "")
    hub = services(request)
    place = await hub.store.read(lambda read: directory.area(read, code))
    title = pick(place.zh, place.en)
    if not q.strip():
        topic = f"guides.page:{place.code}"
        return await page_live(request, "guides/page.html", topics=[topic], topic=topic, place=title, area=code, q="")

    def look(read: Read) -> list[cards.Shown]:
        return [cards.shown(read, each) for each in book.matching(book.offered(read, place.code), q)]

    found = await hub.store.read(look)
    return page(request, "guides/page.html", topic="", items=found, place=title, area=code, q=q.strip())


@router.get("/guides/{ident}", dependencies=[public(PUBLIC)])
async def one(request: Request, ident: str) -> HTMLResponse:
    return page(request, "guides/one.html", guide=await _public(request, ident))


@router.get("/kiosk/-/guides", dependencies=[signed_in("kiosk")])
async def kiosk_list(request: Request, start: Annotated[int, Query(ge=0, le=1_000)] = 0) -> HTMLResponse:
    hub, who = services(request), subject(request)
    found = await hub.store.read(lambda read: cards.whole(read, who.area)["items"])
    shown, more = found[start : start + KIOSK_MAX], start + KIOSK_MAX < len(found)
    return page(
        request, "guides/kiosk_list.html", hut=who.hut, back_s=BACK_S, items=shown, start=start,
        after=start + KIOSK_MAX if more else 0, before=max(0, start - KIOSK_MAX),
    )  # fmt: skip


@router.get("/kiosk/-/guides/{ident}", dependencies=[signed_in("kiosk")])
async def kiosk_one(request: Request, ident: str) -> HTMLResponse:
    guide = await _public(request, ident)
    return page(request, "guides/kiosk_one.html", hut=subject(request).hut, back_s=BACK_S, guide=guide)


async def _public(request: Request, ident: str) -> cards.Shown:
    def look(read: Read) -> cards.Shown:
        found = book.guide(read, ident)
        if found.state != "published":
            raise NotFound(_("There is no such guide"))
        return cards.shown(read, found)

    return await services(request).store.read(look)


@router.get("/desk/guides", dependencies=[needs("guides.read")])
async def desk(request: Request) -> HTMLResponse:
    who = subject(request)
    topic = f"guides.desk:{who.area}"
    may_write = who.may("guides.write")
    return await page_live(request, "guides/desk.html", topics=[topic], topic=topic, may_write=may_write)


@router.get("/desk/guides/new", dependencies=[needs("guides.write")])
async def blank(request: Request) -> HTMLResponse:
    return page(request, "guides/edit.html", ident="", rev=0, written={"fee": "0", "days": "0"}, wrong="")


@router.get("/desk/guides/{ident}", dependencies=[needs("guides.write")])
async def edit(request: Request, ident: str) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> Guide:
        found = book.guide(read, ident)
        who.require("guides.write", directory.area(read, found.area).path)
        return found

    found = await services(request).store.read(look)
    written = {name: str(getattr(found, name)) for name in Draft.__dataclass_fields__}
    written["fee"] = cards.yuan(found.fee_fen)
    return page(request, "guides/edit.html", ident=ident, rev=found.rev, written=written, wrong="", state=found.state)


@router.post("/desk/guides", dependencies=[needs("guides.write")])
async def publish(request: Request) -> Response:
    who = subject(request)
    written = await _written(request)
    try:
        draft = _draft(written)
        await services(request).store.write(lambda tx: book.publish(tx, who, who.area, draft), actor(request))
    except LinliError as error:
        return page(request, "guides/edit.html", error.status, ident="", rev=0, written=written, wrong=error.sentence)
    return see_other("/desk/guides")


@router.post("/desk/guides/{ident}", dependencies=[needs("guides.write")])
async def change(request: Request, ident: str) -> Response:
    who = subject(request)
    written = await _written(request)
    rev = int(written.get("rev", "0")) if written.get("rev", "").isdigit() else 0
    try:
        draft = _draft(written)
        await services(request).store.write(lambda tx: book.change(tx, who, ident, draft, rev), actor(request))
    except LinliError as error:
        return page(
            request, "guides/edit.html", error.status, ident=ident, rev=rev, written=written, wrong=error.sentence
        )
    return see_other("/desk/guides")


@router.post("/desk/guides/{ident}/withdraw", dependencies=[needs("guides.write")])
async def withdraw(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: book.withdraw(tx, who, ident), actor(request))
    return see_other("/desk/guides")


async def _written(request: Request) -> dict[str, str]:
    """Every field as it was typed, so that a refused form comes back as it went."""
    form = await request.form(max_fields=40)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _draft(written: dict[str, str]) -> Draft:
    days = written.get("days", "").strip() or "0"
    if not (days.isascii() and days.isdigit() and len(days) <= 3):
        raise Refused(_("The fee or the number of days cannot be right"))
    taken: dict[str, Any] = {name: written.get(name, "") for name in asdict(Draft("", "", 0, "", ""))}
    return Draft(**{**taken, "fee_fen": book.fen(written.get("fee", "")), "days": int(days)})

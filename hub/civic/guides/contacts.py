"""Whom to call (联系社区, 便民电话): kept by the desk, on the phone, the kiosk and the television."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject, needs, public, signed_in, subject
from hub.civic.guides.models import Contact
from hub.db import Read, Tx
from hub.errors import LinliError, NotFound, Refused
from hub.events import ContactChanged
from hub.i18n import N_, _, pick
from hub.module import Card, Topic
from hub.page import actor, page, page_live, see_other, services

TOPICS_SHOWN = ("guides.contacts", "guides.contacts_tv")
LISTED_MAX = 30
PHONE = re.compile(r"\+?[0-9][0-9 \-]{1,30}(?:转[0-9]{1,6})?")
Text = Annotated[str, Form(max_length=400)]
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A number in the reader's language."""

    id: str
    title: str
    phone: str
    dial: str
    hours: str


def keep(
    tx: Tx, by: Subject, area: str, *, zh: str, phone: str, en: str = "", hours_zh: str = "", hours_en: str = ""
) -> Contact:
    """A further number, below those that stand."""
    by.require("guides.write", directory.area(tx, area).path)
    if not zh.strip() or not PHONE.fullmatch(phone.strip()):
        raise Refused(_("A contact needs a name and a telephone number such as 0724-2345678"))
    if len(zh) > 60 or len(en) > 120 or len(hours_zh) > 120 or len(hours_en) > 240:
        raise Refused(_("The name or the hours are too long"))
    own = list(tx.session.execute(select(col(Contact.place)).where(col(Contact.area) == area)).scalars())
    if len(own) >= LISTED_MAX:
        raise Refused(_("At most {n} numbers stand here; take one away first").format(n=LISTED_MAX))
    made = Contact(
        id=tx.new_id(), area=area, zh=zh.strip(), en=en.strip(), phone=phone.strip(), hours_zh=hours_zh.strip(),
        hours_en=hours_en.strip(), place=max(own, default=0) + 1, changed_by=by.id, changed_at=tx.now(),
    )  # fmt: skip
    tx.session.add(made)
    _show(tx, area, made.id, kept=True)
    return made


def drop(tx: Tx, by: Subject, ident: str) -> None:
    found = tx.session.get(Contact, ident)
    if found is None:
        raise NotFound(_("This number is not here any more"))
    by.require("guides.write", directory.area(tx, found.area).path)
    tx.session.delete(found)
    _show(tx, found.area, ident, kept=False)


def listed(read: Read, area: str) -> list[Entry]:
    """The community's own numbers first, then those of the areas above it."""
    above = [each for each in directory.area(read, area).path.split("/") if each]
    found = read.session.execute(select(Contact).where(col(Contact.area).in_(above))).scalars()
    ranked = sorted(found, key=lambda each: (-above.index(each.area), each.place, each.id))
    return [entry(each) for each in ranked]


def entry(found: Contact) -> Entry:
    dial = re.sub(r"[^0-9+]", "", found.phone.split("转")[0])
    return Entry(found.id, pick(found.zh, found.en), found.phone, dial, pick(found.hours_zh, found.hours_en))


def _show(tx: Tx, area: str, ident: str, *, kept: bool) -> None:
    tx.session.flush()
    tx.emit(ContactChanged, contact=ident, area=area, kept=kept)
    for place in directory.below(tx, [area]):
        for topic in TOPICS_SHOWN:
            tx.touch(topic, place.code)


@router.get("/contacts", dependencies=[public("whom to call is public")])
async def shown(request: Request, area: Annotated[str, Query(max_length=12)] = "") -> HTMLResponse:
    code = area or subject(request).area or request.cookies.get("linli_area", "")
    place = await services(request).store.read(lambda read: directory.area(read, code))
    topic = f"guides.contacts:{place.code}"
    title = pick(place.zh, place.en)
    return await page_live(request, "guides/contacts.html", topics=[topic], topic=topic, place=title, kiosk="")


@router.get("/kiosk/-/contacts", dependencies=[signed_in("kiosk")])
async def at_kiosk(request: Request) -> HTMLResponse:
    who = subject(request)
    items = await services(request).store.read(lambda read: listed(read, who.area))
    return page(request, "guides/kiosk_contacts.html", hut=who.hut, items=items[:12])


@router.get("/desk/contacts", dependencies=[needs("guides.read")])
async def kept(request: Request) -> HTMLResponse:
    return await _desk(request, {})


async def _desk(request: Request, written: dict[str, str], wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> list[Entry]:
        query = select(Contact).where(col(Contact.area) == who.area).order_by(col(Contact.place), col(Contact.id))
        return [entry(each) for each in read.session.execute(query).scalars()]

    items = await services(request).store.read(look)
    may_write = who.may("guides.write")
    return page(
        request, "guides/desk_contacts.html", status, items=items, may_write=may_write, written=written, wrong=wrong
    )


@router.post("/desk/contacts", dependencies=[needs("guides.write")])
async def add(
    request: Request, zh: Text, phone: Text, en: Text = "", hours_zh: Text = "", hours_en: Text = ""
) -> Response:
    who = subject(request)
    told = {"zh": zh, "phone": phone, "en": en, "hours_zh": hours_zh, "hours_en": hours_en}
    try:
        await services(request).store.write(lambda tx: keep(tx, who, who.area, **told), actor(request))
    except LinliError as error:
        return await _desk(request, told, error.sentence, error.status)
    return see_other("/desk/contacts")


@router.post("/desk/contacts/{ident}/drop", dependencies=[needs("guides.write")])
async def take_away(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: drop(tx, who, ident), actor(request))
    return see_other("/desk/contacts")


def _view(read: Read, area: str) -> Mapping[str, Any]:
    return {"items": listed(read, area)}


def _anyone(_subject: Subject, key: str) -> bool:
    return len(key) == 12 and key.isascii() and key.isdigit()


TOPICS = (
    Topic("guides.contacts", "guides/contacts_list.html", _view, _anyone),
    Topic("guides.contacts_tv", "guides/contacts_tv.html", _view, _anyone),
)
CARDS = (Card("tv", "guides.contacts_tv", "area", order=60, title=N_("Contact the community")),)

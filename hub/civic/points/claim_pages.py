"""The resident's pages of claims: declare, follow, withdraw, object; the public notice; why an entry stands."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from hub import directory
from hub.access import Subject, public, signed_in, subject
from hub.civic.points import catalogue, claim_rules, claims, docket, docket_cards, duty, keepers, photos, publicity
from hub.civic.points.catalogue import Item
from hub.civic.points.claims import Draft
from hub.civic.points.photos import Picture
from hub.db import Read
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import _, pick
from hub.page import acted, actor, page, page_live, see_other, services

Text = Annotated[str, Form(max_length=600)]
FIELD_MAX = 600
FIELDS = ("owner", "whose", "item", "day", "began", "hours", "words", "place", "number", "about")
router = APIRouter(include_in_schema=False)


@router.get("/me/points/claims", dependencies=[signed_in("resident")])
async def listing(request: Request) -> HTMLResponse:
    topic = f"points.claims:{subject(request).person}"
    return await page_live(request, "points/claims.html", topics=[topic], topic=topic)


@router.get("/me/points/claims/new", dependencies=[signed_in("resident")])
async def blank(request: Request, whose: str = "") -> HTMLResponse:
    return await _form(request, {"whose": whose} if whose else {})


@router.post("/me/points/claims/new", dependencies=[signed_in("resident")])
async def declare(request: Request, item: Text) -> Response:
    who, written = subject(request), await filled(request, item)
    try:
        pictures = await read_photos(request)
        draft = drafted(written, *_whose(who, written["whose"]))
        made = await services(request).store.write(
            lambda tx: claims.declare(tx, who, draft, pictures), actor(request), can_wait=True
        )
    except LinliError as error:
        return await _form(request, written, error.sentence, error.status)
    return see_other(f"/me/points/claims/{made.id}")


@router.get("/me/points/claims/{ident}", dependencies=[signed_in("resident")])
async def one(request: Request, ident: str) -> HTMLResponse:
    return await _one(request, ident)


@router.get("/me/points/claims/{ident}/photos/{photo}", dependencies=[signed_in("resident")])
async def picture(request: Request, ident: str, photo: str) -> Response:
    who = subject(request)

    def look(read: Read) -> tuple[str, bytes]:
        _mine(read, who, ident)
        return photos.body(read, ident, photo)

    return shown(*await services(request).store.read(look))


@router.post("/me/points/claims/{ident}/withdraw", dependencies=[signed_in("resident")])
async def withdraw(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: claims.withdraw(tx, who, ident), actor(request))
    return see_other(f"/me/points/claims/{ident}")


@router.post("/me/points/claims/{ident}/again", dependencies=[signed_in("resident")])
async def again(request: Request, ident: str, words: Text, place: Text = "") -> Response:
    """What was sent back, completed."""
    who = subject(request)
    try:
        pictures = await read_photos(request)
        made = await services(request).store.write(
            lambda tx: claims.amend(tx, who, ident, _completed(docket.find(tx, ident), words, place), pictures),
            actor(request),
        )
    except LinliError as error:
        return await _one(request, ident, error.sentence, error.status)
    return see_other(f"/me/points/claims/{made.id}")


@router.post("/me/points/claims/{ident}/object", dependencies=[signed_in("resident")])
async def appeal(request: Request, ident: str, words: Text) -> Response:
    who = subject(request)
    return await acted(
        request, lambda tx: publicity.object_to_claim(tx, who, ident, words), f"/me/points/claims/{ident}",
        lambda wrong, status: _one(request, ident, wrong, status),
    )  # fmt: skip


@router.get("/me/points/entries/{txn}", dependencies=[signed_in("resident")])
async def entry(request: Request, txn: str) -> HTMLResponse:
    return await _entry(request, txn)


@router.post("/me/points/entries/{txn}/object", dependencies=[signed_in("resident")])
async def object_to_entry(request: Request, txn: str, words: Text) -> Response:
    who = subject(request)
    return await acted(
        request, lambda tx: publicity.object_to_entry(tx, who, txn, words), f"/me/points/entries/{txn}",
        lambda wrong, status: _entry(request, txn, wrong, status),
    )  # fmt: skip


@router.get(
    "/points/notice", dependencies=[public("what is on public notice is for everyone to read, with masked names")]
)
async def notice(request: Request, area: str = "") -> HTMLResponse:
    who = subject(request)
    code = area or who.area or request.cookies.get("linli_area", "")
    place = await services(request).store.read(lambda read: directory.area(read, code))
    topic = f"points.public:{place.code}"
    return await page_live(
        request, "points/public.html", topics=[topic], topic=topic, place=pick(place.zh, place.en),
        days=claim_rules.PUBLICITY.days, least=claim_rules.PUBLIC_FROM,
    )  # fmt: skip


@router.get("/points/notice/{ident}", dependencies=[signed_in("resident")])
async def noticed(request: Request, ident: str) -> HTMLResponse:
    return await _noticed(request, ident)


@router.post("/points/notice/{ident}", dependencies=[signed_in("resident")])
async def object_to_notice(request: Request, ident: str, words: Text) -> Response:
    who = subject(request)
    return await acted(
        request, lambda tx: publicity.object_to_claim(tx, who, ident, words), f"/points/notice/{ident}",
        lambda wrong, status: _noticed(request, ident, wrong, status),
    )  # fmt: skip


async def filled(request: Request, item: str) -> dict[str, str]:
    """The form of a claim as it was written, the resident's or the desk's.

    The route declares `item` itself: then the framework reads the form, and closes its files when the answer is made.
    """
    form = await request.form()
    return {name: str(form.get(name, ""))[:FIELD_MAX] for name in FIELDS} | {"item": item}


def drafted(written: dict[str, str], kind: str, owner: str) -> Draft:
    return Draft(
        kind, owner, written["item"], day_of(written["day"]), written["words"], hours_of(written["hours"]),
        written["place"], written["number"], written["about"], began=began_of(written["began"]),
    )  # fmt: skip


async def read_photos(request: Request) -> list[Picture]:
    """Outside any transaction and off the loop: looking at a large photo is work of a second.

    A browser sends an empty part where no file was chosen.
    """
    found = []
    for file in (await request.form()).getlist("photo")[: photos.PHOTOS_MAX + 1]:
        body = await file.read() if isinstance(file, UploadFile) else b""
        if body:
            found.append(await run_in_threadpool(photos.read, body))
    return found


def shown(kind: str, body: bytes) -> Response:
    return Response(body, media_type=kind, headers={"x-content-type-options": "nosniff", "cache-control": "no-store"})


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(_("Give the day")) from None


def began_of(text: str) -> int | None:
    """The minute of the day."""
    if not text.strip():
        return None
    try:
        at = time.fromisoformat(text.strip())
    except ValueError:
        raise Refused(_("Give the time as 14:30")) from None
    return at.hour * 60 + at.minute


def hours_of(text: str) -> Decimal | None:
    if not text.strip():
        return None
    try:
        hours = Decimal(text.strip())
    except InvalidOperation:
        raise Refused(_("Give the hours as a number, such as 1.5")) from None
    if not hours.is_finite():
        raise Refused(_("Give the hours as a number, such as 1.5"))
    return hours


def choices(items: dict[str, Item], kinds: tuple[str, ...], *, deductions: bool) -> list[tuple[str, str, str, bool]]:
    """Code, name, evidence and whether hours count, of what these kinds of account may be credited (or asked) for."""
    return [
        (each.code, each.name, pick(each.evidence_zh, each.evidence_en), each.hours > 0)
        for each in items.values()
        if (each.points < 0) == deductions and set(kinds) & set(each.kinds)
    ]


def _whose(who: Subject, whose: str) -> tuple[str, str]:
    """Oneself, one's household, or an organisation one acts for; whether one does, the verb asks."""
    if whose.startswith("organisation-"):
        return "organisation", whose.removeprefix("organisation-")
    home = whose == "household"
    return ("household" if home else "person"), (who.household if home else who.person) or ""


def _completed(claim: Any, words: str, place: str) -> Draft:
    hours = Decimal(claim.minutes) / 60 if claim.minutes else None
    return Draft(
        claim.owner_kind, claim.owner, claim.item, claim.act_date, words or claim.words, hours, place or claim.place,
        claim.number, claim.about, began=claim.began,
    )  # fmt: skip


async def _form(request: Request, written: dict[str, str], wrong: str = "", status: int = 200) -> HTMLResponse:
    today = services(request).clock.now().astimezone(ZoneInfo(docket_cards.ZONE)).date()
    person = subject(request).person or ""

    def look(read: Read) -> dict[str, Any]:
        return {"on_staff": bool(duty.of_persons(read, [person])), "teams": keepers.of_person(read, person)}

    seen = await services(request).store.read(look)
    kinds = ("person", "household", "organisation") if seen["teams"] else ("person", "household")
    return page(
        request, "points/claim_new.html", status, items=choices(catalogue.on(today).items, kinds, deductions=False),
        today=today.isoformat(), written=written, wrong=wrong, photos_max=photos.PHOTOS_MAX,
        words_max=claims.WORDS_MAX, **seen,
    )  # fmt: skip


async def _one(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        return docket_cards.whole(read, _mine(read, who, ident))

    seen = await services(request).store.read(look)
    return page(request, "points/claim.html", status, wrong=wrong, words_max=claims.WORDS_MAX, **seen)


def _mine(read: Read, who: Subject, ident: str) -> Any:
    claim = docket.find(read, ident)
    if not docket.belongs(read, who, claim):
        raise NotFound(_("There is no such claim"))
    return claim


async def _entry(request: Request, txn: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    seen = await services(request).store.read(lambda read: docket_cards.entry(read, who, txn))
    if seen is None:
        raise NotFound(_("There is no such entry"))
    row = seen["txn"]
    item = catalogue.on(row.act_date).items.get(row.item) if row.item and row.act_date else None
    return page(request, "points/entry.html", status, wrong=wrong, item=item, tz=docket_cards.ZONE, **seen)


async def _noticed(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        claim = docket.find(read, ident)
        found = [each for each in publicity.published(read, claim.area) if each.id == ident]
        if not found or claim.area != who.area:
            raise NotFound(_("There is no such claim"))
        said = [each for each in docket.objections(read, claim.area) if each.by == who.id and each.claim == ident]
        return {"item": found[0], "said": bool(said)}

    seen = await services(request).store.read(look)
    return page(request, "points/public_one.html", status, wrong=wrong, tz=docket_cards.ZONE, **seen)

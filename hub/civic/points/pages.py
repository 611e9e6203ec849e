"""The resident's pages of the ledger: my statement, the household's, and what an act is worth."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory
from hub.access import Subject, public, signed_in, subject
from hub.civic.points import beneficiary, book, cards, catalogue, ledger, rules
from hub.db import Read, Tx
from hub.errors import NotAllowed, Refused
from hub.i18n import _, pick
from hub.page import actor, page, page_live, see_other, services
from hub.rng import code

router = APIRouter(include_in_schema=False)


@router.get("/me/points", dependencies=[signed_in("resident")])
async def mine(request: Request) -> HTMLResponse:
    who = subject(request)
    topic, teams = f"points.statement:{who.person}", f"points.teams:{who.person}"
    return await page_live(request, "points/mine.html", topics=[topic, teams], topic=topic, teams=teams)


@router.get("/me/points/earlier", dependencies=[signed_in("resident")])
async def earlier(request: Request, after: str, whose: str = "person") -> HTMLResponse:
    """What stood before the first page. A cursor is a time and a number, nobody's name."""
    who = subject(request)
    owner = who.household if whose == "household" else who.person
    account = ledger.account_id("household" if whose == "household" else "person", owner or "")

    def look(read: Read) -> dict[str, Any]:
        return cards.lines_of(book.statement(read, account, after=after[:60]))

    shown = await services(request).store.read(look)
    home = whose == "household"
    here = "/me/points/earlier?whose=household&" if home else "/me/points/earlier?"
    back = "/me/points/household" if home else "/me/points"
    return page(request, "points/earlier.html", here=here, back=back, tz=cards.ZONE, **shown)


@router.get("/me/points/household", dependencies=[signed_in("resident")])
async def household(request: Request) -> HTMLResponse:
    who = subject(request)
    topic = f"points.household:{who.household}"

    def look(read: Read) -> dict[str, Any]:
        agreed = directory.has_consent(read, who.id, "household_points", ledger.SHARE_VERSION)
        return cards.figures(read, who.id) | {"agreed": agreed}

    shown = await services(request).store.read(look)
    once = code(services(request).rng, 16)  # a second press of the same form moves nothing
    return await page_live(request, "points/family.html", topics=[topic], topic=topic, once=once, **shown)


@router.post("/me/points/share", dependencies=[signed_in("resident")])
async def share(
    request: Request,
    points: Annotated[str, Form(max_length=8)],
    way: Annotated[str, Form(max_length=4)],
    once: Annotated[str, Form(min_length=16, max_length=16)],
) -> Response:
    who = subject(request)
    text = points.strip()
    if not (text.isascii() and text.isdigit()):
        raise Refused(_("Give the points as a whole number"))
    await services(request).store.write(lambda tx: _share(tx, who, int(text), way == "give", once), actor(request))
    return see_other("/me/points/household")


@router.post("/me/points/agree", dependencies=[signed_in("resident")])
async def agree(request: Request) -> Response:
    """A grown-up's own yes to sharing the household's points."""
    who = subject(request)
    await services(request).store.write(lambda tx: _agree(tx, who), actor(request))
    return see_other("/me/points/household")


@router.get("/points/catalogue", dependencies=[public("what an act is worth is the same for everyone")])
async def listing(request: Request) -> HTMLResponse:
    book_now = catalogue.on(services(request).clock.now().astimezone(ZoneInfo(cards.ZONE)).date())
    groups = [
        (pick(each.zh, each.en), [_row(item) for item in book_now.items.values() if item.category == each.id])
        for each in book_now.categories
    ]
    levels = [(pick(each.zh, each.en), each.points) for each in book_now.levels]
    return page(request, "points/catalogue.html", groups=groups, levels=levels, book=book_now)


def _row(item: catalogue.Item) -> dict[str, Any]:
    caps = _("; ").join(cards.cap_words(cap) for cap in item.caps)
    evidence = pick(item.evidence_zh, item.evidence_en)
    return {"code": item.code, "name": item.name, "worth": cards.worth(item), "caps": caps, "evidence": evidence}


def _share(tx: Tx, who: Subject, points: int, give: bool, once: str) -> None:
    person = beneficiary.one(tx, "person", who.id)
    home = beneficiary.one(tx, "household", person.household or "")
    ends = [ledger.open_account(tx, owner) for owner in ((person, home) if give else (home, person))]
    ledger.share(tx, who, ends[0], ends[1], points, f"share:{who.id}:{once}")


def _agree(tx: Tx, who: Subject) -> None:
    person = directory.resident(tx, who.id)
    tz = directory.area(tx, person.area).tz
    if directory.age(person.born, tx.now().astimezone(ZoneInfo(tz)).date()) < rules.ADULT:
        raise NotAllowed(_("A grown-up of the household decides this"))
    if not directory.has_consent(tx, who.id, "household_points", ledger.SHARE_VERSION):
        directory.give_consent(tx, who.id, "household_points", ledger.SHARE_VERSION, "written")

"""The resident web app's first page: what is new, how many points, how is my health. And 我的, with the settings."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from hub.access import NOBODY, public, signed_in, subject
from hub.db import Read
from hub.directory import Area, age, area, below, greeting, resident
from hub.i18n import _, pick
from hub.page import fragment, page, services
from web.cards import Placed, placed
from web.speech import YEAR_S

FEW_COMMUNITIES = 12  # up to so many stand as buttons; more as one list to choose from


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/", dependencies=[public("the front page shows a community's public notices")])
    async def front(request: Request, area: str = "") -> HTMLResponse:
        if subject(request).kind == "resident":
            return await _own(request)
        return await _public(request, area or request.cookies.get("linli_area", ""), chosen=bool(area))

    @routes.get("/me", dependencies=[signed_in("resident")])
    async def me(request: Request) -> HTMLResponse:
        who = subject(request)
        cards = placed(services(request).modules, services(request).feed, "me", who)
        name, place = await services(request).store.read(lambda read: _who(read, who.id, services(request).clock.now()))
        return page(
            request, "me.html", cards=cards, fragments=await fragments(request, cards), greeted=name, place_name=place
        )

    return routes


async def _own(request: Request) -> HTMLResponse:
    who, hub = subject(request), services(request)
    cards = placed(hub.modules, hub.feed, "home", who)
    now = hub.clock.now()
    name, place = await hub.store.read(lambda read: _who(read, who.id, now))
    return page(
        request,
        "home.html",
        cards=cards,
        fragments=await fragments(request, cards),
        hello=_hello(now).format(name=name),
        place_name=place,
    )


async def _public(request: Request, code: str, *, chosen: bool) -> HTMLResponse:
    hub = services(request)
    areas, here = await hub.store.read(lambda read: _communities(read, code))
    cards = placed(hub.modules, hub.feed, "home", NOBODY, area=here.code) if here else []
    response = page(
        request,
        "front.html",
        cards=cards,
        fragments=await fragments(request, cards),
        areas=areas,
        here=here,
        few=sum(len(group) for _above, group in areas) <= FEW_COMMUNITIES,
    )
    if here and chosen:
        response.set_cookie("linli_area", here.code, max_age=YEAR_S, path="/", samesite="lax")
    return response


async def fragments(request: Request, cards: list[Placed]) -> dict[str, str]:
    return {card.topic: await fragment(request, card.topic) for card in cards}


def _who(read: Read, ident: str, now: datetime) -> tuple[str, str]:
    """How the screen greets this person, and where they live."""
    person = resident(read, ident)
    home = area(read, person.area)
    above = read.session.get(Area, home.parent) if home.parent else None
    today = now.astimezone(ZoneInfo(home.tz)).date()
    place = pick(home.zh, home.en) + (" · " + pick(above.zh, above.en) if above else "")
    return greeting(person.name, person.sex, age(person.born, today)), place


def _hello(now: datetime, tz: str = "Asia/Shanghai") -> str:
    hour = now.astimezone(ZoneInfo(tz)).hour
    if 5 <= hour < 11:
        return _("Good morning, {name}")
    if 11 <= hour < 13:
        return _("Good day, {name}")
    if 13 <= hour < 18:
        return _("Good afternoon, {name}")
    return _("Good evening, {name}")


def _communities(read: Read, code: str) -> tuple[list[tuple[str, list[Area]]], Area | None]:
    """Every community, grouped by the area above it; and the chosen one, when it is one."""
    roots = read.session.execute(select(Area.code).where(Area.parent.is_(None))).scalars()  # type: ignore[call-overload, union-attr]
    found = below(read, list(roots))
    grouped: dict[str, list[Area]] = {}
    for each in found:
        above = read.session.get(Area, each.parent) if each.parent else None
        grouped.setdefault(pick(above.zh, above.en) if above else "", []).append(each)
    here = next((each for each in found if each.code == code), None)
    if here is None and len(found) == 1:
        here = found[0]
    return list(grouped.items()), here

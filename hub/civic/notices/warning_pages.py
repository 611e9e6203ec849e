"""The doors for warnings: `/cap` for other offices' systems, `/desk/warnings` for the officer on duty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub.access import Subject, covers, needs, public, subject
from hub.civic.notices import cap_feed, cap_read, cap_words, warnings
from hub.civic.notices.message import DEFAULT_ZONE
from hub.civic.notices.models import Notice
from hub.civic.notices.warnings import Known
from hub.db import Read
from hub.directory import Area
from hub.i18n import N_, _, language
from hub.module import Card, Topic
from hub.page import actor, page_live, public_base, see_other, services

PUT_ASIDE = (
    N_("It does not concern this place"),
    N_("Another office warns here already"),
    N_("It is out of date"),
)
router = APIRouter()


@router.post("/cap", dependencies=[needs("notices.warn")])
async def take(request: Request) -> JSONResponse:
    """One CAP alert or an Atom feed of them; 201 with what each became. Sent again it is the same one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > cap_read.BYTES_MAX:
            break
    who, taken = subject(request), bytes(body)
    rows = await services(request).store.write(
        lambda tx: [row.id for row in warnings.take_all(tx, who, taken)], actor(request)
    )
    return JSONResponse({"items": [{"id": ident} for ident in rows]}, 201)


@router.get("/cap/feed.atom", dependencies=[public("released emergencies are for everybody; other systems relay them")])
async def feed(request: Request) -> Response:
    hub = services(request)
    base = public_base(request)
    said = await hub.store.read(cap_feed.alerts)
    return Response(cap_feed.feed(said, base, hub.clock.now()), media_type="application/atom+xml")


@router.get("/desk/warnings", dependencies=[needs("notices.relay")])
async def board(request: Request) -> HTMLResponse:
    who = subject(request)
    mine = who.paths("notices.relay")

    def look(read: Read) -> dict[str, Any]:
        wait = warnings.waiting(read, mine)
        ids = {each.row.id for each in wait}
        rest = [_shown(read, who, each) for each in warnings.listed(read, mine) if each.row.id not in ids]
        return {"waiting": [_shown(read, who, each) for each in wait], "others": rest, "reasons": PUT_ASIDE}

    found = await services(request).store.read(look)
    return await page_live(request, "notices/warnings.html", topics=[], **found)


@router.post("/desk/warnings/{ident}/relay", dependencies=[needs("notices.relay")])
async def relay(request: Request, ident: str) -> Response:
    form, who = await request.form(), subject(request)
    areas = [str(each) for each in form.getlist("areas")][:200]
    made = await services(request).store.write(lambda tx: warnings.relay(tx, who, ident, areas).id, actor(request))
    return see_other(f"/desk/notices/{made}")


@router.post("/desk/warnings/{ident}/aside", dependencies=[needs("notices.relay")])
async def aside(request: Request, ident: str) -> Response:
    form, who = await request.form(), subject(request)
    why = str(form.get("why", ""))
    await services(request).store.write(lambda tx: warnings.put_aside(tx, who, ident, why), actor(request))
    return see_other("/desk/warnings")


def card(read: Read, area: str) -> Mapping[str, Any]:
    """On the desk: how many warnings wait for a decision, and the first of them."""
    place = read.session.get(Area, area)
    wait = warnings.waiting(read, [place.path]) if place else []
    first = wait[0] if wait else None
    return {
        "count": len(wait),
        "title": cap_words.title(first.alert, language()) if first else "",
        "level": cap_words.colour(first.alert, language()) if first else "",
        "at": first.row.received_at if first else None,
        "tz": place.tz if place else DEFAULT_ZONE,
    }


def _shown(read: Read, who: Subject, each: Known) -> dict[str, Any]:
    lang, alert = language(), each.alert
    choice = _choosable(read, who, json.loads(each.row.paths))
    zone = choice[0].tz if choice else DEFAULT_ZONE
    notice = read.session.get(Notice, each.row.notice) if each.row.notice else None
    return {
        "id": each.row.id, "says": alert.kind, "colour": alert.info("zh").colour if alert.infos else "",
        "level": cap_words.colour(alert, lang) if alert.infos else "",
        "title": cap_words.title(alert, lang) if alert.infos else _("Cancellation"),
        "text": cap_words.text(alert, lang, zone) if alert.infos else alert.note,
        "exercise": alert.status == "Exercise", "test": alert.status == "Test",
        "at": each.row.received_at, "tz": zone, "areas": choice,
        "notice": notice, "aside": each.row.put_aside_why, "end": alert.expires() if alert.infos else None,
    }  # fmt: skip


def _choosable(read: Read, who: Subject, paths: list[str]) -> list[Area]:
    """Where this person may relay it: the areas it is about, or the parts of them that are theirs."""
    rows = read.session.execute(select(Area).order_by(col(Area.path))).scalars()
    may = [area for area in rows if who.may("notices.relay", area.path)]
    inside = [area for area in may if any(covers(path, area.path) for path in paths)]
    return [area for area in inside if not any(covers(up.path, area.path) and up is not area for up in inside)]


def _own_desk(who: Subject, key: str) -> bool:
    return who.area == key and who.may("notices.relay")


TOPICS = (Topic(warnings.TOPIC, "notices/warnings_card.html", card, _own_desk),)
CARDS = (Card("desk", warnings.TOPIC, "area", order=0),)

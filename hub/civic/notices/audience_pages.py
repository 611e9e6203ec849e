"""The audience box's live count, and the desk's page where residents' marks are set (居民标签)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub import audience, directory, tags
from hub.access import Subject, needs, subject
from hub.audience import Audience
from hub.civic.notices import audience_box
from hub.civic.notices.active import LISTED_MAX
from hub.civic.notices.audience_box import Box
from hub.civic.notices.cards import Shown, shown
from hub.civic.notices.models import Notice, NoticeArea
from hub.db import Read, Tx
from hub.directory import Area, Household, Resident
from hub.errors import NotFound
from hub.i18n import _, pick
from hub.page import actor, page, see_other, services

MARK = "notices.mark"
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Marked:
    """One resident as the desk may see them: a door and a masked name."""

    id: str
    flat: str
    name: str
    years: int  # or two of one family cannot be told apart
    marks: frozenset[str]


async def boxed(request: Request, areas: Sequence[str], narrowed: Mapping[str, Any], opened: str = "") -> Box:
    who = subject(request)
    return await services(request).store.read(lambda read: audience_box.drawn(read, who, areas, narrowed, opened))


@router.post("/desk/audience", dependencies=[needs("notices.draft")])
async def count(request: Request) -> HTMLResponse:
    """The box for what is ticked now; audience.js puts it in the old one's place."""
    form = await request.form()
    areas = [str(each) for each in form.getlist("areas")][: audience.LIST_MAX]
    box = await boxed(request, areas, audience_box.from_form(form), str(form.get("to_open", ""))[:64])
    return page(request, "notices/audience_box.html", box=box)


@router.get("/desk/marks", dependencies=[needs(MARK)])
async def marks(request: Request, building: str = "") -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        places = [area.code for area in directory.below(read, _codes(read, who))]
        buildings = [(each.id, pick(each.zh, each.en)) for each in audience.buildings_in(read, places)]
        chosen = building if building in dict(buildings) else (buildings[0][0] if buildings else "")
        return {"buildings": buildings, "building": chosen, "people": _people(read, chosen)}

    found = await services(request).store.read(look)
    named = [(tag.id, _(tag.name)) for tag in tags.KEPT]
    return page(request, "notices/marks.html", tags=named, saved=request.query_params.get("saved", ""), **found)


@router.post("/desk/marks/{ident}", dependencies=[needs(MARK)])
async def mark(request: Request, ident: str) -> Response:
    form, who = await request.form(), subject(request)
    wanted = [str(each) for each in form.getlist("mark")]

    def put(tx: Tx) -> str:
        found = tx.session.get(Resident, ident, populate_existing=True)
        area = tx.session.get(Area, found.area) if found else None
        # For whoever may not, nobody of that name exists: an id tells nothing.
        if found is None or area is None or not who.may(MARK, area.path):
            raise NotFound(_("There is no such resident"))
        tags.mark(tx, found, wanted)
        return tx.session.get_one(Household, found.household).building

    building = await services(request).store.write(put, actor(request))
    return see_other(f"/desk/marks?building={building}&saved={ident}#{ident}")


def meant_for(read: Read, ident: str, area: str) -> list[Shown]:
    """What is meant for this resident among others, and therefore stands on no screen: only here and on their phone."""
    place = read.session.get(Area, area)
    here = select(col(NoticeArea.notice)).where(col(NoticeArea.area).in_(place.path.split("/") if place else ()))
    rows = read.session.execute(
        select(Notice)
        .where(
            col(Notice.state) == "released", ~col(Notice.everybody), col(Notice.expires) > read.now(),
            col(Notice.id).in_(here),
        )
        .order_by(col(Notice.released_at).desc())
        .limit(LISTED_MAX)
    )  # fmt: skip
    held = []
    for each in rows.scalars():
        among = audience.members_of(read, Audience.read(each.audience), each.released_at)
        if read.session.execute(select(col(Resident.id)).where(col(Resident.id) == ident, *among)).first():
            held.append(shown(read, each))
    return held


def _codes(read: Read, who: Subject) -> list[str]:
    rows = read.session.execute(select(Area).order_by(col(Area.path))).scalars()
    return [area.code for area in rows if who.may(MARK, area.path)]


def _people(read: Read, building: str) -> list[Marked]:
    rows = read.session.execute(
        select(Resident, col(Household.flat))
        .join(Household, col(Household.id) == col(Resident.household))
        .where(col(Household.building) == building)
        .order_by(col(Household.id), col(Resident.born))
    )
    return [
        Marked(
            each.id, flat, directory.masked(each.name), directory.age(each.born, read.now().date()),
            frozenset(each.tags.split()),
        )
        for each, flat in rows
    ]  # fmt: skip

"""The desk's coverage page of a notice, and what the duty report takes from it (CSV that a spreadsheet opens)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory
from hub.access import Subject, needs, subject
from hub.civic.notices import active, cards, coverage
from hub.civic.notices.coverage import Door
from hub.civic.notices.events import UnreachedListed
from hub.civic.notices.models import Notice
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _
from hub.page import actor, page_live, services

LISTED_MAX = 100  # more than anybody walks in an evening; the file has all
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would calculate what begins so
router = APIRouter()


@router.get("/desk/notices/{ident}/coverage", dependencies=[needs("notices.read")])
async def look(request: Request, ident: str, area: str = "", building: str = "", order: str = "risk") -> HTMLResponse:
    who = subject(request)

    def read(read: Read) -> dict[str, Any]:
        found, places, place = _place(read, who, ident, area, "notices.read")
        knocks = who.may("notices.unreached", place.path)
        left: list[Door] = []
        if knocks:
            left = coverage.unreached(coverage.doors(read, found, place.code), by_risk=order != "way")
            left = [door for door in left if building in ("", door.building)]
        return {
            "notice": cards.shown(read, found), "places": places, "place": place, "knocks": knocks,
            "left": left[:LISTED_MAX], "waiting": len(left), "names": coverage.building_names(read, place.code),
            "building": building, "order": order, "words": coverage.risk_words,
            "where": directory.door,
        }  # fmt: skip

    shown = await services(request).store.read(read)
    topic = f"notices.coverage:{ident}.{shown['place'].code}"
    return await page_live(request, "notices/coverage.html", topics=[topic], topic=topic, **shown)


@router.get("/desk/notices/{ident}/coverage.csv", dependencies=[needs("notices.read")])
async def by_building(request: Request, ident: str, area: str = "") -> Response:
    """Counts of each building, with the sum of all as the last line."""
    who = subject(request)

    def read(read: Read) -> tuple[str, list[list[object]]]:
        found, _places, place = _place(read, who, ident, area, "notices.read")
        doors = coverage.doors(read, found, place.code)
        rows = [*coverage.by_building(read, doors, place.code), coverage.summed(doors, name=_("All together"))]
        at = local(read.now(), place)
        lines: list[list[object]] = [
            [found.title, at, each.name, each.grid if each.id else "", each.doors, each.reached, each.percent,
             each.people, each.seen, each.risky]
            for each in rows
        ]  # fmt: skip
        return place.code, lines

    code, lines = await services(request).store.read(read)
    heads = (
        _("Notice"), _("As of"), _("Building"), _("Grid"), _("Doors"), _("Doors reached"), _("Percent"), _("People"),
        _("Have seen it"), _("At risk and not reached"),
    )  # fmt: skip
    return csv_answer(f"coverage-{ident}-{code}.csv", heads, lines)


@router.get("/desk/notices/{ident}/unreached.csv", dependencies=[needs("notices.unreached")])
async def doors_left(request: Request, ident: str, area: str = "", building: str = "", order: str = "risk") -> Response:
    """The doors to knock at. Who took the list is on record: it says where somebody lives alone."""
    who = subject(request)

    def take(tx: Tx) -> tuple[str, list[list[object]]]:
        found, _places, place = _place(tx, who, ident, area, "notices.unreached")
        names = coverage.building_names(tx, place.code)
        left = coverage.unreached(coverage.doors(tx, found, place.code), by_risk=order != "way")
        left = [door for door in left if building in ("", door.building)]
        tx.emit(UnreachedListed, notice=ident, area=place.code, doors=len(left))
        at = local(tx.now(), place)
        lines: list[list[object]] = [
            [number, found.title, at, door.grid, names.get(door.building, door.building), door.flat, door.people,
             _("; ").join(coverage.risk_words(door)), _(door.best) if door.best else _("no proof")]
            for number, door in enumerate(left, start=1)
        ]  # fmt: skip
        return place.code, lines

    code, lines = await services(request).store.write(take, actor(request))
    heads = (
        _("Order"), _("Notice"), _("As of"), _("Grid"), _("Building"), _("Flat"), _("People"), _("At risk"),
        _("Best proof"), _("Result of the visit"),
    )  # fmt: skip
    return csv_answer(f"unreached-{ident}-{code}.csv", heads, [[*line, ""] for line in lines])


def _place(read: Read, who: Subject, ident: str, area: str, permission: str) -> tuple[Notice, list[Area], Area]:
    """The released notice and the community that is looked at: the one asked for, one's own, or the first."""
    found = active.touching(read, active.notice(read, ident), who.paths(permission))
    if found.released_at is None:
        raise NotFound(_("There is no such notice"))
    places = coverage.communities(read, who, found, permission)
    wanted = [each for each in places if each.code == area] if area else places
    if not wanted:
        raise NotFound(_("There is no such area"))
    own = [each for each in wanted if each.code == who.area]
    return found, places, (own or wanted)[0]


def local(at: datetime, place: Area) -> str:
    return at.astimezone(ZoneInfo(place.tz)).strftime("%Y-%m-%d %H:%M")


def csv_answer(name: str, heads: Sequence[str], lines: Iterable[Sequence[object]]) -> Response:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(heads)
    table.writerows([[_plain(cell) for cell in line] for line in lines])
    # The mark at the front tells the spreadsheets of our offices that this is UTF-8.
    body = "\ufeff" + out.getvalue()
    return Response(
        body, media_type="text/csv; charset=utf-8", headers={"content-disposition": f'attachment; filename="{name}"'}
    )


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

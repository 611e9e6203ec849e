"""The points office's page (indicators, rehearsal, risks, stars) and the supervisors' (replay, sample, verdicts)."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory
from hub.access import Subject, needs, subject
from hub.civic.points import (
    cards,
    catalogue,
    claim_rules,
    counter,
    honours,
    office,
    publicity,
    risks,
    shelf,
    supervision,
)
from hub.db import Read
from hub.directory import Area
from hub.errors import LinliError, Refused
from hub.i18n import N_, _, pick
from hub.page import actor, page, see_other, services

AREAS_MAX = 400
RISKS = {
    "ring": N_("A ring of transfers"), "burst": N_("Many claims in one day"),
    "signers": N_("Nearly always the same two signers"), "night": N_("Signed in the small hours"),
}  # fmt: skip
REWARDS = {
    "service": N_("Services"), "goods": N_("Goods"), "honour": N_("Honours given"), "policy": N_("Policy benefits"),
}  # fmt: skip
KINDS = {"person": N_("Residents"), "household": N_("Households"), "organisation": N_("Organisations")}
router = APIRouter(include_in_schema=False)


@router.get("/desk/points/office", dependencies=[needs("points.office")])
async def indicators(
    request: Request,
    area: str = "",
    first: str = "",
    last: str = "",
    item: str = "",
    points: str = "",
    limits: str = "",
) -> HTMLResponse:
    who, wrong = subject(request), ""
    try:
        shown = await services(request).store.read(lambda read: _office(read, who, area, first, last))
        tried = None
        if item:
            tried = await services(request).store.read(lambda read: _rehearse(read, who, shown, item, points, limits))
    except LinliError as error:
        shown = await services(request).store.read(lambda read: _office(read, who, area, "", ""))
        tried, wrong = None, error.sentence
    return page(
        request, "points/office.html", 422 if wrong else 200, wrong=wrong, tried=tried, item=item, points=points,
        limits=limits, **shown,
    )  # fmt: skip


@router.get("/desk/points/office.csv", dependencies=[needs("points.office")])
async def table(request: Request, area: str = "", first: str = "", last: str = "") -> Response:
    who = subject(request)
    shown = await services(request).store.read(lambda read: _office(read, who, area, first, last))
    text = io.StringIO()
    csv.writer(text).writerows([("name", "value"), *office.rows(shown["found"])])
    name = f"points-{shown['place'].code}-{shown['first']}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/desk/points/supervision", dependencies=[needs("points.supervise")])
async def supervise(request: Request, area: str = "", month: str = "", replay: str = "") -> HTMLResponse:
    who = subject(request)
    shown = await services(request).store.read(lambda read: _supervision(read, who, area, month))
    added = await services(request).store.read(supervision.replay) if replay else None
    return page(request, "points/supervision.html", added=added, **shown)


@router.get("/desk/points/supervision/{txn}", dependencies=[needs("points.supervise")])
async def award(request: Request, txn: str) -> HTMLResponse:
    """Looking is a deed: it is written down before anything is shown."""
    who = subject(request)
    seen = await services(request).store.write(lambda tx: supervision.open_award(tx, who, txn), actor(request))
    signed = await services(request).store.read(
        lambda read: [_title(read, each) for each in (seen["txn"].verifier, seen["txn"].approver, seen["txn"].third)]
    )
    return page(
        request, "points/supervision_one.html", signers=[each for each in signed if each], tz=cards.ZONE, **seen
    )


@router.post("/desk/points/supervision/{txn}", dependencies=[needs("points.supervise")])
async def judge(request: Request, txn: str, verdict: Annotated[str, Form(max_length=16)]) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: supervision.judge(tx, who, txn, verdict), actor(request))
    return see_other("/desk/points/supervision")


def _places(read: Read, who: Subject, permission: str) -> list[Area]:
    codes = [path.rsplit("/", 1)[-1] for path in who.paths(permission) if path]
    if not codes and who.may(permission, ""):
        codes = [each.code for each in read.session.query(Area).all() if each.parent is None]
    return directory.below(read, sorted(set(codes)))[:AREAS_MAX]


def _chosen(read: Read, who: Subject, permission: str, area: str) -> tuple[Area, list[Area]]:
    places = _places(read, who, permission)
    if area:
        place = directory.area(read, area)
        who.require(permission, place.path)
        return place, places
    if not places:
        raise Refused(_("Choose a community"))
    return places[0], places


def _office(read: Read, who: Subject, area: str, first: str, last: str) -> dict[str, Any]:
    place, places = _chosen(read, who, "points.office", area)
    today = read.now().astimezone(ZoneInfo(place.tz)).date()
    start, end = _day(first) or today.replace(day=1), _day(last) or today
    if start > end or (end - start).days > 400:
        raise Refused(_("A period begins before it ends and lasts at most 400 days"))
    found = office.indicators(read, place, start, end)
    from_day, to_day = honours.quarter(today)
    known = catalogue.on(today)
    return {
        "place": place, "places": [(each.code, pick(each.zh, each.en)) for each in places], "found": found,
        "first": start.isoformat(), "last": end.isoformat(), "before": _month_before(today),
        "items": [(each.code, each.name) for each in known.items.values() if each.points > 0],
        "categories": {each.id: pick(each.zh, each.en) for each in known.categories},
        "states": {state: _(word) for state, word in claim_rules.STATES.items()},
        "rewards": {kind: _(word) for kind, word in REWARDS.items()},
        "kinds": {kind: _(word) for kind, word in KINDS.items()},
        "risks": _risks(read, place.code), "stars": honours.candidates(read, place.code, from_day, to_day, place.tz),
        "quarter": (from_day, to_day), "crowd": office.CROWD_MIN,
    }  # fmt: skip


def _month_before(today: date) -> tuple[str, str]:
    """The whole month before a day: what a rule is rehearsed on."""
    last = date.fromordinal(today.replace(day=1).toordinal() - 1)
    return last.replace(day=1).isoformat(), last.isoformat()


def _risks(read: Read, area: str) -> list[tuple[str, str, int, str]]:
    found = risks.found(read, area)
    owners = [tuple(account.split("-", 1)) for each in found for account in each.accounts]
    named = publicity.named(read, [(kind, owner) for kind, owner in owners])
    return [
        (
            _(RISKS[each.kind]),
            _("; ").join(" ".join(named.get(account, ("", ""))).strip() for account in each.accounts),
            each.count, _("; ").join(_title(read, staff) for staff in each.staff),
        )
        for each in found
    ]  # fmt: skip


def _rehearse(read: Read, who: Subject, shown: dict[str, Any], item: str, points: str, limits: str) -> office.Rehearsed:
    values = [points, *[each for each in limits.replace("，", ",").split(",") if each.strip()]]
    if not all(each.strip().isascii() and each.strip().isdigit() for each in values):
        raise Refused(_("Give the points and the caps as whole numbers"))
    who.require("points.office", shown["place"].path)
    first, last = date.fromisoformat(shown["first"]), date.fromisoformat(shown["last"])
    return office.rehearse(read, shown["place"], item, first, last, int(points), [int(each) for each in values[1:]])


def _supervision(read: Read, who: Subject, area: str, month: str) -> dict[str, Any]:
    place, places = _chosen(read, who, "points.supervise", area)
    today = read.now().astimezone(ZoneInfo(place.tz)).date()
    first = _day(f"{month}-01") if month else date.fromordinal(today.replace(day=1).toordinal() - 1).replace(day=1)
    if first is None:
        raise Refused(_("Give the day"))
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    last = date.fromordinal(after.toordinal() - 1)
    rows = supervision.sample(read, place.code, first, last, place.tz)
    return {
        "place": place, "places": [(each.code, pick(each.zh, each.en)) for each in places],
        "month": first.isoformat()[:7], "rows": rows, "tz": place.tz, "now": read.now(),
        "open": sum(not each.verdict for each in rows), "share": int(100 * supervision.SHARE),
        "unconfirmed": [
            (each, shelf.name(reward), _title(read, each.entered_by), _title(read, each.witness))
            for each, reward in counter.unconfirmed(read, place.code)
        ],
        "refused": supervision.refused(read, place.code, first, last, place.tz),
    }  # fmt: skip


def _title(read: Read, staff: str | None) -> str:
    found = read.session.get(directory.Staff, staff) if staff else None
    return f"{pick(found.title_zh, found.title_en)} {directory.masked(found.name)}".strip() if found else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise Refused(_("Give the day")) from None

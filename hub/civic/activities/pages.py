"""The desk's pages (programme, sheet) and the residents' (/activities)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import approval, directory
from hub.access import Subject, needs, public, subject
from hub.civic.activities import attendance, cards, people, programme
from hub.civic.activities.programme import Plan
from hub.db import Read, Tx
from hub.errors import LinliError, Refused
from hub.i18n import _, pick
from hub.page import acted, actor, page_live, see_other, services

ITEMS = "points.items:sheet"  # drawn by the points slice: which items attendance can credit
Text = Annotated[str, Form(max_length=400)]
router = APIRouter(include_in_schema=False)


@router.get("/activities", dependencies=[public("what takes place in a community is public")])
async def announced(request: Request, area: str = "") -> HTMLResponse:
    code = area or subject(request).area or request.cookies.get("linli_area", "")
    place = await services(request).store.read(lambda read: directory.area(read, code))
    topic = f"activities.page:{place.code}"
    return await page_live(request, "activities/page.html", topics=[topic], topic=topic, place=pick(place.zh, place.en))


@router.get("/desk/activities", dependencies=[needs("activities.read")])
async def listing(request: Request) -> HTMLResponse:
    return await _listing(request, {})


async def _listing(request: Request, written: dict[str, str], wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    topic = f"activities.desk:{who.area}"
    may_write = who.may("activities.write") and services(request).feed.may_watch(who, ITEMS)
    topics = [topic, ITEMS] if may_write else [topic]
    tz = await services(request).store.read(lambda read: directory.area(read, who.area).tz)
    today = services(request).clock.now().astimezone(ZoneInfo(tz)).date()
    return await page_live(
        request, "activities/desk.html", topics=topics, status=status, topic=topic, items=ITEMS, may_write=may_write,
        written=written, wrong=wrong, today=today.isoformat(),
    )  # fmt: skip


@router.post("/desk/activities", dependencies=[needs("activities.write")])
async def publish(
    request: Request,
    zh: Text,
    item: Text,
    day: Text,
    begins: Text,
    ends: Text,
    place_zh: Text,
    en: Text = "",
    place_en: Text = "",
    seats: Text = "0",
    number: Text = "",
) -> Response:
    who = subject(request)
    written = {
        "zh": zh,
        "en": en,
        "day": day,
        "begins": begins,
        "ends": ends,
        "place_zh": place_zh,
        "place_en": place_en,
        "seats": seats,
        "number": number,
    }
    try:
        tz = await services(request).store.read(lambda read: directory.area(read, who.area).tz)
        starts, over = _moment(day, begins, tz), _moment(day, ends, tz)
        plan = Plan(who.area, zh, en, item, starts, over, place_zh, place_en, _seats(seats), number)
        made = await services(request).store.write(lambda tx: programme.publish(tx, who, plan), actor(request))
    except LinliError as error:
        return await _listing(request, written, error.sentence, error.status)
    return see_other(f"/desk/activities/{made.id}")


@router.get("/desk/activities/{ident}", dependencies=[needs("activities.read")])
async def one(request: Request, ident: str) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = programme.activity(read, ident)
        place = directory.area(read, found.area)
        who.require("activities.read", place.path)
        sheets = [cards.paper(sheet) for sheet in attendance.sheets_of(read, [ident]).get(ident, [])]
        return {
            "activity": cards.shown(read, found, place.tz), "sheets": sheets, "begun": found.starts <= read.now(),
            "may_write": who.may("activities.write", place.path),
            "may_cancel": found.state == "planned" and not [each for each in sheets if each.state != "open"],
        }  # fmt: skip

    shown = await services(request).store.read(look)
    topic = f"points.item:{shown['activity'].item}"
    return await page_live(request, "activities/one.html", topics=_watchable(request, [topic]), topic=topic, **shown)


@router.post("/desk/activities/{ident}/cancel", dependencies=[needs("activities.write")])
async def cancel(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: programme.cancel(tx, who, ident), actor(request))
    return see_other(f"/desk/activities/{ident}")


@router.post("/desk/activities/{ident}/sheet", dependencies=[needs("activities.write")])
async def open_sheet(request: Request, ident: str) -> Response:
    who = subject(request)
    made = await services(request).store.write(lambda tx: attendance.open_sheet(tx, who, ident), actor(request))
    return see_other(f"/desk/sheets/{made.id}")


@router.get("/desk/sheets/{ident}", dependencies=[needs("activities.read")])
async def sheet(request: Request, ident: str) -> HTMLResponse:
    return await _sheet(request, ident)


@router.post("/desk/sheets/{ident}/find", dependencies=[needs("activities.write")])
async def find(request: Request, ident: str, text: Text) -> HTMLResponse:
    """Search within the community. A POST, so that no name ever stands in an address or a log."""
    who = subject(request)

    def look(read: Read) -> list[people.Found]:
        found = attendance.sheet_of(read, ident)
        place = directory.area(read, found.area)
        who.require("activities.write", place.path)
        return people.search(read, found.area, text, read.now().astimezone(ZoneInfo(place.tz)).date())

    try:
        hits = await services(request).store.read(look)
    except Refused as error:
        return await _sheet(request, ident, wrong=error.sentence, status=error.status)
    return await _sheet(request, ident, hits=hits, asked=text.strip())


@router.post("/desk/sheets/{ident}/add", dependencies=[needs("activities.write")])
async def add(request: Request, ident: str, account: Text, hours: Text = "") -> Response:
    who = subject(request)
    return await _kept(request, ident, lambda tx: attendance.add(tx, who, ident, account, attendance.hours_from(hours)))


@router.post("/desk/sheets/{ident}/list", dependencies=[needs("activities.write")])
async def enter_list(request: Request, ident: str, text: Annotated[str, Form(max_length=8000)] = "") -> Response:
    who = subject(request)
    return await _kept(request, ident, lambda tx: attendance.enter_list(tx, who, ident, text))


@router.post("/desk/sheets/{ident}/remove", dependencies=[needs("activities.write")])
async def remove(request: Request, ident: str, account: Text) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: attendance.remove(tx, who, ident, account), actor(request))
    return see_other(f"/desk/sheets/{ident}")


@router.post("/desk/sheets/{ident}/submit", dependencies=[needs("activities.write")])
async def submit(request: Request, ident: str) -> Response:
    return await _step(request, ident, attendance.submit)


@router.post("/desk/sheets/{ident}/approve", dependencies=[needs("activities.approve")])
async def approve(request: Request, ident: str) -> Response:
    return await _step(request, ident, attendance.approve)


@router.post("/desk/sheets/{ident}/return", dependencies=[needs("activities.approve")])
async def send_back(request: Request, ident: str) -> Response:
    return await _step(request, ident, attendance.send_back)


async def _step(request: Request, ident: str, verb: Any) -> Response:
    """One step of a sheet's life; what is refused is said on the sheet itself."""
    who = subject(request)
    return await _kept(request, ident, lambda tx: verb(tx, who, ident))


async def _kept(request: Request, ident: str, work: Callable[[Tx], object]) -> Response:
    return await acted(
        request, work, f"/desk/sheets/{ident}",
        lambda wrong, status: _sheet(request, ident, wrong=wrong, status=status),
    )  # fmt: skip


async def _sheet(
    request: Request,
    ident: str,
    *,
    hits: list[people.Found] | None = None,
    asked: str = "",
    wrong: str = "",
    status: int = 200,
) -> HTMLResponse:
    who = subject(request)
    shown = await services(request).store.read(lambda read: _look(read, who, ident))
    lines, item, sums = (
        f"activities.sheet:{shown['key']}",
        f"points.item:{shown['activity'].item}",
        f"points.sheet:{ident}",
    )
    return await page_live(
        request, "activities/sheet.html", topics=_watchable(request, [lines, item, sums]), status=status, lines=lines,
        item=item, sums=sums, hits=hits, asked=asked, wrong=wrong, **shown,
    )  # fmt: skip


def _look(read: Read, who: Subject, ident: str) -> dict[str, Any]:
    found = attendance.sheet_of(read, ident)
    place = directory.area(read, found.area)
    who.require("activities.read", place.path)
    activity = programme.activity(read, found.activity)
    signed = {each.person for each in approval.signatures(read, f"sheet:{ident}")}
    return {
        "sheet": cards.paper(found), "key": f"{found.area}-{ident}", "tz": place.tz,
        "activity": cards.shown(read, activity, place.tz), "signed_mine": (who.person or who.id) in signed,
        "submitted_by": _title(read, found.submitted_by), "approved_by": _title(read, found.approved_by),
        "submitted_at": found.submitted_at, "approved_at": found.approved_at,
        "may_write": found.state == "open" and who.may("activities.write", place.path),
        "may_approve": found.state == "submitted" and who.may("activities.approve", place.path),
        "span": cards.hours(int((activity.ends - activity.starts).total_seconds()) // 60),
    }  # fmt: skip


def _title(read: Read, staff: str | None) -> str:
    found = read.session.get(directory.Staff, staff) if staff else None
    return f"{pick(found.title_zh, found.title_en)} {directory.masked(found.name)}" if found is not None else ""


def _watchable(request: Request, topics: list[str]) -> list[str]:
    """Without the points slice a sheet is still a sheet."""
    return [topic for topic in topics if services(request).feed.may_watch(subject(request), topic)]


def _seats(text: str) -> int:
    wanted = text.strip() or "0"
    if not (wanted.isascii() and wanted.isdigit()):
        raise Refused(_("Give the places as a whole number"))
    return int(wanted)


def _moment(day: str, clock: str, tz: str) -> datetime:
    try:
        local = datetime.combine(date.fromisoformat(day.strip()), time.fromisoformat(clock.strip()), ZoneInfo(tz))
    except (ValueError, ZoneInfoNotFoundError):
        raise Refused(_("Give the day and the times")) from None
    return local.astimezone(UTC)

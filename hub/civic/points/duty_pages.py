"""The roster at the desk: weekly duty hours of each member of staff, in which no points are earned."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from hub.access import needs, subject
from hub.civic.points import duty
from hub.i18n import _
from hub.page import acted, page, services

router = APIRouter(include_in_schema=False)
ROSTER = needs("points.roster")
PLACE = "/desk/points/duty"
TEXT_MAX = 80


@router.get(PLACE, dependencies=[ROSTER])
async def listing(request: Request) -> HTMLResponse:
    return await _listing(request)


@router.post(f"{PLACE}/{{staff}}", dependencies=[ROSTER])
async def enter(request: Request, staff: str) -> Response:
    who, form = subject(request), await request.form()
    week = {day: str(form.get(f"day-{day}", ""))[:TEXT_MAX] for day in range(7)}
    return await acted(
        request, lambda tx: duty.set_hours(tx, who, staff, week), f"{PLACE}#{staff}",
        lambda wrong, status: _listing(request, wrong, status),
    )  # fmt: skip


async def _listing(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    rows = await services(request).store.read(lambda read: duty.roster(read, who.area))
    return page(
        request, "points/duty.html", status, wrong=wrong, rows=rows, days=[_(day) for day in duty.DAYS], me=who.id
    )

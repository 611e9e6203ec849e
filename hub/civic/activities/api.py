"""Activities and attendance sheets of the JSON API (contracts.md 3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub import directory
from hub.access import Subject, needs, public, subject
from hub.civic.activities import attendance, cards, people, programme
from hub.civic.activities.models import Activity, Sheet
from hub.civic.activities.programme import Plan
from hub.command import answered
from hub.db import Read, Tx
from hub.idempotency import Answer
from hub.page import services

PAGE_MAX = 100
router = APIRouter(prefix="/api/v1")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


class ActivityBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    area: str = Field(max_length=12)
    title: str
    title_en: str = ""
    item: str = Field(max_length=16)
    starts: AwareDatetime
    ends: AwareDatetime
    place: str
    place_en: str = ""
    seats: int = Field(default=0, ge=0, le=programme.SEATS_MAX)
    number: str = Field(default="", max_length=64)


class LineBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    account: str = Field(max_length=80)  # an account id, or the id of a resident, household or organisation
    hours: Decimal = Field(gt=0, le=programme.HOURS_MAX, allow_inf_nan=False)


class SheetBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    activity: str = Field(max_length=36)
    rows: list[LineBody] = Field(min_length=1, max_length=attendance.ROWS_MAX)


def shape(found: Activity) -> dict[str, Any]:
    return {
        "id": found.id, "area": found.area, "title": found.zh, "title_en": found.en, "item": found.item,
        "starts": found.starts.isoformat(), "ends": found.ends.isoformat(), "place": found.place_zh,
        "place_en": found.place_en, "state": found.state, "seats": found.seats, "number": found.number,
    }  # fmt: skip


def shape_sheet(read: Read, sheet: Sheet) -> dict[str, Any]:
    entered = attendance.rows(read, sheet.id)
    return {
        "id": sheet.id, "activity": sheet.activity, "area": sheet.area, "state": sheet.state,
        "rows": [
            {"account": f"{row.owner_kind}-{row.owner}", "hours": cards.hours(row.minutes), "of_minor": row.of_minor}
            for row in entered
        ],
        "submitted_by": sheet.submitted_by, "approved_by": sheet.approved_by,
        "submitted_at": sheet.submitted_at.isoformat() if sheet.submitted_at else None,
        "approved_at": sheet.approved_at.isoformat() if sheet.approved_at else None,
    }  # fmt: skip


@router.get("/activities", dependencies=[public("what takes place in a community is public")])
async def listing(
    request: Request,
    area: Annotated[str, Query(max_length=12)] = "",
    after: Annotated[str, Query(max_length=36)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
) -> dict[str, Any]:
    """Newest first: of one community, or of all below an area; without one, of the caller's own."""
    who = subject(request)

    def look(read: Read) -> list[Activity]:
        code = area or who.area
        areas = [each.code for each in directory.below(read, [code])] if code else _roots(read)
        return programme.listed(read, areas, before=after, limit=limit)

    items = await services(request).store.read(look)
    return {"items": [shape(each) for each in items], "after": items[-1].id if len(items) == limit else None}


@router.post("/activities", status_code=201, dependencies=[needs("activities.write")])
async def publish(request: Request, body: ActivityBody, key: Key = None) -> JSONResponse:
    who = subject(request)
    plan = Plan(
        body.area, body.title, body.title_en, body.item, body.starts, body.ends, body.place, body.place_en,
        body.seats, body.number,
    )  # fmt: skip
    return await answered(request, key, lambda tx: Answer(201, shape(programme.publish(tx, who, plan))))


@router.post("/points/sheets", status_code=201, dependencies=[needs("activities.write")])
async def submit(request: Request, body: SheetBody, key: Key = None) -> JSONResponse:
    """A whole sheet at once: opened, filled and submitted under the caller's signature."""
    who = subject(request)
    return await answered(request, key, lambda tx: Answer(201, shape_sheet(tx, _whole(tx, who, body))))


@router.get("/points/sheets/{ident}", dependencies=[needs("activities.read")])
async def one(request: Request, ident: str) -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = attendance.sheet_of(read, ident)
        who.require("activities.read", directory.area(read, found.area).path)
        return shape_sheet(read, found)

    return await services(request).store.read(look)


@router.post("/points/sheets/{ident}/approve", dependencies=[needs("activities.approve")])
async def approve(request: Request, ident: str, key: Key = None) -> JSONResponse:
    """The second person's signature credits everyone. Asked again, the same answer and not a point more."""
    who = subject(request)
    return await answered(request, key, lambda tx: Answer(200, shape_sheet(tx, attendance.approve(tx, who, ident))))


def _whole(tx: Tx, who: Subject, body: SheetBody) -> Sheet:
    sheet = attendance.open_sheet(tx, who, body.activity)
    activity = programme.activity(tx, body.activity)
    day = programme.day_of(activity, directory.area(tx, sheet.area).tz)
    entries = [(people.standing(tx, sheet.area, each.account, day), each.hours) for each in body.rows]
    attendance.fill(tx, who, sheet.id, entries)
    return attendance.submit(tx, who, sheet.id)


def _roots(read: Read) -> list[str]:
    roots = [each.code for each in read.session.query(directory.Area).all() if each.parent is None]
    return [each.code for each in directory.below(read, roots)]

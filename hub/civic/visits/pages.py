"""The grid worker's phone: the round as it is walked, results that wait without a line, a name for a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.access import Subject, needs, subject
from hub.civic.visits import doors, knocks, rules
from hub.civic.visits.doors import Door
from hub.civic.visits.knocks import Said, Told
from hub.db import Read
from hub.errors import LinliError
from hub.page import actor, page_live, see_other, services

Text = Annotated[str, Form(max_length=400)]
router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1")
WALK = needs("visits.walk")


class KnockBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str = Field(min_length=1, max_length=knocks.KEY_CHARS_MAX)
    visit: str = Field(max_length=36)
    result: str = Field(max_length=16)
    person: str = Field(default="", max_length=64)
    note: str = Field(default="", max_length=400)
    signature: str = Field(default="", max_length=100)
    at: AwareDatetime | None = None


class ResultsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    results: list[KnockBody] = Field(min_length=1, max_length=knocks.BATCH_MAX)


@router.get("/visits", dependencies=[WALK])
async def round_of(request: Request, order: str = "risk") -> HTMLResponse:
    return await _round(request, order=order)


async def _round(
    request: Request, *, order: str = "risk", status: int = 200, wrong: str = "", revealed: dict[str, str] | None = None
) -> HTMLResponse:
    who = subject(request)
    by_risk = order != "way"

    def look(read: Read) -> tuple[list[Door], dict[str, int], dict[str, int]]:
        found = doors.of_worker(read, who.id, by_risk=by_risk)
        risk = {door.id: turn for turn, door in enumerate(doors.ordered(found, by_risk=True))}
        way = {door.id: turn for turn, door in enumerate(doors.ordered(found, by_risk=False))}
        return found, risk, way

    found, risk, way = await services(request).store.read(look)
    said = dict.fromkeys(f"notices.told:{door.notice}.{door.revision}" for door in found if door.notice)
    told = [topic for topic in said if services(request).feed.may_watch(who, topic)]
    tally = f"visits.mine:{who.id}"
    watched = [tally] if services(request).feed.may_watch(who, tally) else []
    return await page_live(
        request, "visits/round.html", topics=[*watched, *told], status=status, doors=found, told=told,
        tally=tally if watched else "", by_risk=by_risk, risk_turn=risk, way_turn=way, results=rules.RESULTS,
        reveals=rules.REVEALS, signed=rules.SIGNED, note_max=rules.NOTE_CHARS_MAX,
        signature_max=rules.SIGNATURE_CHARS_MAX, wrong=wrong, revealed=revealed or {}, me=who.id,
    )  # fmt: skip


@router.post("/visits/{ident}/result", dependencies=[WALK])
async def by_form(
    request: Request, ident: str, key: Text, result: Text = "", person: Text = "", note: Text = "", signature: Text = ""
) -> Response:
    """Without script: one result at a time, with the line up."""
    who = subject(request)
    said = Said(key, ident, result, person, note, signature)
    try:
        told = await services(request).store.write(
            lambda tx: knocks.tell(tx, knocks.record(tx, who, said), key), actor(request)
        )
    except LinliError as error:
        return await _round(request, status=error.status, wrong=error.sentence)
    return see_other("/visits") if told.state == "kept" else await _round(request, status=409, wrong=told.sentence)


@router.post("/visits/results", dependencies=[WALK])
async def sync(request: Request, body: ResultsBody) -> JSONResponse:
    """What waited in the phone. Every item has an answer, and sent again it has the same."""
    return await _take(request, body)


@router.post("/visits/{ident}/name", dependencies=[WALK])
async def name(request: Request, ident: str, person: Text, why: Text) -> Response:
    """A POST, so that the reason is a deed; the answer is in no address and kept nowhere."""
    who = subject(request)
    found = await services(request).store.write(
        lambda tx: knocks.show_name(tx, who, ident, person, why), actor(request)
    )
    shown = {"name": found.name, "phone": (found.phone or "") if why == "call" else ""}
    if "json" in request.headers.get("accept", ""):
        return JSONResponse(shown)
    return await _round(request, revealed={f"{ident}|{person}": " ".join(filter(None, shown.values()))})


@api.get("/visits", dependencies=[WALK])
async def listing(request: Request, order: str = "risk") -> dict[str, Any]:
    """One's own open visits; a token has those of all workers of its area."""
    who = subject(request)
    found = await services(request).store.read(lambda read: _own(read, who, by_risk=order != "way"))
    return {"items": [doors.shape(door) for door in found], "after": None}


@api.post("/visits/results", dependencies=[WALK])
async def results(request: Request, body: ResultsBody) -> JSONResponse:
    return await _take(request, body)


async def _take(request: Request, body: ResultsBody) -> JSONResponse:
    who = subject(request)
    said = [Said(**each.model_dump()) for each in body.results]
    told: list[Told] = await services(request).store.write(lambda tx: knocks.record_all(tx, who, said), actor(request))
    items = [{"key": each.key, "visit": each.visit, "state": each.state, "sentence": each.sentence} for each in told]
    return JSONResponse({"items": items, "at": _stamp(services(request).clock.now())})


def _own(read: Read, who: Subject, *, by_risk: bool) -> list[Door]:
    if who.kind == "token":
        return [door for door in doors.of_area(read, who.area, by_risk=by_risk) if door.state == "open"]
    return doors.of_worker(read, who.id, by_risk=by_risk)


def _stamp(at: datetime) -> str:
    return at.isoformat()

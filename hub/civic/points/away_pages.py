"""The pages of a counter without a line: the one that works in the browser with the line cut, and the sheet on paper.

Which counter a browser is stands in a cookie of its own, so two machines of one person are two counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hub import directory
from hub.access import Subject, needs, subject
from hub.civic.points import away, counter, shelf
from hub.civic.points.away import Handed
from hub.civic.points.counter_pages import PLACE, masked, step
from hub.civic.points.mall_pages import line
from hub.civic.points.reward_models import Offline
from hub.db import Read, Tx
from hub.errors import LinliError
from hub.i18n import _
from hub.page import actor, page, see_other, services

HERE = f"{PLACE}/away"
COOKIE = "linli_counter"
COOKIE_S = 3 * 24 * 3600
DESK = needs("points.counter")
router = APIRouter(include_in_schema=False)


class HandedBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    redemption: str = Field(max_length=36)
    code: str = Field(max_length=12)
    at: AwareDatetime | None = None


class LinesBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    counter: str = Field(max_length=36)
    lines: list[HandedBody] = Field(min_length=1, max_length=away.TAKEN_ALONG_MAX)


@router.get(HERE, dependencies=[DESK])
async def here(request: Request) -> HTMLResponse:
    return await _here(request)


@router.post(f"{PLACE}/offline", dependencies=[DESK])
async def leave(request: Request, name: Annotated[str, Form(max_length=away.NAME_MAX)] = "") -> Response:
    who = subject(request)
    try:
        made = await services(request).store.write(lambda tx: away.take_along(tx, who.area, who, name), actor(request))
    except LinliError as error:
        return await _here(request, error.sentence, error.status)
    done = see_other(HERE)
    secure: bool = request.app.state.secure if "app" in request.scope else False
    done.set_cookie(COOKIE, made.id, max_age=COOKIE_S, path=PLACE, secure=secure, httponly=True, samesite="lax")
    return done


@router.post(f"{HERE}/lines", dependencies=[DESK])
async def lines(request: Request, body: LinesBody) -> JSONResponse:
    """What the browser kept while the line was cut; sent again, it is the same answer."""
    who = subject(request)
    handed = [Handed(each.redemption, each.code, each.at) for each in body.lines]

    def work(tx: Tx) -> list[dict[str, str]]:
        away.must_be_here(away.one(tx, body.counter), who.area)
        came = away.sync(tx, body.counter, handed, who)
        return [{"redemption": each.redemption, "state": each.state, "sentence": each.why} for each in came]

    return JSONResponse({"items": await services(request).store.write(work, actor(request))})


@router.post(f"{HERE}/back", dependencies=[DESK])
async def home(request: Request) -> Response:
    """The counter is back; its lines have been sent before."""
    ident = request.cookies.get(COOKIE, "")
    return _without(await _back(request, ident, []), ident)


@router.post(f"{PLACE}/clashes/{{ident}}/{{redemption}}", dependencies=[DESK])
async def looked_into(
    request: Request, ident: str, redemption: str, what: Annotated[str, Form(max_length=12)] = "seen"
) -> Response:
    who = subject(request)
    return await step(
        request, lambda tx: away.look_into(tx, who.area, ident, redemption, who, write_off=what == "write-off")
    )


@router.get(f"{PLACE}/offline/{{ident}}", dependencies=[DESK])
async def sheet(request: Request, ident: str) -> HTMLResponse:
    """A list to print: what may be handed over without a line, with room for the code that the owner says."""
    return await _sheet(request, ident)


@router.post(f"{PLACE}/offline/{{ident}}", dependencies=[DESK])
async def back(request: Request, ident: str) -> Response:
    """The sheet as it came back: a code beside each that was handed over."""
    form = await request.form()
    handed = [
        Handed(name[5:], str(digits)[:12]) for name, digits in form.items() if name.startswith("code-") and digits
    ]
    return _without(await _back(request, ident, handed), ident)


async def _here(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who, ident = subject(request), request.cookies.get(COOKIE, "")

    def look(read: Read) -> dict[str, Any]:
        found = read.session.get(Offline, ident) if ident else None
        mine = found if found is not None and found.area == who.area and found.closed_at is None else None
        return {
            "away": mine, "rows": _rows(read, who, mine.id) if mine else [], "out": away.out(read, who.area),
            "tz": directory.area(read, who.area).tz, "now": read.now(), "waiting": len(counter.waiting(read, who.area)),
        }  # fmt: skip

    seen = await services(request).store.read(look)
    codes = [row.pop("code") for row in seen["rows"]]
    marks = await run_in_threadpool(lambda: [away.mark_of(ident, digits) for digits in codes])
    for row, mark in zip(seen["rows"], marks, strict=True):
        row["mark"] = mark
    return page(request, "points/away.html", status, wrong=wrong, rounds=away.ROUNDS, **seen)


def _rows(read: Read, who: Subject, ident: str) -> list[dict[str, Any]]:
    found = counter.waiting(read, who.area, offline=ident)
    return [line(each, shelf.name(reward)) | {"who": masked(read, each.account)} for each, reward in found]


async def _sheet(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = away.must_be_here(away.one(read, ident), who.area)
        return {"away": found, "rows": _rows(read, who, ident), "tz": directory.area(read, who.area).tz}

    return page(request, "points/offline.html", status, wrong=wrong, **await services(request).store.read(look))


async def _back(request: Request, ident: str, handed: Sequence[Handed]) -> Response:
    who = subject(request)

    def work(tx: Tx) -> list[str]:
        away.must_be_here(away.one(tx, ident), who.area)
        return [each.why for each in away.bring_back(tx, ident, handed, who) if each.state == "refused"]

    try:
        refused = await services(request).store.write(work, actor(request))
    except LinliError as error:
        return await _here(request, error.sentence, error.status)
    if refused:
        said = _("{n} lines were refused: {why}").format(n=len(refused), why=refused[0])
        return await _sheet(request, ident, said, 409)
    return see_other(f"{PLACE}?back=1")


def _without(done: Response, ident: str) -> Response:
    if ident and done.status_code == 303:
        done.delete_cookie(COOKIE, path=PLACE)
    return done

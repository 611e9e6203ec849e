"""The code on the television, the phone that answers for it, and letting go of it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from hub import box, directory, qr
from hub.access import signed_in, subject
from hub.civic.boxes import news
from hub.db import Read
from hub.errors import LinliError, NotFound, TooMany
from hub.i18n import _, pick
from hub.page import actor, page, public_base, see_other, services

CODES_MINUTE_MAX = 600  # of all boxes together: each is a write
Code = Annotated[str, Form(max_length=32)]
router = APIRouter(include_in_schema=False)


@router.get("/tv/{area}/home/code.png", dependencies=[signed_in("tv")])
async def code(request: Request, area: str) -> Response:
    """A QR code that holds for five minutes: with it a signed-in phone makes this box its home's own."""
    hub, who = services(request), _here(request, area)
    if who.household:
        raise NotFound(_("This television is bound already"))
    _spend(request, hub.clock.monotonic())
    text = await hub.store.write(lambda tx: box.offer(tx, who), actor(request))
    drawn = qr.png(f"{public_base(request)}/me/tv?code={text}")
    return Response(drawn, media_type="image/png", headers={"cache-control": "no-store"})


@router.post("/tv/{area}/home/opened", dependencies=[signed_in("tv")])
async def opened(request: Request, area: str) -> Response:
    household = _here(request, area).household
    if household:
        await services(request).store.write(lambda tx: news.opened(tx, household), actor(request))
    return Response(status_code=204)


@router.get("/me/tv", dependencies=[signed_in("resident")])
async def ask(request: Request, code: Annotated[str, Query(max_length=32)] = "") -> HTMLResponse:
    return await _ask(request, code)


@router.post("/me/tv", dependencies=[signed_in("resident")])
async def bind(request: Request, code: Code) -> Response:
    who = subject(request)
    try:
        terminal = await services(request).store.write(lambda tx: box.bind(tx, who, code), actor(request))
        request.app.state.sessions.forget_of(terminal)
    except LinliError as error:
        return await _ask(request, "", wrong=error.sentence, status=error.status)
    return see_other("/me#televisions")


@router.post("/me/tv/{terminal}/leave", dependencies=[signed_in("resident")])
async def leave(request: Request, terminal: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: box.unbind(tx, who, terminal), actor(request))
    return see_other("/me#televisions")


async def _ask(request: Request, code: str, *, wrong: str = "", status: int = 200) -> HTMLResponse:
    def look(read: Read) -> dict[str, Any]:
        terminal = box.offered(read, code) if code else None
        if terminal is None:
            return {"place": "", "code": ""}
        place = directory.area(read, box.home_of(read, terminal)[1])
        return {"place": pick(place.zh, place.en), "code": code}

    shown = await services(request).store.read(look)
    if code and not shown["code"] and not wrong:
        wrong, status = _("This code is too old; take the one that stands on the television now"), 404
    return page(request, "boxes/bind.html", status, wrong=wrong, **shown)


def _here(request: Request, area: str) -> Any:
    who = subject(request)
    if area != who.area:
        raise NotFound(_("There is no such area"))
    return who


def _spend(request: Request, now_s: float) -> None:
    minute, spent = getattr(request.app.state, "box_codes", (-1, 0))
    spent = spent + 1 if minute == int(now_s // 60) else 1
    request.app.state.box_codes = (int(now_s // 60), spent)
    if spent > CODES_MINUTE_MAX:
        raise TooMany(_("Too many televisions ask at once; try again in a minute"), 60)

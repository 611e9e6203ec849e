"""/claim on a phone: the camera opens the label, or the code is typed; choose the hut, say where it stands."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from devices.profile import all_profiles
from hub.access import needs, subject
from hub.civic.fleet import claims
from hub.civic.fleet.book import CLAIM
from hub.civic.fleet.models import Claim
from hub.db import Tx
from hub.errors import LinliError
from hub.i18n import N_, _, pick
from hub.page import actor, page, services

Text = Annotated[str, Form(max_length=80)]
UNKNOWN = N_("This code is not known, used already, or too old; read the label again or ask for a new one")
router = APIRouter(include_in_schema=False)


@router.get("/claim", dependencies=[needs(CLAIM)])
async def begin(request: Request, code: Annotated[str, Query(max_length=32)] = "") -> HTMLResponse:
    return page(request, "fleet/claim.html", code=code, wrong="", found=None, spots=(), place="")


@router.post("/claim", dependencies=[needs(CLAIM)])
async def show(request: Request, code: Text) -> HTMLResponse:
    return await _found(request, code)


@router.post("/claim/here", dependencies=[needs(CLAIM)])
async def here(request: Request, code: Text, gateway: Text, place: Text = "") -> Response:
    who = subject(request)
    try:
        device = await services(request).store.write(
            lambda tx: claims.redeem(tx, who, CLAIM, code, gateway, place), actor(request)
        )
    except LinliError as error:
        return await _found(request, code, wrong=error.sentence, place=place, status=error.status)
    if device is None:
        return _wrong(request, _(UNKNOWN), 404)
    return page(request, "fleet/claimed.html", device=device, name=pick(device.zh, device.en))


async def _found(request: Request, code: str, *, wrong: str = "", place: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(tx: Tx) -> tuple[Claim | None, list[claims.Spot]]:
        claim = claims.find(tx, who, CLAIM, code)
        return claim, [] if claim is None else claims.spots(tx, who, CLAIM, claim)

    try:
        claim, spots = await services(request).store.write(look, actor(request))
    except LinliError as error:
        return _wrong(request, error.sentence, error.status)
    if claim is None:
        return _wrong(request, _(UNKNOWN), 404)
    model = all_profiles()[claim.profile]
    found: dict[str, Any] = {
        "device": claim.device,
        "title": pick(model.title_zh, model.title_en),
        "serial": claim.serial or "",
    }
    return page(request, "fleet/claim.html", status, code=code, wrong=wrong, found=found, spots=spots, place=place)


def _wrong(request: Request, sentence: str, status: int) -> HTMLResponse:
    return page(request, "fleet/claim.html", status, code="", wrong=sentence, found=None, spots=(), place="")

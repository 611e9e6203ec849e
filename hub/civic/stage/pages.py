"""The stage's page and its buttons. Demo only, on this machine only; whoever opens it is signed in on every screen."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hub import login
from hub.access import public
from hub.civic.stage import outage
from hub.civic.stage.playing import ACTS, director, playing
from hub.civic.stage.trail import KEY, TOPIC
from hub.db import Read
from hub.errors import Conflict, Refused
from hub.i18n import _, language
from hub.page import page, see_other, services


def router() -> APIRouter:
    routes = APIRouter(
        dependencies=[public("demo only: this machine's visitor plays every part")], include_in_schema=False
    )

    @routes.get("/stage")
    async def stage(request: Request, signed: bool = False) -> Response:
        hub = services(request)
        chief = director(hub)
        missing = await hub.store.read(lambda read: _missing(read, request, chief.cast))
        if missing:
            if signed:
                raise Refused(_("The stage signs you in with cookies; allow them for this address and load it again"))
            return await _signed_in(request, missing)
        if signed:
            return see_other("/stage")
        topic = f"{TOPIC}:{KEY}"
        drawn = hub.render("stage/trail.html", playing(hub).context(), language())
        return page(
            request,
            "stage/stage.html",
            fragments={topic: drawn},
            topic=topic,
            acts=ACTS,
            hut=chief.hut_id,
            area=chief.area,
        )

    @routes.post("/stage/act/{name}")
    async def act(request: Request, name: str) -> Response:
        """Answers at once; what comes of it is seen on the screens and in the trail."""
        hub = services(request)
        director(hub)
        playing(hub).ask(name)
        return Response(status_code=204) if "x-csrf" in request.headers else see_other("/stage")

    @routes.get("/stage/unplug")
    async def unplug(request: Request) -> Response:
        hub = services(request)
        chief = director(hub)
        if await hub.store.read(lambda read: _missing(read, request, chief.cast)):
            return see_other("/stage")
        topic = f"{outage.TOPIC}:{outage.KEY}"
        drawn = hub.render("stage/outage.html", outage.context(chief.unplug.now), language())
        return page(request, "stage/unplug.html", fragments={topic: drawn}, topic=topic)

    @routes.post("/stage/unplug")
    async def pull(request: Request) -> Response:
        """Start a run, or pull the plug of the one that flows. Without script the page itself says why it did not."""
        scripted = "x-csrf" in request.headers
        try:
            director(services(request)).unplug.press()
        except Conflict:
            if scripted:
                raise
        return Response(status_code=204) if scripted else see_other("/stage/unplug")

    return routes


def _missing(read: Read, request: Request, cast: Mapping[str, str]) -> list[str]:
    """The surface families on which this browser is not the one who plays there."""
    found = []
    for family, ident in cast.items():
        token = request.cookies.get(_cookie(request, family))
        who = login.subject_of(read, token, family) if token else None
        if who is None or who.id != ident:
            found.append(family)
    return found


async def _signed_in(request: Request, families: list[str]) -> Response:
    tokens = await director(services(request)).sign_in(families)
    response = see_other("/stage?signed=1")
    for family, token in tokens.items():
        secure = request.url.scheme == "https"
        response.set_cookie(_cookie(request, family), token, path="/", secure=secure, httponly=True, samesite="lax")
    return response


def _cookie(request: Request, family: str) -> str:
    """Contracts.md 3 names them."""
    return f"__Host-linli_{family}" if request.url.scheme == "https" else f"linli_{family}"

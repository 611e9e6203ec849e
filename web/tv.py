"""The set-top-box portal of a community: public content only, at most six tiles, driven by six keys and digits.

A box without a cookie gets an opaque terminal token, so that what it shows can be counted; it names nobody. A household
binds its box from the phone (hub/box.py), and only then does the page behind the blue key speak of its points.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from hub.access import NOBODY, public, subject
from hub.db import Read
from hub.directory import Area, area
from hub.errors import NotFound
from hub.i18n import _
from hub.login import open_session
from hub.page import page, services
from hub.rng import code
from web.auth import cookie_of, give_cookie
from web.cards import placed
from web.home import fragments

TILES_MAX = 6  # domain.md 4.2; more cannot be reached with a thumb
TERMINALS_MINUTE_MAX = 3_000  # a city's boxes after a power cut; beyond it a box still shows all, only uncounted


def router() -> APIRouter:
    routes = APIRouter(dependencies=[public("a community's TV shows public content only")], include_in_schema=False)
    throttle = _Throttle()

    @routes.get("/tv/{area_code}")
    async def portal(request: Request, area_code: str) -> HTMLResponse:
        hub, who = services(request), subject(request)
        here = await hub.store.read(lambda read: _community(read, area_code))
        if who.household:  # a home that has just let go of this box is gone from the very next page
            who = await request.app.state.sessions.subject(cookie_of(request, "tv") or "", "tv", fresh=True) or NOBODY
            request.state.subject = who
        token = ""
        if (who.kind != "tv" or who.area != here.code) and throttle.allows(hub.clock.monotonic()):
            name = f"tv-{code(hub.rng, 12)}"
            token = await hub.store.write(lambda tx: open_session(tx, "tv", "tv", name, area=here.code))
            who = await request.app.state.sessions.subject(token, "tv")
            request.state.subject = who  # the page below already carries this terminal's CSRF token
        tiles = placed(hub.modules, hub.feed, "tv", who, area=here.code)[:TILES_MAX]
        homes = placed(hub.modules, hub.feed, "tv_home", who, area=here.code)
        overlays = placed(hub.modules, hub.feed, "tv_overlay", who, area=here.code)
        response = page(
            request,
            "tv.html",
            here=here,
            tiles=tiles,
            overlays=overlays,
            homes=homes,
            fragments=await fragments(request, [*tiles, *overlays, *homes]),
            now=hub.clock.now(),
        )
        if token:
            give_cookie(request, response, "tv", token)
        return response

    return routes


class _Throttle:
    def __init__(self) -> None:
        self._minute, self._count = -1, 0

    def allows(self, monotonic_s: float) -> bool:
        minute = int(monotonic_s // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= TERMINALS_MINUTE_MAX


def _community(read: Read, area_code: str) -> Area:
    found = area(read, area_code)
    if found.kind not in ("community", "village"):
        raise NotFound(_("There is no such area"))
    return found

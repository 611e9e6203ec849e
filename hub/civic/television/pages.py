"""What players fetch: the list of channels, the guide, a channel's playlist and its segments. All of it is public."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from channels import tv_codec
from hub import directory, slides
from hub.access import public
from hub.civic.television import guide, lineup
from hub.civic.television.station import KEPT, PLAYLIST, STREAM, UNKEPT, Station
from hub.db import Read
from hub.errors import NotFound, Unavailable
from hub.i18n import N_, _, language, speaking
from hub.page import services

LIST, GUIDE = "audio/x-mpegurl; charset=utf-8", "application/xml; charset=utf-8"
FRESH = {"few": timedelta(seconds=60), "many": timedelta(minutes=15)}  # a guide of a city takes seconds
PART = 50  # communities in one look at the store: others want to read, too
MISSING = N_("This hub has no TV channel: install linli[tv]. The page for set-top boxes works without it.")
ANYONE = public("a community's channel shows what its public screens show")
# A player on another site's page may play it, too: it is a public broadcast.
OPEN = {"access-control-allow-origin": "*"}
READ = ["GET", "HEAD"]  # some players ask for the head first
router = APIRouter(include_in_schema=False, dependencies=[ANYONE])


def station(request: Request) -> Station:
    """The one of this process, made when the first viewer comes: whoever has no viewer pays nothing."""
    state = request.app.state
    found = getattr(state, "television", None)
    if found is None:
        if not tv_codec.available():
            raise Unavailable(_(MISSING))
        found = state.television = Station(services(request))
        state.quick[b"/tv/"] = found.quick
    made: Station = found
    return made


@router.api_route("/tv/playlist.m3u", methods=READ)
async def playlist(request: Request, area: str = "") -> Response:
    station(request)
    listed = await services(request).store.read(lambda read: lineup.stations(read, _code(area)))
    return Response(lineup.m3u(listed, _base(request), area), media_type=LIST, headers=OPEN)


@router.api_route("/tv/guide.xml", methods=READ)
async def programme_guide(request: Request, area: str = "") -> Response:
    held = station(request).guides
    hub, key = services(request), (_code(area), language(), _base(request))
    async with held.lock:
        body, until = held.made.get(key) or (b"", hub.clock.now())
        if until <= hub.clock.now():
            body, fresh = await _guide(request, *key)
            held.made.put(key, (body, hub.clock.now() + fresh), len(body))
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"etag": tag, **OPEN})
    return Response(body, media_type=GUIDE, headers={"etag": tag, "cache-control": "public, max-age=60", **OPEN})


async def _guide(request: Request, area: str, lang: str, base: str) -> tuple[bytes, timedelta]:
    hub = services(request)
    listed = await hub.store.read(lambda read: lineup.stations(read, area))
    few = len(listed) <= guide.FEW_STATIONS
    slots = guide.grid(hub.clock.now(), guide.HOURS_FEW if few else guide.HOURS_MANY)

    def look(read: Read, part: list[lineup.Station]) -> list[tuple[lineup.Station, list[guide.Programme]]]:
        with speaking(lang):
            return [
                (each, guide.programmes(slides.gather(read, each.area, hub.modules), each.name, slots)) for each in part
            ]

    shown = []
    for at in range(0, len(listed), PART):
        shown += await hub.store.read(lambda read, at=at: look(read, listed[at : at + PART]))  # type: ignore[misc]

    def write() -> bytes:
        with speaking(lang):
            return guide.xmltv(shown, base)

    return await asyncio.to_thread(write), FRESH["few" if few else "many"]


@router.api_route("/tv/{area}/live.m3u8", methods=READ)
async def live(request: Request, area: str, lang: str = "", voice: int = 0) -> Response:
    body = await station(request).playlist(_code(area), "en" if lang == "en" else "zh", voice=bool(voice))
    return Response(body, media_type=PLAYLIST, headers={"cache-control": UNKEPT, **OPEN})


@router.api_route("/tv/{area}/{stem}.ts", methods=READ)
async def segment(request: Request, area: str, stem: str) -> Response:
    body = station(request).segment(_code(area), stem)
    return Response(body, media_type=STREAM, headers={"cache-control": KEPT, **OPEN})


@router.api_route("/tv/{area}/logo.png", methods=READ)
async def logo(request: Request, area: str) -> Response:
    """The first two characters of the place's name."""
    name = await services(request).store.read(lambda read: _name(read, _code(area)))
    body = await asyncio.to_thread(station(request).studio.emblem, name[:2])
    return Response(body, media_type="image/png", headers={"cache-control": "public, max-age=86400", **OPEN})


def _name(read: Read, code: str) -> str:
    found = directory.area(read, code)
    if found.kind not in lineup.KINDS:
        raise NotFound(_("There is no such area"))
    return found.zh


def _code(area: str) -> str:
    if area and not (len(area) == 12 and area.isascii() and area.isdigit()):
        raise NotFound(_("There is no such area"))
    return area


def _base(request: Request) -> str:
    """How players reach us: as the operator said, else as this one did."""
    return services(request).config.get("web.public_url", "").rstrip("/") or str(request.base_url).rstrip("/")

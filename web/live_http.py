"""The live feed for engines without WebSocket: server-sent events, polling with ETag, and proofs by POST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from hub.access import public, subject
from hub.errors import NotFound, Refused
from hub.feed import Watcher
from hub.i18n import _, language
from hub.page import services
from web import polls
from web.auth import cookie_of
from web.live import ASK_AGAIN_S, TOPICS_MAX, Live, Said

BEAT_S = 15.0  # so that proxies keep the stream, and a script knows that it stands


def router() -> APIRouter:
    routes = APIRouter(dependencies=[public("each topic is granted or refused by itself")], include_in_schema=False)

    @routes.get("/live/poll")
    async def poll(
        request: Request, t: Annotated[list[Annotated[str, Query(max_length=400)]], Query(max_length=TOPICS_MAX)]
    ) -> Response:
        """Topics as they stand; 304 while they are what the client has, without touching the store."""
        feed = services(request).feed
        single = len(t) == 1
        if not t or (single and not feed.may_watch(subject(request), t[0])):
            raise NotFound(_("There is nothing here for you"))
        shared = [topic for topic in t if single or polls.public(feed, topic)]
        own = [topic for topic in t if topic not in shared]
        frames = list((await feed.currents(shared, language())).values())
        tag = polls.tagged(frames, own)
        headers = {"ETag": f'"{tag}"', "Cache-Control": polls.KEPT, "Vary": "Cookie, Accept-Language"}
        if f'"{tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(polls.written(frames, own), media_type="application/json", headers=headers)

    @routes.get("/live/events")
    async def events(request: Request, t: Annotated[list[str], Query(max_length=TOPICS_MAX)]) -> Response:
        feed, who = services(request).feed, subject(request)
        watcher = Watcher(language())
        last = request.headers.get("last-event-id", "0")
        since = int(last) if last.isdigit() and len(last) < 16 else 0
        granted = [topic for topic in t if feed.may_watch(who, topic)]
        if not granted:
            raise NotFound(_("There is nothing here for you"))
        for topic in granted:
            await feed.watch(watcher, topic, since)
        return StreamingResponse(
            _stream(request, watcher), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    @routes.post("/live/proof")
    async def prove(request: Request) -> Response:
        try:
            said = msgspec.json.decode(await request.body(), type=Said)
        except msgspec.DecodeError as error:
            raise Refused(_("The request could not be read; load the page again and repeat")) from error
        live: Live = request.app.state.live
        await live.prove(subject(request), said.proof)
        return Response(status_code=204)

    return routes


async def _stream(request: Request, watcher: Watcher) -> AsyncIterator[bytes]:
    live: Live = request.app.state.live
    who = subject(request)
    token = cookie_of(request, who.surface) if who.surface else None
    try:
        yield b"retry: 3000\n\n"
        quiet_s = 0.0
        while not live.closing.is_set():
            try:
                async with asyncio.timeout(ASK_AGAIN_S):
                    await watcher.wake.wait()
            except TimeoutError:
                quiet_s += ASK_AGAIN_S
                if token and await live.sessions.ended({token}):
                    return
                if quiet_s >= BEAT_S:
                    quiet_s = 0.0
                    yield b"data: {}\n\n"
                continue
            for frame in watcher.take():
                live.frames_sent += 1
                yield b"id: %d\ndata: %s\n\n" % (frame.id, frame.data)
    finally:
        live.feed.leave(watcher)

"""The live feed's doors on the page's own origin: `/live` (WebSocket), `/live/events` (SSE), `/live/poll` (ETag).

A WebSocket is taken from uvicorn at its upgrade (web/viewer.py): no ASGI message per frame, no task per viewer, no
compression, one frame encoded once for all. A slow viewer is dropped and comes back with `since`. A
session is asked again every 2 s, so that a revoked one loses its screen within 5 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response

from hub.access import NOBODY, Subject
from hub.clock import Clock
from hub.errors import LinliError, NotFound
from hub.feed import Feed, Frame, Watcher
from hub.i18n import _
from web.guards import LOOPBACK, known_host, own_origin
from web.sessions import Sessions
from web.speech import language_of
from web.surfaces import cookie_name
from web.viewer import Viewer

log = logging.getLogger(__name__)
TOPICS_MAX = 60  # a page has a handful; the stage, with all screens, a few dozen
PROOFS_MAX = 100
SLOW_S = 10.0  # a viewer that takes nothing for so long has gone, or will come back with `since`
ASK_AGAIN_S = 2.0
PING_S, SILENT_S = 20.0, 42.0  # a line is tried after so long without a word, and is gone when two tries bring none
CLOSED_REVOKED, CLOSED_RESTART = 4401, 1012


@dataclass(frozen=True, slots=True)
class Proof:
    """What a screen says of a notice: shown (5 s in view) or seen (opened)."""

    notice: str
    rev: int
    level: str  # shown | seen


# Given by the composition root: (who, terminal, proofs). A terminal is the opaque id of the screen's session, or "".
OnProof = Callable[[Subject, str, "list[Proof]"], Awaitable[None]]


class Said(msgspec.Struct):
    """A client's message."""

    sub: list[str] = msgspec.field(default_factory=list)
    since: dict[str, int] = msgspec.field(default_factory=dict)
    beat: bool = False  # a script sees no ping: it asks for a word beside each
    proof: list[dict[str, str | int]] = msgspec.field(default_factory=list)


@dataclass
class Live:
    """All open screens of this process."""

    feed: Feed
    sessions: Sessions
    clock: Clock
    hosts: Collection[str] = LOOPBACK
    secure: bool = False
    on_proof: OnProof | None = None
    frames_sent: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    viewers: set[Viewer] = field(default_factory=set)
    _encoded: tuple[Frame | None, bytes] = (None, b"")  # the newest frame as it goes over the wire, for all viewers

    def take(self, **_uvicorn: Any) -> asyncio.Protocol:
        """uvicorn's `ws=`: the protocol for one upgraded connection."""
        return Viewer(self)

    async def close(self) -> None:
        """Tell every screen to come back in a moment (1012), each at its own moment (live.js jitters)."""
        self.closing.set()
        for viewer in tuple(self.viewers):
            viewer.close(CLOSED_RESTART, "restart")
        while self.viewers:
            self._gone.clear()
            await self._gone.wait()

    async def revise(self) -> None:
        """Runs beside the server: closes the sockets whose session has ended or whose rights have changed."""
        while True:
            await self.clock.sleep(ASK_AGAIN_S)
            self.tend()
            try:
                await self.revise_once()
            except Exception:
                log.exception("sessions of open screens could not be checked")

    def tend(self) -> None:
        """Every line is tried now and then, so that one that has gone is known; one that takes nothing is let go."""
        now = asyncio.get_running_loop().time()
        for viewer in tuple(self.viewers):
            if now - viewer.heard_at > SILENT_S or (viewer.stuck_since and now - viewer.stuck_since > SLOW_S):
                viewer.abort()
            elif now - viewer.pinged_at > PING_S and (viewer.beats or now - viewer.heard_at > PING_S):
                viewer.ping()

    async def revise_once(self) -> None:
        held = [viewer for viewer in self.viewers if viewer.token]
        ended = await self.sessions.ended({viewer.token for viewer in held})
        for viewer in held:
            gone = viewer.token in ended
            if not gone and viewer.subject.kind == "staff":
                now = await self.sessions.subject(viewer.token, viewer.surface, fresh=True)
                gone = now is None or now.grants != viewer.subject.grants
            if gone:
                # The screen loads its page again, and is asked to sign in there.
                viewer.close(CLOSED_REVOKED, "signed out")

    async def enter(self, viewer: Viewer, request: Request) -> Response:
        refused = await self._admit(viewer, request)
        if refused is not None:
            return viewer.wire.reject(*refused)
        answer = viewer.wire.accept(request)
        if answer.status_code == 101 and not viewer.transport.is_closing():
            viewer.watcher = Watcher(viewer.lang, viewer.pass_on)
            self.viewers.add(viewer)
        return answer

    def left(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self._gone.set()
        if viewer.watcher is not None:
            self.feed.leave(viewer.watcher)

    async def _admit(self, viewer: Viewer, request: Request) -> tuple[int, str] | None:
        """Why this one may not come in; or nothing, and then it is known who it is."""
        if self.closing.is_set():
            return 503, "Come back in a moment\n"
        parts = urlsplit(request.path)
        if parts.path != "/live":
            return 404, "Not found\n"
        headers = Headers(raw=[(key.lower().encode(), value.encode()) for key, value in request.headers.raw_items()])
        if not known_host(headers.get("host", ""), self.hosts):
            return 421, "Unknown host\n"
        if not own_origin(headers):
            return 403, "Foreign origin\n"
        asked = parse_qs(parts.query)
        viewer.surface = asked.get("surface", ["resident"])[-1]
        cookies = headers.get("cookie", "")
        named = asked.get("lang", [""])[-1]
        viewer.lang = named if named in ("zh", "en") else language_of(cookies, headers.get("accept-language", ""))
        token = cookie_parser(cookies).get(cookie_name(viewer.surface, secure=self.secure), "")
        if token:
            viewer.subject = await self.sessions.subject(token, viewer.surface) or NOBODY
            viewer.token = token if viewer.subject.kind != "nobody" else ""
        return None

    def freed(self, viewer: Viewer) -> None:
        """What waited meanwhile goes out, before anything newer."""
        if viewer.watcher is not None:
            for frame in viewer.watcher.take():
                viewer.send(frame.data)
                self.frames_sent += 1
            viewer.watcher.sent()

    def encoded(self, frame: Frame) -> bytes:
        """As it goes over the wire to one more screen."""
        if self._encoded[0] is not frame:
            self._encoded = (frame, WireFrame(Opcode.TEXT, frame.data).serialize(mask=False))
        self.frames_sent += 1
        return self._encoded[1]

    async def heard(self, viewer: Viewer, message: bytes) -> None:
        watcher = viewer.watcher
        try:
            said = msgspec.json.decode(message, type=Said)
        except msgspec.DecodeError:
            viewer.close(1007, "not understood")
            return
        if watcher is None:
            return
        viewer.beats = viewer.beats or said.beat
        for topic in said.sub:
            if topic in watcher.topics or len(watcher.topics) >= TOPICS_MAX:
                continue
            try:
                if not self.feed.may_watch(viewer.subject, topic):
                    raise NotFound(_("There is nothing here for you"))
                await self.feed.watch(watcher, topic, said.since.get(topic, 0))
                if viewer not in self.viewers:  # it has gone while we looked
                    self.feed.leave(watcher)
                    return
            except LinliError:  # also of a granted name behind which there is nothing
                viewer.send(msgspec.json.encode({"t": topic, "refused": True}))
        if said.proof:
            await self.prove(viewer.subject, said.proof)

    async def prove(self, subject: Subject, said: list[dict[str, str | int]]) -> None:
        """Hand on what a screen proves of notices; what makes no sense is dropped."""
        proofs = [
            Proof(str(each["notice"])[:64], int(each.get("rev", 0)), str(each["level"]))
            for each in said[:PROOFS_MAX]
            if each.get("level") in ("shown", "seen") and each.get("notice") and str(each.get("rev", 0)).isdigit()
        ]
        if proofs and self.on_proof is not None:
            await self.on_proof(subject, subject.session, proofs)

"""The live feed's doors on the page's own origin: `/live` (WebSocket), `/live/events` (SSE), `/live/poll` (ETag).

A WebSocket is taken from uvicorn at its upgrade and handed to the `websockets` library whole: no ASGI message per
frame, no compression, one frame encoded once for all viewers. A slow viewer is dropped and comes back with `since`. A
session is asked again every 2 s, so that a revoked one loses its screen within 5 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from hub.access import NOBODY, Subject
from hub.clock import Clock
from hub.errors import LinliError, NotFound
from hub.feed import Feed, Frame, Watcher
from hub.i18n import _
from web.guards import LOOPBACK, known_host, own_origin
from web.sessions import Sessions
from web.speech import language_of
from web.surfaces import cookie_name

log = logging.getLogger(__name__)
MESSAGE_BYTES_MAX = 64 * 1024
TOPICS_MAX = 60  # a page has a handful; the stage, with all screens, a few dozen
PROOFS_MAX = 100
SLOW_S = 10.0  # a viewer that takes nothing for so long has gone, or will come back with `since`
ASK_AGAIN_S = 2.0
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
    proof: list[dict[str, str | int]] = msgspec.field(default_factory=list)


class Viewer(ServerConnection):
    """One screen's socket with what was found out about it at the handshake."""

    subject: Subject = NOBODY
    token: str = ""
    surface: str = ""
    lang: str = "zh"


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
    _server: Server | None = None
    _encoded: tuple[Frame | None, bytes] = (None, b"")  # the newest frame as it goes over the wire, for all viewers

    def open(self) -> None:
        """Begin to take sockets; inside the loop that serves them."""
        self._server = serve(
            self._watch,
            compression=None,
            process_request=self._admit,  # type: ignore[arg-type] # our connections are Viewers
            server_header=None,
            open_timeout=10,
        )
        self._server.server = _Unbound(self._server)  # type: ignore[assignment] # uvicorn owns the real one

    def take(self, **_uvicorn: Any) -> asyncio.Protocol:
        """uvicorn's `ws=`: the protocol for one upgraded connection."""
        if self._server is None:
            raise RuntimeError("Live.open() comes first")
        protocol = ServerProtocol(max_size=MESSAGE_BYTES_MAX, logger=log)
        return Viewer(protocol, self._server, ping_interval=20, ping_timeout=20, close_timeout=1, max_queue=4)

    @property
    def viewers(self) -> set[Viewer]:
        return self._server.all_connections if self._server else set()  # type: ignore[return-value]

    async def close(self) -> None:
        """Tell every screen to come back in a moment (1012), each at its own moment (live.js jitters)."""
        self.closing.set()
        if self._server is not None:
            self._server.close(code=CLOSED_RESTART, reason="restart")
            await self._server.wait_closed()

    async def revise(self) -> None:
        """Runs beside the server: closes the sockets whose session has ended or whose rights have changed."""
        while True:
            await self.clock.sleep(ASK_AGAIN_S)
            try:
                await self.revise_once()
            except Exception:
                log.exception("sessions of open screens could not be checked")

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
                self._later(viewer.close(CLOSED_REVOKED, "signed out"))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        _RUNNING.add(task)
        task.add_done_callback(_RUNNING.discard)

    async def _admit(self, viewer: Viewer, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        if parts.path != "/live":
            return viewer.respond(404, "Not found\n")
        headers = Headers(raw=[(key.lower().encode(), value.encode()) for key, value in request.headers.raw_items()])
        if not known_host(headers.get("host", ""), self.hosts):
            return viewer.respond(421, "Unknown host\n")
        if not own_origin(headers):
            return viewer.respond(403, "Foreign origin\n")
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

    async def _watch(self, connection: ServerConnection) -> None:
        viewer = connection
        assert isinstance(viewer, Viewer)  # noqa: S101 - made by take()
        watcher = Watcher(viewer.lang, partial(self._write_now, viewer))
        writing = asyncio.ensure_future(self._write(viewer, watcher))
        try:
            async for message in viewer:
                await self._heard(viewer, watcher, message)
        except ConnectionClosed:
            pass  # the usual way for a screen to leave
        finally:
            self.feed.leave(watcher)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    def _write_now(self, viewer: Viewer, frame: Frame) -> bool:
        """Into the socket, if it is open and has taken all it was given before; else the frame waits for `_write`."""
        if viewer.protocol.state is not OPEN or viewer.transport.get_write_buffer_size():
            return False
        if self._encoded[0] is not frame:
            self._encoded = (frame, WireFrame(Opcode.TEXT, frame.data).serialize(mask=False))
        viewer.transport.write(self._encoded[1])
        self.frames_sent += 1
        return True

    async def _write(self, viewer: Viewer, watcher: Watcher) -> None:
        """For the slow: what could not be written at once."""
        while True:
            await watcher.wake.wait()
            for frame in watcher.take():
                try:
                    async with asyncio.timeout(SLOW_S):
                        await viewer.send(frame.data, text=True)
                except TimeoutError:
                    viewer.transport.abort()
                    return
                except ConnectionClosed:
                    return
                self.frames_sent += 1
            watcher.sent()

    async def _heard(self, viewer: Viewer, watcher: Watcher, message: str | bytes) -> None:
        try:
            said = msgspec.json.decode(message, type=Said)
        except msgspec.DecodeError:
            await viewer.close(1007, "not understood")
            return
        for topic in said.sub:
            if topic in watcher.topics or len(watcher.topics) >= TOPICS_MAX:
                continue
            try:
                if not self.feed.may_watch(viewer.subject, topic):
                    raise NotFound(_("There is nothing here for you"))
                await self.feed.watch(watcher, topic, said.since.get(topic, 0))
            except LinliError:  # also of a granted name behind which there is nothing
                await viewer.send(msgspec.json.encode({"t": topic, "refused": True}), text=True)
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


_RUNNING: set[asyncio.Future[Any]] = set()


class _Unbound:
    """Stands where `websockets` expects the listening server: uvicorn listens, so there is nothing to close here."""

    def __init__(self, server: Server) -> None:
        self._server, self._serving = server, True
        self.sockets: tuple[Any, ...] = ()

    def is_serving(self) -> bool:
        return self._serving

    def close(self) -> None:
        self._serving = False

    async def wait_closed(self) -> None:
        return None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

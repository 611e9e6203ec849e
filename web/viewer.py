"""One screen's socket: the words of RFC 6455 from the `websockets` library, without a task of its own.

Thousands of screens stand open and say nothing. So what a screen holds is its line, the library's parser and its list
of topics; a task exists only while something it said is acted upon. A frame for all is written as the same bytes; while
a line takes nothing, the newest of each topic waits, and goes out when the line is free again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, cast

from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WireFrame
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from hub.access import NOBODY, Subject
from hub.feed import Frame, Watcher

log = logging.getLogger(__name__)
MESSAGE_BYTES_MAX = 64 * 1024
HEARD_MAX = 4  # messages that wait to be acted upon; beyond them nothing is read from this screen
CLOSE_S = 1.0  # for the other side to let go as well
_PING = WireFrame(Opcode.PING, b"").serialize(mask=False)
_BEAT = _PING + WireFrame(Opcode.TEXT, b"{}").serialize(mask=False)


class House(Protocol):
    """Whoever the screens belong to."""

    async def enter(self, viewer: Viewer, request: Request) -> Response: ...

    async def heard(self, viewer: Viewer, message: bytes) -> None: ...

    def encoded(self, frame: Frame) -> bytes: ...

    def freed(self, viewer: Viewer) -> None:
        """Its line takes again what it is given."""

    def left(self, viewer: Viewer) -> None: ...


class Viewer(asyncio.Protocol):
    """The line of one screen, and what was found out about it at the handshake."""

    __slots__ = (
        "_acting", "_cut", "_free", "_house", "_loop", "_parts", "_said", "beats", "heard_at", "lang", "pinged_at",
        "stuck_since", "subject", "surface", "token", "transport", "watcher", "wire",
    )  # fmt: skip

    def __init__(self, house: House) -> None:
        self.subject: Subject = NOBODY
        self.token = self.surface = ""
        self.lang = "zh"
        self.watcher: Watcher | None = None
        self.wire = ServerProtocol(max_size=MESSAGE_BYTES_MAX)
        self.stuck_since = self.heard_at = self.pinged_at = 0.0
        self._house = house
        self.beats = False  # a word goes with each ping
        self._free = False  # open, and its line has taken all it was given before
        self._said: list[bytes] = []
        self._parts = b""
        self._acting: asyncio.Task[None] | None = None
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=0)  # we want to know as soon as anything waits
        self._loop = asyncio.get_running_loop()
        self.heard_at = self.pinged_at = self._loop.time()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self.wire.receive_data(data)
        self._flush()
        for event in self.wire.events_received():
            if isinstance(event, Request):
                self._acting = self._loop.create_task(self._come_in(event), name="live-enter")
            elif isinstance(event, WireFrame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts += event.data
                if event.fin:
                    self._take(self._parts)
                    self._parts = b""

    def eof_received(self) -> None:
        self.wire.receive_eof()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.wire.receive_eof()
        self._free = False
        self._said.clear()
        if self._cut is not None:
            self._cut.cancel()
        self._house.left(self)

    def pause_writing(self) -> None:
        self.stuck_since = self._loop.time()
        self._free = False

    def resume_writing(self) -> None:
        self.stuck_since = 0.0
        self._free = self.wire.state is OPEN
        self._house.freed(self)

    def pass_on(self, frame: Frame) -> bool:
        """Into the line, if it is free; else the frame waits. Thousands of times in a row: it touches little."""
        if not self._free:
            return False
        self.transport.write(self._house.encoded(frame))
        return True

    def send(self, text: bytes) -> None:
        if self.wire.state is OPEN:
            self.wire.send_text(text)
            self._flush()

    def ping(self) -> None:
        self.pinged_at = self._loop.time()
        if self._free:
            self.transport.write(_BEAT if self.beats else _PING)

    def close(self, code: int, reason: str) -> None:
        if self.wire.state is OPEN:
            self.wire.send_close(code, reason)
            self._flush()

    def abort(self) -> None:
        self.transport.abort()

    def _flush(self) -> None:
        for data in self.wire.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.transport.close()
        self._free = self.wire.state is OPEN and not self.stuck_since
        if self._cut is None and self.wire.close_expected():
            self._cut = self._loop.call_later(CLOSE_S, self.transport.abort)

    def _take(self, message: bytes) -> None:
        self._said.append(message)
        if len(self._said) >= HEARD_MAX:
            self.transport.pause_reading()
        if self._acting is None:
            self._acting = self._loop.create_task(self._act(), name="live-hear")

    async def _come_in(self, request: Request) -> None:
        try:
            self.wire.send_response(await self._house.enter(self, request))
        except Exception:
            log.exception("a screen could not be let in")
            self.wire.send_response(self.wire.reject(500, "It did not work\n"))
        self._flush()
        await self._act()

    async def _act(self) -> None:
        """One after the other, as they were said."""
        try:
            while self._said and self.wire.state is OPEN:
                message = self._said.pop(0)
                if len(self._said) < HEARD_MAX and not self.transport.is_closing():
                    self.transport.resume_reading()
                await self._house.heard(self, message)
        except Exception:
            log.exception("what a screen said could not be acted upon")
            self.close(CloseCode.INTERNAL_ERROR, "")
        finally:
            self._acting = None

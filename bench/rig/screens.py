"""A thousand screens in one program: real WebSockets on the hub's page door, that only note when a cover reached them.

A process of its own (`python -m bench.rig.screens`), told by lines of JSON on its standard input. It speaks RFC 6455
by hand, since a client library would cost more than the hub does; a frame is looked at as bytes and never parsed.
Times are of the monotonic clock, which all programs of one machine share.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

COVERS = (b'{"t": "notices.overlay', b'{"t": "notices.cover')  # the topics that lie over everything else
OPEN_S = 60.0
AT_ONCE = 100  # handshakes on their way
TEXT, CLOSE, PING = 0x1, 0x8, 0x9


@dataclass(frozen=True, slots=True)
class Group:
    """Screens of one kind in one place."""

    count: int
    topics: list[str]
    lang: str


@dataclass
class Wanted:
    """What all screens look out for now: a cover with `holds` in it and without `lacks`."""

    holds: bytes = b"\x00"
    lacks: bytes = b"\x00"
    times: list[float] = field(default_factory=list)
    screens: int = 0
    all_there: asyncio.Event = field(default_factory=asyncio.Event)


class Screen(asyncio.Protocol):
    def __init__(self, wanted: Wanted, host: str, port: int, group: Group) -> None:
        self._wanted, self._group = wanted, group
        self._origin = f"http://{host}:{port}"
        self._buffer = b""
        self._upgraded = False
        self._met: Wanted | None = None
        self._awaited = len(group.topics)  # frames until it shows all that stands
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.frames = self.octets = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /live?surface=tv&lang={self._group.lang} HTTP/1.1\r\nHost: {self._origin[7:]}\r\n"
            f"Origin: {self._origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(head.split(b"\r\n")[0].decode())
                return
            self._upgraded, self._buffer = True, rest
            self._say(TEXT, json.dumps({"sub": self._group.topics, "since": {}}).encode())
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the line was cut")

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole frame of the server's: never masked, never in parts."""
        held = self._buffer
        if len(held) < 2:
            return None
        size, start = held[1], 2
        if size == 126:
            size, start = int.from_bytes(held[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(held[2:10], "big"), 10
        if len(held) < start + size or len(held) < start:
            return None
        self._buffer = held[start + size :]
        return held[0] & 0x0F, held[start : start + size]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == PING:
            self._say(0xA, body)
        if kind == CLOSE:
            self._fail("the hub closed the line")
        if kind != TEXT:
            return
        self.frames += 1
        self.octets += len(body)
        if self.frames == self._awaited and not self.ready.done():
            self.ready.set_result(None)
        wanted = self._wanted
        if self._met is not wanted and body.startswith(COVERS) and wanted.holds in body and wanted.lacks not in body:
            self._met = wanted
            wanted.times.append(time.monotonic())
            if len(wanted.times) == wanted.screens:
                wanted.all_there.set()

    def look_out(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def _say(self, kind: int, body: bytes) -> None:
        mask = os.urandom(4)
        long = len(body) > 125
        head = bytes((0x80 | kind, 0x80 | (126 if long else len(body))))
        head += len(body).to_bytes(2, "big") if long else b""
        if self.transport is not None:
            self.transport.write(head + mask + bytes(each ^ mask[n % 4] for n, each in enumerate(body)))

    def _fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))


class Wall:
    """All screens, and the orders they are given."""

    def __init__(self) -> None:
        self.screens: list[Screen] = []
        self._wanted = Wanted()
        self._busy = 0.0

    async def open(self, host: str, port: int, groups: list[dict[str, Any]]) -> dict[str, Any]:
        loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

        async def enter(group: Group) -> None:
            async with gate:
                screen = Screen(self._wanted, host, port, group)
                await loop.create_connection(lambda: screen, host, port)
                await screen.ready
                self.screens.append(screen)

        async with asyncio.timeout(OPEN_S):
            every = [Group(**group) for group in groups]
            await asyncio.gather(*(enter(group) for group in every for _ in range(group.count)))
        return {"open": len(self.screens)}

    async def arm(self, holds: str, lacks: str = "\x00") -> dict[str, Any]:
        self._wanted = Wanted(holds.encode(), lacks.encode(), screens=len(self.screens))
        for screen in self.screens:
            screen.look_out(self._wanted)
        self._busy = time.process_time()
        return {"armed": len(self.screens)}

    async def wait(self, seconds: float) -> dict[str, Any]:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.all_there.wait(), seconds)
        missing = len(self.screens) - len(self._wanted.times)
        return {"times": self._wanted.times, "missing": missing, "cpu_s": time.process_time() - self._busy}

    async def count(self) -> dict[str, Any]:
        return {
            "frames": sum(screen.frames for screen in self.screens),
            "octets": sum(screen.octets for screen in self.screens),
            "lost": sum(screen.transport is None or screen.transport.is_closing() for screen in self.screens),
        }


async def _orders() -> None:
    wall = Wall()
    said = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(said), sys.stdin)
    verbs: dict[str, Callable[..., Awaitable[dict[str, Any]]]]
    verbs = {"open": wall.open, "arm": wall.arm, "wait": wall.wait, "count": wall.count}
    while line := await said.readline():
        order = json.loads(line)
        answer = await verbs[order.pop("do")](**order)
        print(json.dumps(answer), flush=True)
    for screen in wall.screens:
        if screen.transport is not None:
            screen.transport.abort()


if __name__ == "__main__":
    asyncio.run(_orders())

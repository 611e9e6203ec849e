"""The net of a night: TCP as in-memory pipes on a virtual loop, with everything that happens to real lines.

`loop.create_server` listens here, so the broker opens its door as in life. A call is two one-way pipes with a delay
each; bytes may come in slices, stop for a while, end in the middle of a packet, or go nowhere while one side still
believes in the line (half-open).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from hub.main.night.loop import NEUTRAL, RESOLUTION_S, Process, VirtualLoop

DELAY_S = (0.002, 0.05)  # one way: a district's fibre, a village's 4G
SLICE_EVERY = 8  # one write in so many arrives in two pieces
GONE_AFTER_S = 0.05  # how soon a peer learns of a reset


class End(Protocol):
    """Who sits at an end of a call."""

    def arrived(self, data: bytes) -> None: ...
    def ended(self) -> None: ...


@dataclass
class Pipe:
    """One direction. What is held up waits in order."""

    owner: Context  # the receiver's: a killed receiver hears nothing
    delay_s: float
    deliver: Callable[[bytes], None]
    last_s: float = 0.0
    in_flight: int = 0
    waiting: deque[bytes] = field(default_factory=deque)


class Call:
    """One TCP connection. `client` and `server` are set once; either may be gone."""

    def __init__(self, net: Net, number: int, name: str, client: End, owner: Context) -> None:
        self.number, self.name = number, name
        self.open = True
        self.held = False  # stalled: nothing arrives, nobody is told
        self.deaf = False  # half-open: bytes vanish, the server believes in the line
        self.torn = False  # ended by a reset: what is on its way is lost
        self._net, self._client = net, client
        self._client_owner = owner
        self._up: Pipe | None = None
        self._down = Pipe(owner, net.delay(), client.arrived)
        self.server: ServerEnd | None = None

    def accept(self, server: ServerEnd, owner: Context) -> None:
        self.server = server
        self._up = Pipe(owner, self._net.delay(), server.arrived)

    def to_server(self, data: bytes) -> None:
        if self._up is not None:
            self._send(self._up, data, "up")

    def to_client(self, data: bytes) -> None:
        self._send(self._down, data, "down")

    @property
    def down_bytes(self) -> int:
        return self._down.in_flight

    def hold(self, held: bool) -> None:
        self.held = held
        if not held:
            for pipe in (self._up, self._down):
                while pipe is not None and pipe.waiting and self.open:
                    self._arrive(pipe, pipe.waiting.popleft())

    def cut(self, why: str) -> None:
        """A reset: both ends learn of it; what is on its way is lost."""
        if self.open:
            self.open, self.torn = False, True
            self._net.said(f"line {self.number} {why}", self.name)
            self._net.later(GONE_AFTER_S, self._tell_client)
            self._net.later(GONE_AFTER_S, self._tell_server)
            self._net.forget(self)

    def go_deaf(self) -> None:
        """The gateway's modem forgot the line: it dials anew, the hub waits for the keep-alive."""
        if self.open and not self.deaf:
            self.deaf = True
            self._net.said(f"line {self.number} half-open", self.name)
            self._net.later(GONE_AFTER_S, self._tell_client)

    def hang_up(self, from_client: bool) -> None:
        """An orderly end: what was written before still arrives."""
        if not self.open:
            return
        pipe = self._up if from_client else self._down
        tell = self._tell_server if from_client else self._tell_client
        if self.deaf:
            if not from_client:
                self.open = False
                self._net.forget(self)
            return
        self.open = False
        at = max(self._net.loop.time(), pipe.last_s if pipe else 0.0) + DELAY_S[0]
        self._net.forget(self)
        self._net.loop.call_at(at, tell, context=NEUTRAL)

    def _send(self, pipe: Pipe, data: bytes, way: str) -> None:
        if not self.open or not data:
            return
        self._net.bytes_said(self.number, way, data)
        if self.deaf:
            return
        pipe.in_flight += len(data)
        for piece in self._net.slices(data):
            # Never at the same moment: timers that are due together have no order, TCP has.
            at = max(self._net.loop.time() + pipe.delay_s, pipe.last_s + RESOLUTION_S)
            pipe.last_s = at
            self._net.loop.call_at(at, self._due, pipe, piece, context=NEUTRAL)

    def _due(self, pipe: Pipe, piece: bytes) -> None:
        if self.deaf or self.torn:
            return
        if self.held or pipe.waiting:
            pipe.waiting.append(piece)
        else:
            self._arrive(pipe, piece)

    def _arrive(self, pipe: Pipe, piece: bytes) -> None:
        pipe.in_flight -= len(piece)
        self._net.loop.call_soon(pipe.deliver, piece, context=pipe.owner)
        if pipe is self._down and self.server is not None and self._up is not None:
            self._net.loop.call_soon(self.server.drained, context=self._up.owner)

    def _tell_client(self) -> None:
        self._net.loop.call_soon(self._client.ended, context=self._client_owner)

    def _tell_server(self) -> None:
        if self.server is not None and self._up is not None:
            self._net.loop.call_soon(self.server.ended, context=self._up.owner)


class ServerEnd(asyncio.Transport):
    """What the broker's protocol holds in its hands, and believes to be a socket."""

    def __init__(self, call: Call, protocol: asyncio.BufferedProtocol) -> None:
        super().__init__({})
        self._call, self._protocol = call, protocol
        self._closing = self._over = self._paused = self._full = False
        self._high = 64 * 1024
        self._kept: deque[bytes] = deque()

    def arrived(self, data: bytes) -> None:
        if self._over:
            return
        if self._paused:
            self._kept.append(data)
            return
        while data:
            room = cast(memoryview, self._protocol.get_buffer(len(data)))
            taken = min(len(room), len(data))
            room[:taken] = data[:taken]
            self._protocol.buffer_updated(taken)
            data = data[taken:]

    def ended(self) -> None:
        if not self._over:
            self._over = self._closing = True
            self._protocol.connection_lost(None)

    def drained(self) -> None:
        if self._full and not self._over and self._call.down_bytes <= self._high // 4:
            self._full = False
            self._protocol.resume_writing()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._over:
            return
        self._call.to_client(bytes(data))
        if not self._full and self._call.down_bytes > self._high:
            self._full = True
            self._protocol.pause_writing()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        while self._kept and not self._paused:
            self.arrived(self._kept.popleft())

    def close(self) -> None:
        self._leave()

    def abort(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if not self._closing:
            self._closing = True
            self._call.hang_up(from_client=False)
            asyncio.get_running_loop().call_soon(self.ended)

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or self._high

    def get_write_buffer_size(self) -> int:
        return self._call.down_bytes


class _Listener:
    """As much of `asyncio.Server` as a door needs."""

    def __init__(self, net: Net, address: tuple[str, int]) -> None:
        self._net, self._address = net, address
        self.sockets = (self,)

    def getsockname(self) -> tuple[str, int]:
        return self._address

    def close(self) -> None:
        self._net.doors.pop(self._address, None)


class Net(VirtualLoop):
    """The virtual loop with its net: whoever listens and whoever calls meets here."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.loop = self
        self.doors: dict[tuple[str, int], tuple[Callable[[], Any], Context]] = {}
        self.calls: dict[int, Call] = {}
        self.said: Callable[[str, str], None] = lambda what, who: None
        self.bytes_said: Callable[[int, str, bytes], None] = lambda number, way, data: None
        self.slicing = False
        self._chance = random.Random(f"{seed} net")  # noqa: S311
        self._numbers = 0

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        address = (str(host), int(port or 1883))
        self.doors[address] = (protocol_factory, copy_context())
        return _Listener(self, address)

    def dial(self, address: tuple[str, int], name: str, client: End) -> Call:
        """Call a door; ConnectionRefusedError when nobody listens."""
        door = self.doors.get(address)
        if door is None:
            raise ConnectionRefusedError("nobody listens at this door")
        factory, owner = door
        self._numbers += 1
        call = Call(self, self._numbers, name, client, copy_context())
        protocol = factory()
        server = ServerEnd(call, protocol)
        call.accept(server, owner)
        self.calls[call.number] = call
        self.call_soon(protocol.connection_made, server, context=owner)
        return call

    def crash(self, process: Process) -> None:
        """The kernel ends the lines of a process that was killed."""
        self.kill(process)
        self.doors.clear()
        for call in tuple(self.calls.values()):
            if self._chance.random() < 0.5:  # what it wrote last is with the kernel: it arrives, or a reset is faster
                call.hang_up(from_client=False)
            else:
                call.cut("reset")

    def delay(self) -> float:
        return self._chance.uniform(*DELAY_S)

    def slices(self, data: bytes) -> list[bytes]:
        if self.slicing and len(data) > 1 and self._chance.randrange(SLICE_EVERY) == 0:
            at = self._chance.randrange(1, len(data))
            return [data[:at], data[at:]]
        return [data]

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        self.call_at(self.time() + delay_s, work, context=NEUTRAL)

    def forget(self, call: Call) -> None:
        self.calls.pop(call.number, None)

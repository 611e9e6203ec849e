"""One connection over TCP, TLS or WebSocket: bytes, back-pressure, closing. What is said on it is the conversation's.

Packets are taken one after the other by a task that lives only while there is something to take. When it waits (the
hub's queue is full, or a login is being looked up) and more arrives, reading stops: TCP holds the client back, and
nothing is dropped. A client that does not read what we send is not read either.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, cast

from hub.broker import reasons
from hub.broker.codec import MalformedPacket, Parser
from hub.broker.conversation import UPLINK_KINDS, Conversation
from hub.broker.credits import Gate, Turn
from hub.broker.packets import Connect, Packet, Publish

if TYPE_CHECKING:
    from hub.broker.server import Broker

# A 3.1.1 client may switch MQTT's keep-alive off; then the kernel asks after 5 minutes, and gives up 2 minutes later.
PROBE_S = {"TCP_KEEPIDLE": 300, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
LOOK_EVERY = 32  # packets of one read between two looks at the hub's queue
READ_BYTES_MAX = 65_536  # one read; it bounds how many packets can wait behind a full queue


class Line(asyncio.BufferedProtocol):
    def __init__(self, broker: Broker, line_id: str, gate: Gate) -> None:
        self.id = line_id
        self._gate = gate
        self._turn: Turn | None = None  # what this line waits for before it goes on
        self.received: datetime = broker.clock.now()  # when the packet being taken arrived
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._parser = Parser(broker.limits.packet_bytes_max, broker.limits.connect_bytes_max)
        self._pending: deque[tuple[datetime, list[Packet | MalformedPacket]]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self._gone = False
        self._deaf = False  # after bad bytes nothing more is parsed
        self._write_paused = False
        self._read_paused = False
        self._opened_s = self._heard_s = broker.clock.monotonic()
        self.talk = Conversation(broker, self)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._broker.limits.write_buffer_bytes)
        _watch_for_death(self._transport.get_extra_info("socket"))
        self._broker.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        # One buffer for all lines: asyncio fills it and calls buffer_updated before anything else runs.
        return self._broker.inbox

    def buffer_updated(self, nbytes: int) -> None:
        self.arrived(bytes(self._broker.inbox[:nbytes]))

    def arrived(self, data: bytes) -> None:
        """Bytes of the stream, as they came out of the socket or out of WebSocket frames."""
        if self._deaf or self._closing:
            return
        arrived: list[Packet | MalformedPacket] = []
        try:
            arrived.extend(self._parser.feed(data))
        except MalformedPacket as error:
            arrived.append(error)
        else:
            if self._parser.error is not None:
                arrived.append(self._parser.error)
        self._deaf = self._parser.error is not None
        if not arrived:
            return
        self._heard_s = self._broker.clock.monotonic()
        self._pending.append((self._broker.clock.now(), arrived))
        self._wake()
        if len(self._pending) > 1:  # the pump is still held up by what came before
            self._balance()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = self._closing = True
        self._end_hold()
        self._broker.closed(self)
        self._wake()

    def pause_writing(self) -> None:
        self._write_paused = True
        self.talk.pause()
        self._balance()

    def resume_writing(self) -> None:
        self._write_paused = False
        self.talk.go_on()
        self._balance()

    # What the conversation, the broker and WebSocket frames call.

    @property
    def introduced(self) -> bool:
        """Whether a whole CONNECT has been read."""
        return self._parser.version != 0

    def send(self, frame: bytes) -> None:
        """Frames of one turn of the loop leave in one write: a commit acknowledges hundreds of messages at once."""
        if self._closing:
            return
        self._out.append(frame)
        if len(self._out) == 1:
            self._loop.call_soon(self._flush)

    def close(self, last: bytes = b"", linger: bool = True) -> None:
        """Say `last`, then go. Lingering reads and drops what the peer still sends, since closing a socket with
        unread bytes resets it and the peer would never see our last words."""
        if self._closing:
            return
        self._flush()
        self._closing = True
        self._end_hold()
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if last:
                transport.write(last)
            self._leave(transport, linger)
            self._balance()
        self._wake()

    def _leave(self, transport: asyncio.Transport, linger: bool) -> None:
        self._loop.call_later(self._broker.limits.linger_s, transport.abort)
        # asyncio would end a full buffer's line later, in a callback where a reset peer is an unhandled error.
        if linger and transport.can_write_eof() and not transport.get_write_buffer_size():
            try:
                transport.write_eof()
            except OSError:  # the peer has reset the line meanwhile
                transport.abort()
        else:
            transport.close()

    @property
    def ending(self) -> bool:
        return self._closing

    async def hold(self, turn: Turn) -> None:
        if self._closing:
            turn.cancel()
            return
        # Reading stops when more arrives, not before: a line that is not read cannot be seen to break.
        self._turn = turn
        try:
            await turn
        finally:
            self._turn = None

    def _end_hold(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """Ends the line when its time is up. Waiting for our own disk is not the client's silence."""
        limits = self._broker.limits
        if self._closing:
            return
        if not self.talk.welcome:
            if self._pump is None and now - self._opened_s > limits.connect_timeout_s:
                self._broker.counters.connect_timeouts += 1
                self.talk.end(None)
        elif self.talk.keep_alive_s and self._pump is None and now - self._heard_s > 1.5 * self.talk.keep_alive_s:
            self._broker.counters.keep_alive_expired += 1  # [MQTT-3.1.2-22]
            self.talk.end(reasons.KEEP_ALIVE_TIMEOUT)

    async def drain(self, timeout_s: float) -> None:
        """For a clean stop: wait for the running pump, then give it up."""
        if self._pump is not None:
            _, late = await asyncio.wait({self._pump}, timeout=timeout_s)
            for task in late:
                task.cancel()

    def _flush(self) -> None:
        if self._out and not self._closing and self._transport is not None:
            frames, self._out = self._out, []
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def _balance(self) -> None:
        """Read only while somebody takes what we read and the peer takes what we write."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        hold = not self._closing and (len(self._pending) > 0 or self._write_paused or self._broker.hushed)
        if hold and not self._read_paused:
            self._read_paused = True
            transport.pause_reading()
        elif not hold and self._read_paused:
            self._read_paused = False
            transport.resume_reading()

    def rebalance(self) -> None:
        self._balance()

    def _wake(self) -> None:
        if self._pump is None and (self._pending or self._closing):
            self._pump = self._loop.create_task(self._run(), name=f"broker-line-{self.id}")

    async def _run(self) -> None:
        try:
            try:
                await self._take_all()
            except Exception as error:  # a fault on one line must never stop the others
                self._broker.fault(self.id, error)
                self.talk.end(reasons.UNSPECIFIED)
            if self._closing:
                await self.talk.finish()
        except Exception as error:
            self._broker.fault(self.id, error)
            self.abort()
        finally:
            self._pump = None
            self._heard_s = self._broker.clock.monotonic()
            self._balance()

    async def _take_all(self) -> None:
        credits, pressed = self._broker.credits, False
        while self._pending:
            self.received, packets = self._pending[0]
            for place, packet in enumerate(packets):
                if self.talk.over:
                    self._pending.clear()
                    return
                if not place % LOOK_EVERY:
                    pressed = credits.pressed
                if (type(packet) is Publish and not pressed) or await self._credit(packet):
                    await self.talk.take(packet)
            if self._pending:
                self._pending.popleft()

    async def _credit(self, packet: Packet | MalformedPacket) -> bool:
        """Waits until the packet may be taken; false for one that is shed."""
        credits, account = self._broker.credits, self.talk.account
        if type(packet) is Publish:
            if account is not None and account.kind in UPLINK_KINDS:
                if packet.qos or packet.retain:
                    await credits.afford(self, account.id, packet)
                elif credits.sheds(account.id, packet):
                    return False
        elif type(packet) is Connect and account is None:
            await credits.enter(self, self._gate)
        return not self.talk.over


def _watch_for_death(sock: socket.socket | None) -> None:
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in PROBE_S.items():
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)

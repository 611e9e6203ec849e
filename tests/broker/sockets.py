"""The far end of MQTT over WebSocket: a rig client whose bytes go in frames, cut as the test says."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.broker.rig import WAIT_S, Client


@dataclass
class Pipe:
    """Bytes to frames and back; the handshake's answer and the Close frame are kept for the test to see."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: ClientProtocol
    answer: Response | None = None
    closed: Close | None = None
    kinds: list[Opcode] = field(default_factory=list)

    async def shake_hands(self) -> Response:
        self.frames.send_request(self.frames.connect())
        self.flush()
        async with asyncio.timeout(WAIT_S):
            while self.answer is None:
                data = await self.reader.read(65_536)
                assert data, "closed without an answer"
                self.take(data)
        return self.answer

    def flush(self) -> None:
        for data in self.frames.data_to_send():
            if data:
                self.writer.write(data)

    def take(self, data: bytes) -> bytes:
        self.frames.receive_data(data)
        inside = b""
        for event in self.frames.events_received():
            if isinstance(event, Response):
                self.answer = event
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.closed = Close.parse(bytes(event.data))
            elif isinstance(event, Frame):
                self.kinds.append(event.opcode)
                inside += b"" if event.opcode is Opcode.PONG else bytes(event.data)
        self.flush()
        return inside

    # What a rig client reads and writes through.

    async def read(self, _most: int) -> bytes:
        while True:
            data = await self.reader.read(65_536)
            if not data:
                return b""
            if inside := self.take(data):
                return inside
            if self.frames.state is State.CLOSED:
                return b""

    def write(self, data: bytes) -> None:
        self.frames.send_binary(data)
        self.flush()

    def send(self, frame: Frame) -> None:
        """A frame the library would not send by itself."""
        self.frames.send_frame(frame)
        self.flush()

    async def drain(self) -> None:
        await self.writer.drain()

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self.writer.transport

    async def wait_closed(self) -> None:
        await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def dial(
    port: int, version: int = 5, *, offers: tuple[str, ...] = ("mqtt",), tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Client, Pipe]]:
    """A client behind frames; the handshake is done, whatever came of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    uri = parse_uri(f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/mqtt")
    pipe = Pipe(reader, writer, ClientProtocol(uri, subprotocols=[Subprotocol(name) for name in offers] or None))
    client = Client(pipe, pipe, version)  # type: ignore[arg-type]
    try:
        await pipe.shake_hands()
        yield client, pipe
    finally:
        await client.vanish()


@contextlib.asynccontextmanager
async def call(port: int, tls: ssl.SSLContext | None = None, version: int = 5) -> AsyncIterator[Client]:
    """The same without frames: a rig client on a bare or a TLS socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    client = Client(reader, writer, version)
    try:
        yield client
    finally:
        await client.vanish()

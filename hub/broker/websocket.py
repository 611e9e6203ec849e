"""MQTT over WebSocket (clause 6 of both standards): the same line and the same talk, behind binary frames.

`Framed` stands between a socket and a line. To the socket it is a protocol, to the line a transport. A frame may hold
half a packet or several; only its type and its size are looked at here. A browser's page on another origin may try:
what lets a client in is the password of its CONNECT, never a cookie, so the Origin header is not asked.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from hub.broker import reasons

if TYPE_CHECKING:
    from hub.broker.limits import Limits
    from hub.broker.line import Line

# At DEBUG the library writes every frame it sees, and readings have no business in a log.
_log = logging.getLogger(f"{__name__}.frames")
_log.setLevel(logging.WARNING)
MQTT = Subprotocol("mqtt")


class Framed(asyncio.Transport, asyncio.Protocol):
    def __init__(self, line: Line, limits: Limits) -> None:
        super().__init__()
        self._line = line
        self._limits = limits
        # [MQTT-6.0.0-3]: who does not offer `mqtt` is refused by the handshake itself, with 400.
        self._frames = ServerProtocol(
            subprotocols=[MQTT], max_size=(None, limits.connect_bytes_max), extensions=None, logger=_log
        )
        self._wire: asyncio.Transport | None = None
        self._last_word = CloseCode.NORMAL_CLOSURE

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        self._line.connection_made(self)

    def data_received(self, data: bytes) -> None:
        frames = self._frames
        if self._line.introduced:  # until then a stranger holds no more of our memory than on a bare socket
            frames.max_fragment_size = self._limits.frame_bytes_max
        frames.receive_data(data)
        for event in frames.events_received():
            if isinstance(event, Request):
                frames.send_response(frames.accept(event))
            elif isinstance(event, Frame) and not self._take(event):
                break
        self._send()
        if frames.parser_exc is not None and frames.state is not State.CONNECTING:
            self._line.talk.end(None)  # the library has said why in a Close frame, after which no packet may follow

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._line.connection_lost(error)

    def pause_writing(self) -> None:
        self._line.pause_writing()

    def resume_writing(self) -> None:
        self._line.resume_writing()

    # What a line calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._frames.state is State.OPEN:
            self._frames.send_binary(data)
            self._send()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Our half of the goodbye: a Close frame. The peer's ends the socket, or the line's time to linger does."""
        if self._frames.state is State.OPEN:
            self._frames.send_close(self._last_word)
            self._send()
        elif self._frames.state is State.CONNECTING:
            self._half_close()

    def close(self) -> None:
        self.write_eof()
        if self._wire is not None:
            self._wire.close()

    def abort(self) -> None:
        if self._wire is not None:
            self._wire.abort()

    def is_closing(self) -> bool:
        return self._wire is None or self._wire.is_closing()

    def pause_reading(self) -> None:
        if self._wire is not None:
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        if self._wire is not None:
            self._wire.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._wire is not None:
            self._wire.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._wire.get_write_buffer_size() if self._wire is not None else 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._wire is None else self._wire.get_extra_info(name, default)

    # Frames.

    def _take(self, frame: Frame) -> bool:
        if frame.opcode is Opcode.TEXT:  # [MQTT-6.0.0-1]
            self._last_word = CloseCode.UNSUPPORTED_DATA
            self._line.talk.end(reasons.MALFORMED)
            return False
        if frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._line.arrived(bytes(frame.data))
        return True

    def _send(self) -> None:
        wire = self._wire
        for data in self._frames.data_to_send():
            if wire is None or wire.is_closing():
                return
            if data:
                wire.write(data)
            else:
                self._half_close()

    def _half_close(self) -> None:
        """Nothing more will be said. What the peer still sends is read and dropped, so that our last words arrive."""
        wire = self._wire
        if wire is None or wire.is_closing():
            return
        if wire.can_write_eof() and not wire.get_write_buffer_size():
            asyncio.get_running_loop().call_later(self._limits.linger_s, wire.abort)
            try:
                wire.write_eof()
            except OSError:  # the peer has reset the line meanwhile
                wire.abort()
        else:
            wire.close()

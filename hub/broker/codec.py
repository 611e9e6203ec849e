"""The sans-I/O codec: bytes in as they come, packets out. It never touches a socket and never waits.

parser = Parser(packet_bytes_max, connect_bytes_max)   # the first packet must be CONNECT; its version holds
packets = parser.feed(data)
if parser.error: ...                                   # `packets` holds what stood before the bad bytes
"""

from __future__ import annotations

from hub.broker import properties as props
from hub.broker import reasons
from hub.broker.decode import decode, decode_publish
from hub.broker.encode import encode, encode_publish
from hub.broker.packets import Connect, Packet
from hub.broker.wire import MalformedPacket

__all__ = ["MalformedPacket", "Parser", "encode", "encode_publish"]


class Parser:
    """Keeps at most one unfinished packet, and refuses a packet by its header before it buffers it."""

    def __init__(self, packet_bytes_max: int, connect_bytes_max: int = 0, version: int = 0) -> None:
        self._limit = connect_bytes_max if connect_bytes_max and not version else packet_bytes_max
        self._packet_bytes_max = packet_bytes_max
        self.version = version  # 0 until a CONNECT has been read
        self.error: MalformedPacket | None = None
        self._rest = bytearray()
        self._need = 0  # bytes the unfinished packet needs; 0 while its header is unfinished

    def feed(self, data: bytes) -> list[Packet]:
        """Every packet that is now complete. Raises MalformedPacket when the bad bytes come first; when good packets
        stand before them it returns those, keeps the error in `error` and raises it on every further call."""
        if self.error is not None:
            raise self.error
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        packets: list[Packet] = []
        try:
            position = self._parse(data, packets)
        except MalformedPacket as error:
            self.error = error
            if not packets:
                raise
            return packets
        if position < len(data):
            self._rest += data[position:]
        return packets

    @property
    def buffered_bytes(self) -> int:
        return len(self._rest)

    def _parse(self, data: bytes, packets: list[Packet]) -> int:
        """Appends whole packets; returns where the unfinished rest begins."""
        position, available = 0, len(data)
        while position < available:
            first = data[position]
            if not self.version and first != 0x10:  # [MQTT-3.1.0-1]
                raise MalformedPacket(reasons.PROTOCOL_ERROR, "The first packet is not CONNECT.", first >> 4)
            header = self._header(data, position)
            if header is None:
                self._need = 0
                return position
            start, end = header
            if end - position > self._limit:
                raise MalformedPacket(reasons.TOO_LARGE, "The packet is larger than allowed.", first >> 4)
            if end > available:
                self._need = end - position
                return position
            packets.append(self._decode(first, data, start, end))
            position = end
        return position

    def _header(self, data: bytes, position: int) -> tuple[int, int] | None:
        """Where the packet's body starts and ends, or None while the remaining length is unfinished."""
        length, place = 0, position + 1
        for shift in (0, 7, 14, 21):
            if place >= len(data):
                return None
            byte = data[place]
            place += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                # [MQTT-1.5.5-1]; 3.1.1 does not ask for the shortest form, and small devices pad it.
                if byte == 0 and shift and self.version == 5:
                    raise MalformedPacket(reasons.MALFORMED, "A length is written with more bytes than it needs.")
                return place, place + length
        raise MalformedPacket(reasons.MALFORMED, "The remaining length has more than four bytes.", data[position] >> 4)

    def _decode(self, first: int, data: bytes, start: int, end: int) -> Packet:
        if first >> 4 == props.PUBLISH:
            try:
                return decode_publish(first, data, start, end, self.version)
            except MalformedPacket as error:
                error.kind = props.PUBLISH
                raise
        try:
            packet = decode(first, data, start, end, self.version)
        except MalformedPacket as error:
            error.kind = first >> 4
            raise
        if isinstance(packet, Connect):
            self.version = packet.version
            self._limit = self._packet_bytes_max
        return packet

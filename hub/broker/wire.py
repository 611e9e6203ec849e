"""The data types of the MQTT wire (MQTT 5, 1.5): integers, lengths, strings, binary; read strictly."""

from __future__ import annotations

from hub.broker import reasons

VARINT_MAX = 268_435_455  # 1.5.5: four bytes of seven bits


class MalformedPacket(Exception):
    """The bytes are not MQTT. `reason_code` is what an MQTT 5 peer is told; `kind` the packet's type, 0 if unknown.

    Nothing of the packet stands in the sentence, so it may be logged.
    """

    def __init__(self, reason_code: int, sentence: str, kind: int = 0) -> None:
        super().__init__(sentence)
        self.reason_code = reason_code
        self.sentence = sentence
        self.kind = kind


class Reader:
    """Walks over one packet's bytes; every read past its end is a MalformedPacket."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    def remaining(self) -> int:
        return self.end - self.position

    def take(self, length: int) -> bytes:
        start = self.position
        if start + length > self.end:
            raise MalformedPacket(reasons.MALFORMED, "The packet ends in the middle of a field.")
        self.position = start + length
        return self.data[start : self.position]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        value = 0
        for place in range(4):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if byte == 0 and place:  # [MQTT-1.5.5-1]
                    raise MalformedPacket(reasons.MALFORMED, "A length is written with more bytes than it needs.")
                return value
        raise MalformedPacket(reasons.MALFORMED, "A length has more than four bytes.")

    def binary(self) -> bytes:
        return self.take(self.u16())

    def utf8(self) -> str:
        return text(self.binary())

    def packet_id(self) -> int:
        number = self.u16()
        if number == 0:  # [MQTT-2.2.1-3], [MQTT-2.2.1-4]
            raise MalformedPacket(reasons.PROTOCOL_ERROR, "Packet identifier 0 is not allowed.")
        return number

    def finish(self) -> None:
        if self.position != self.end:
            raise MalformedPacket(reasons.MALFORMED, "Bytes are left over at the end of the packet.")


def text(data: bytes) -> str:
    """[MQTT-1.5.4-1] no ill-formed UTF-8 (Python's decoder refuses surrogates), [MQTT-1.5.4-2] no U+0000."""
    try:
        string = data.decode()
    except UnicodeDecodeError:
        raise MalformedPacket(reasons.MALFORMED, "A string is not valid UTF-8.") from None
    if "\0" in string:
        raise MalformedPacket(reasons.MALFORMED, "A string holds U+0000.")
    return string


def u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number > VARINT_MAX:
        raise ValueError("An MQTT length cannot pass 268,435,455.")
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        if not number:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def binary(data: bytes) -> bytes:
    if len(data) > 0xFFFF:
        raise ValueError("An MQTT field cannot pass 65,535 bytes.")
    return len(data).to_bytes(2, "big") + data


def utf8(string: str) -> bytes:
    return binary(string.encode())

"""Frame: walk along the bytes of a GATT characteristic, and write them. Little-endian throughout.

The reader says what is missing or left over in the sentence of a DecodeError, so a codec reads like its specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from struct import Struct

from devices.base import DecodeError, DeviceTime, EncodeError
from devices.numbers import float32, float32_word, sfloat, sfloat_word

_DATE_TIME = Struct("<HBBBBB")
YEAR_MIN = 1582  # the Gregorian calendar; the GATT Date Time allows nothing earlier but 0, "not known"


class FrameReader:
    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def sfloat(self) -> Decimal | str:
        return sfloat(self.unsigned(2))

    def float32(self) -> Decimal | str:
        return float32(self.unsigned(4))

    def time(self) -> DeviceTime | None:
        """A Date Time; None where year, month or day is 0: the device does not know the date."""
        year, month, day, hour, minute, second = _DATE_TIME.unpack(self._take(_DATE_TIME.size))
        known = year and month and day
        try:
            # An unknown part is replaced by one that fits all others, so that month 13 of year 0 is still refused.
            moment = datetime(year or 2000, month or 1, day or 1, hour, minute, second)  # noqa: DTZ001
        except ValueError:
            moment = None
        if moment is None or 0 < year < YEAR_MIN:
            spelled = f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
            raise DecodeError("impossible-date", time=spelled)
        return moment if known else None

    def end(self) -> None:
        """Nothing may follow. A frame with more bytes than its flags announce is two glued frames or another format;
        either way its numbers cannot be trusted."""
        if extra := len(self._payload) - self._at:
            raise DecodeError("trailing-bytes", extra=extra)

    def _take(self, width: int) -> bytes:
        end = self._at + width
        if end > len(self._payload):
            raise DecodeError("truncated", got=len(self._payload), needs=end)
        taken = self._payload[self._at : end]
        self._at = end
        return taken


class FrameWriter:
    def __init__(self) -> None:
        self._bytes = bytearray()

    def unsigned(self, number: int, width: int) -> None:
        if not 0 <= number < 1 << (8 * width):
            raise EncodeError(f"{number} does not fit into {width} bytes")
        self._bytes += number.to_bytes(width, "little")

    def sfloat(self, value: Decimal | str) -> None:
        self.unsigned(sfloat_word(value), 2)

    def float32(self, value: Decimal | str) -> None:
        self.unsigned(float32_word(value), 4)

    def time(self, at: DeviceTime | None) -> None:
        """None is written as year 0, what a device with an empty clock sends."""
        if at is not None and at.year < YEAR_MIN:
            raise EncodeError(f"a device cannot say the year {at.year}")
        parts = (at.year, at.month, at.day, at.hour, at.minute, at.second) if at else (0, 0, 0, 0, 0, 0)
        self._bytes += _DATE_TIME.pack(*parts)

    def finish(self) -> bytes:
        return bytes(self._bytes)


def names_of(bits: int, names: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """The names of the set bits, in the order of the table. Bits without a name are reserved: the Bluetooth core
    specification has receivers ignore them, and a future device that sets one must not become unreadable."""
    return tuple(name for bit, name in names if bits >> bit & 1)


def bits_of(flags: Sequence[str], names: Sequence[tuple[int, str]]) -> int:
    return sum(1 << bit for bit, name in names if name in flags)

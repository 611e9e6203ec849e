"""Frame: walk along the bytes of a GATT characteristic, and write them. Little-endian throughout.

The reader says what is missing or left over in the sentence of a DecodeError, so a codec reads like its specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from struct import Struct
from typing import Any

from devices.base import DecodeError, DeviceTime, EncodeError, Value
from devices.numbers import float32, float32_word, sfloat, sfloat_word

DATE_TIME = "HBBBBB"
_DATE_TIME = Struct("<" + DATE_TIME)
YEAR_MIN = 1582  # the Gregorian calendar; the GATT Date Time allows nothing earlier but 0, "not known"


VALUES_KEPT_MAX = 8_192  # a city's cuffs use some hundreds of numbers; each is made and checked once


@lru_cache(VALUES_KEPT_MAX)
def sfloat_value(code: str, word: int, unit: str) -> Value:
    """What an SFLOAT says of one code: the same object for the same word, so that whoever keeps something beside a
    value finds it again."""
    return Value.of(code, sfloat(word), unit)


class Layout:
    """A frame whose first byte is flags that say which fields follow: one precompiled struct for each combination.

        _LAYOUT = Layout("HHH", ((_TIME, DATE_TIME), (_PULSE, "H")))
        flags, sys, dia, mean, *more = _LAYOUT.fields(payload)

    Several times as fast as a FrameReader, for the formats that most devices of a house speak.
    """

    def __init__(self, fixed: str, optional: Sequence[tuple[int, str]]) -> None:
        self._mask = sum(bit for bit, _ in optional)
        self._structs = {
            flags: Struct("<B" + fixed + "".join(fields for bit, fields in optional if flags & bit))
            for flags in range(self._mask + 1)
            if flags & ~self._mask == 0
        }

    def fields(self, payload: bytes) -> tuple[Any, ...]:
        """The flags, then every field they announce. DecodeError where the payload is longer or shorter than that."""
        if not payload:
            raise DecodeError("truncated", got=0, needs=1)
        layout = self._structs[payload[0] & self._mask]
        if len(payload) < layout.size:
            raise DecodeError("truncated", got=len(payload), needs=layout.size)
        if len(payload) > layout.size:
            raise DecodeError("trailing-bytes", extra=len(payload) - layout.size)
        return layout.unpack(payload)


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
        return date_time(*_DATE_TIME.unpack(self._take(_DATE_TIME.size)))

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


def date_time(year: int, month: int, day: int, hour: int, minute: int, second: int) -> DeviceTime | None:
    """A Date Time; None where year, month or day is 0: the device does not know the date."""
    try:
        # An unknown part is replaced by one that fits all others, so that month 13 of year 0 is still refused.
        moment = datetime(year or 2000, month or 1, day or 1, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        moment = None
    if moment is None or 0 < year < YEAR_MIN:
        spelled = f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        raise DecodeError("impossible-date", time=spelled)
    return moment if year and month and day else None


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

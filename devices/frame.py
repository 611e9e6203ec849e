"""Frame: what the fields of a GATT characteristic have in common: SFLOAT values, the Date Time, status bits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from devices.base import DecodeError, DeviceTime, Value
from devices.numbers import sfloat

YEAR_MIN = 1582  # the Gregorian calendar; the GATT Date Time allows nothing earlier but 0, "not known"


VALUES_KEPT_MAX = 8_192  # a city's cuffs use some hundreds of numbers; each is made and checked once


@lru_cache(VALUES_KEPT_MAX)
def sfloat_value(code: str, word: int, unit: str) -> Value:
    """What an SFLOAT says of one code: the same object for the same word, so that whoever keeps something beside a
    value finds it again."""
    return Value.of(code, sfloat(word), unit)


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


def names_of(bits: int, names: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """The names of the set bits, in the order of the table. Bits without a name are reserved: the Bluetooth core
    specification has receivers ignore them, and a future device that sets one must not become unreadable."""
    return tuple(name for bit, name in names if bits >> bit & 1)


def bits_of(flags: Sequence[str], names: Sequence[tuple[int, str]]) -> int:
    return sum(1 << bit for bit, name in names if name in flags)

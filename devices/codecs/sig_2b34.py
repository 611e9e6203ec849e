"""Enhanced Blood Pressure Measurement, GATT 0x2B34 (Blood Pressure Service 1.1): 2A35 with times in seconds.

    flags u8 | sys dia map SFLOAT | time u32 | pulse SFLOAT | user u8 | status u16 | user-facing time u32

Flag bits: 0 kPa, 1 time, 2 pulse, 3 user, 4 status, 5 user-facing time, 6 counted from 2000 instead of 1900. The
user-facing time is what the cuff shows; where it is sent it is the device's claim, else the other. 0 is "not set".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DeviceTime, EncodeError, Example, Measurement, Value
from devices.codecs import sig_2a35
from devices.fields import Field, Told
from devices.layout import TIME_TITLE, Layout, Part
from devices.units import canonical
from devices.words import flag_words

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2b34", 1, "bp"
FLAGS = sig_2a35.FLAGS

_KPA, _STAMP, _SHOWN, _FROM_2000 = 1, 2, 32, 64
_EPOCHS = {0: datetime(1900, 1, 1), _FROM_2000: datetime(2000, 1, 1)}  # noqa: DTZ001


def _moment(seconds: int, flags: int) -> DeviceTime | None:
    return _EPOCHS[flags & _FROM_2000] + timedelta(seconds=seconds) if seconds else None


def _told(seconds: int, flags: int) -> Told:
    at = _moment(seconds, flags)
    return Told(f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S}") if at else flag_words("clock_not_set")


def layout(clause: str, *first: Part) -> Layout:
    return Layout(
        clause,
        (
            *first,
            Part("stamp", "u32", bit=_STAMP, role="time", title=TIME_TITLE, tell=_told),
            *sig_2a35.TAIL[1:],
            Part("shown", "u32", bit=_SHOWN, role="time", title=Told("显示时间", "User-facing time"), tell=_told),
        ),
        named={_KPA: Told("千帕", "kPa"), _FROM_2000: Told("自 2000 年起计", "counted from 2000")},
    )


_LAYOUT = layout(
    "GSS Enhanced Blood Pressure Measurement 0x2B34",
    sig_2a35.pressure("sys"),
    sig_2a35.pressure("dia"),
    sig_2a35.pressure("map"),
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    return [read(_LAYOUT, KIND, payload, profile)]


def read(own: Layout, kind: str, payload: bytes, profile: Profile) -> Measurement:
    found = own.read(payload)
    at, timed = time_of(found)
    flags = sig_2a35.status_names(found.get("status", 0))
    flags += ("clock_not_set",) if timed and at is None else ()
    user = found.get("user", sig_2a35.USER_UNKNOWN)
    values, orig = canonical(own.values(found), profile)
    return Measurement(
        kind, values, at, flags, {} if user == sig_2a35.USER_UNKNOWN else {"user_index": user}, orig=orig
    )


def time_of(found: Mapping[str, Any]) -> tuple[DeviceTime | None, bool]:
    """The device's time, and whether the frame has one at all."""
    name = "shown" if "shown" in found else "stamp"
    return (_moment(found[name], found["flags"]), True) if name in found else (None, False)


def encode(measurement: Measurement, profile: Profile) -> bytes:
    pressures = {code: measurement.said(code) for code in ("sys", "dia", "map")}
    flags = _KPA if any(value is not None and value.unit == "kPa" for value in pressures.values()) else 0
    said = {code: _LAYOUT.raw(code, value, flags) for code, value in pressures.items()}
    return write(_LAYOUT, measurement, said, flags)


def write(own: Layout, measurement: Measurement, said: dict[str, Any], flags: int) -> bytes:
    tail = sig_2a35.tail(measurement, own)
    if "time" in tail:
        at = tail.pop("time")
        flags |= _FROM_2000 if at is None or at > _EPOCHS[_FROM_2000] else 0
        seconds = 0 if at is None else int((at - _EPOCHS[flags & _FROM_2000]).total_seconds())
        if seconds < 0:
            raise EncodeError(f"this cuff cannot say the year {at.year}")
        tail["stamp"] = seconds
    return own.write(said | tail, flags)


def _mmhg(sys: str, dia: str, mean: str, *pulse: str) -> tuple[Value, ...]:
    said = [
        ("sys", sys, "mm[Hg]"),
        ("dia", dia, "mm[Hg]"),
        ("map", mean, "mm[Hg]"),
        *(("pulse", p, "/min") for p in pulse),
    ]
    return tuple(Value.of(code, Decimal(number), unit) for code, number, unit in said)


# 2026-03-15 08:30:05 is 826,878,605 s after the first second of 2000.
EXAMPLES = [
    Example(bytes.fromhex("008a0058006700"), (Measurement(KIND, _mmhg("138", "88", "103")),), "the shortest frame"),
    Example(
        bytes.fromhex("5e97005d0070008d2a4931" + "4800" + "01" + "0400"),
        (
            Measurement(
                KIND,
                _mmhg("151", "93", "112", "72"),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
                ("irregular_pulse",),
                {"user_index": 1},
            ),
        ),
        "every field but the user-facing time, counted from 2000",
    ),
    Example(
        bytes.fromhex("628a005800670001000000" + "8d2a4931"),
        (Measurement(KIND, _mmhg("138", "88", "103"), datetime(2026, 3, 15, 8, 30, 5)),),  # noqa: DTZ001
        "the clock inside runs from its epoch, the one on the display was set",
    ),
    Example(
        bytes.fromhex("42ff07ff07ff0700000000"),
        (
            Measurement(
                KIND,
                tuple(Value.of(code, "not-a-number", "mm[Hg]") for code in ("sys", "dia", "map")),
                None,
                ("clock_not_set",),
            ),
        ),
        "no result and no time",
    ),
]
REJECTS = [
    b"",
    bytes.fromhex("008a00580067"),
    bytes.fromhex("008a005800670000"),  # one byte too many
    bytes.fromhex("028a0058006700010000"),  # a time of three bytes
]

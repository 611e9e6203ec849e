"""Intermediate Cuff Pressure, GATT 0x2A36: what a cuff says while it deflates. Never a result, never a resident's.

    flags u8 | cuff pressure SFLOAT | two unused SFLOAT | time 7 | pulse SFLOAT | user u8 | status u16

The layout is 2A35's with the first pressure only; the other two carry nothing and are not read.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import Example, Measurement, Value
from devices.codecs import sig_2a35
from devices.fields import Field, Told
from devices.layout import Layout, Part
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a36", 1, "cuff"
FLAGS = sig_2a35.FLAGS

_NAN = 0x07FF
_KPA = 1
_UNUSED = Told("未使用", "Unused")
_LAYOUT = Layout(
    "GSS Intermediate Cuff Pressure 0x2A36",
    (
        sig_2a35.pressure("cuff"),
        Part("unused1", "u16", role="layout", title=_UNUSED, tell=lambda _raw, _flags: _UNUSED),
        Part("unused2", "u16", role="layout", title=_UNUSED, tell=lambda _raw, _flags: _UNUSED),
        *sig_2a35.TAIL,
    ),
    named={_KPA: Told("千帕", "kPa")},
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    at, user = found.get("time"), found.get("user", sig_2a35.USER_UNKNOWN)
    flags = sig_2a35.status_names(found.get("status", 0))
    if "time" in found and at is None:
        flags += ("clock_not_set",)
    values, orig = canonical(_LAYOUT.values(found), profile)
    context = {} if user == sig_2a35.USER_UNKNOWN else {"user_index": user}
    return [Measurement(KIND, values, at, flags, context, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    pressure = measurement.said("cuff")
    flags = _KPA if pressure is not None and pressure.unit == "kPa" else 0
    said = {"cuff": _LAYOUT.raw("cuff", pressure, flags), "unused1": _NAN, "unused2": _NAN}
    return _LAYOUT.write(said | sig_2a35.tail(measurement, _LAYOUT), flags)


def _cuff(number: str) -> tuple[Value, ...]:
    return (Value.of("cuff", Decimal(number), "mm[Hg]"),)


EXAMPLES = [
    Example(bytes.fromhex("00a000ff07ff07"), (Measurement(KIND, _cuff("160")),), "deflating, 160 mmHg"),
    Example(
        bytes.fromhex("12480000000000ea07030f081e050100"),
        (Measurement(KIND, _cuff("72"), datetime(2026, 3, 15, 8, 30, 5), ("movement",)),),  # noqa: DTZ001
        "the unused words are zero on some cuffs; the arm moved",
    ),
    Example(
        bytes.fromhex("01a0f0ff07ff07"),
        (Measurement(KIND, _cuff("120"), orig=(Value.of("cuff", Decimal("16.0"), "kPa"),)),),
        "in kilopascal",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("00a000ff07"),  # cut
    bytes.fromhex("00a000ff07ff0700"),  # one byte too many
    bytes.fromhex("0248000000000000000d01081e05"),  # month 13
]

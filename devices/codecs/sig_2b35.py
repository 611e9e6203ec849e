"""Enhanced Intermediate Cuff Pressure, GATT 0x2B35: what a newer cuff says while it deflates. Never a result.

flags u8 | cuff pressure SFLOAT | then as 2B34: time u32, pulse, user, status, user-facing time u32
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import Example, Measurement, Value
from devices.codecs import sig_2a35, sig_2b34
from devices.fields import Field

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2b35", 1, "cuff"
FLAGS = sig_2a35.FLAGS

_KPA = 1
_LAYOUT = sig_2b34.layout("GSS Enhanced Intermediate Cuff Pressure 0x2B35", sig_2a35.pressure("cuff"))


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    return [sig_2b34.read(_LAYOUT, KIND, payload, profile)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    pressure = measurement.said("cuff")
    flags = _KPA if pressure is not None and pressure.unit == "kPa" else 0
    return sig_2b34.write(_LAYOUT, measurement, {"cuff": _LAYOUT.raw("cuff", pressure, flags)}, flags)


def _cuff(number: str) -> tuple[Value, ...]:
    return (Value.of("cuff", Decimal(number), "mm[Hg]"),)


EXAMPLES = [
    Example(bytes.fromhex("00a000"), (Measurement(KIND, _cuff("160")),), "deflating, 160 mmHg"),
    Example(
        bytes.fromhex("4248008d2a4931"),
        (Measurement(KIND, _cuff("72"), datetime(2026, 3, 15, 8, 30, 5)),),  # noqa: DTZ001
        "with its time, counted from 2000",
    ),
    Example(
        bytes.fromhex("01a0f0"),
        (Measurement(KIND, _cuff("120"), orig=(Value.of("cuff", Decimal("16.0"), "kPa"),)),),
        "in kilopascal",
    ),
]
REJECTS = [b"", bytes.fromhex("00a0"), bytes.fromhex("00a00000"), bytes.fromhex("02a000010000")]

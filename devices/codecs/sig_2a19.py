"""Battery Level, GATT 0x2A19: one byte, 0 to 100 %. A figure of the device, never of a person."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import DecodeError, Example, Measurement, Value
from devices.fields import Field
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a19", 1, "battery"
FLAGS: tuple[str, ...] = ()

_LAYOUT = Layout(
    "GSS Battery Level 0x2A19", (Part("battery", "u8", Quantity("battery", "%"), role="status"),), flags=None
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    if found["battery"] > 100:
        raise DecodeError("reserved-value", field="battery", value=found["battery"])
    values, orig = canonical(_LAYOUT.values(found), profile)
    return [Measurement(KIND, values, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    return _LAYOUT.write({"battery": _LAYOUT.raw("battery", measurement.said("battery"))})


def _full(share: int) -> Measurement:
    return Measurement(KIND, (Value.of("battery", Decimal(share), "%"),))


EXAMPLES = [
    Example(b"\x64", (_full(100),), "full"),
    Example(b"\x05", (_full(5),), "dying"),
    Example(b"\x00", (_full(0),), "empty"),
]
REJECTS = [b"", b"\x65", b"\xff", b"\x64\x00"]

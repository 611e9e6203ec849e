"""High Resolution Height, GATT 0x2B47: one u16 of 0.0001 m."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devices.base import Example, Measurement
from devices.codecs.sig_2a8e import metres, tall
from devices.fields import Field
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2b47", 1, "height"
FLAGS: tuple[str, ...] = ()

_LAYOUT = Layout(
    "GSS High Resolution Height 0x2B47", (Part("height", "u16", Quantity("height", "m", "0.0001")),), flags=None
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    values, orig = canonical(_LAYOUT.values(_LAYOUT.read(payload)), profile)
    return [Measurement(KIND, values, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    return _LAYOUT.write({"height": _LAYOUT.raw("height", metres(measurement))})


EXAMPLES = [
    Example(bytes.fromhex("c641"), (tall("168.4", "1.6838"),), "16838 x 0.0001 m"),
    Example(bytes.fromhex("5046"), (tall("180.0", "1.8000"),), "18000 x 0.0001 m"),
    Example(bytes.fromhex("0000"), (tall("0.0", "0.0000"),), "nobody stood there; out of every range"),
]
REJECTS = [b"", b"\xa4", bytes.fromhex("a40000")]

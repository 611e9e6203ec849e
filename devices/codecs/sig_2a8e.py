"""Height, GATT 0x2A8E: one u16 of 0.01 m. 164 is a person; 16,500 ("165.0 cm") is a library's mistake."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import EncodeError, Example, Measurement, Value
from devices.fields import Field
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a8e", 1, "height"
FLAGS: tuple[str, ...] = ()

_LAYOUT = Layout("GSS Height 0x2A8E", (Part("height", "u16", Quantity("height", "m", "0.01")),), flags=None)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    values, orig = canonical(_LAYOUT.values(_LAYOUT.read(payload)), profile)
    return [Measurement(KIND, values, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    return _LAYOUT.write({"height": _LAYOUT.raw("height", metres(measurement))})


def metres(measurement: Measurement) -> Value:
    """A simulator thinks in centimetres, the wire has metres."""
    height = measurement.said("height")
    if height is None or height.value is None:
        raise EncodeError("a height frame needs a height")
    return Value("height", height.value.scaleb(-2), "m") if height.unit == "cm" else height


def tall(cm: str, m: str) -> Measurement:
    return Measurement(KIND, (Value.of("height", Decimal(cm), "cm"),), orig=(Value.of("height", Decimal(m), "m"),))


EXAMPLES = [
    Example(bytes.fromhex("a400"), (tall("164.0", "1.64"),), "164 x 0.01 m"),
    Example(bytes.fromhex("b400"), (tall("180.0", "1.80"),), "180 x 0.01 m"),
    Example(bytes.fromhex("7440"), (tall("16500.0", "165.00"),), "what a library calls 165.0 cm; out of every range"),
]
REJECTS = [b"", b"\xa4", bytes.fromhex("a40000")]

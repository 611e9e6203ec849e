"""Weight, GATT 0x2A98: one u16 of 0.005 kg, as scales keep it in the user data service."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import Example, Measurement, Value
from devices.fields import Field
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a98", 1, "weight"
FLAGS: tuple[str, ...] = ()

_LAYOUT = Layout("GSS Weight 0x2A98", (Part("weight", "u16", Quantity("weight", "kg", "0.005")),), flags=None)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    values, orig = canonical(_LAYOUT.values(_LAYOUT.read(payload)), profile)
    return [Measurement(KIND, values, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    return _LAYOUT.write({"weight": _LAYOUT.raw("weight", measurement.said("weight"))})


def _heavy(kg: str) -> Measurement:
    return Measurement(KIND, (Value.of("weight", Decimal(kg), "kg"),))


EXAMPLES = [
    Example(bytes.fromhex("b036"), (_heavy("70.000"),), "14000 x 0.005 kg"),
    Example(bytes.fromhex("a92e"), (_heavy("59.725"),), "11945 x 0.005 kg"),
    Example(bytes.fromhex("0000"), (_heavy("0.000"),), "nobody stood there; out of every range"),
]
REJECTS = [b"", b"\xb0", bytes.fromhex("b03600")]

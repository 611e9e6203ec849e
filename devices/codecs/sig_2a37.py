"""Heart Rate Measurement, GATT 0x2A37: belts and wristbands, with the time between beats where they tell it.

    flags u8 | heart rate u8 or u16 | energy kJ u16 | RR intervals u16, 1/1024 s each, to the end

Flag bits: 0 the rate is u16, 1 skin contact, 2 contact can be sensed, 3 energy, 4 RR intervals.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import EncodeError, Example, Measurement, Value
from devices.fields import Field, Told
from devices.layout import WORDS, Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a37", 1, "hr"
FLAGS = ("no_contact",)

_WIDE, _CONTACT, _CONTACT_SENSED, _ENERGY, _RR = (1 << bit for bit in range(5))
_TICKS_A_SECOND = Decimal(1024)


def _told(ticks: tuple[int, ...], _flags: int) -> Told:
    text = " ".join(str(round(tick / _TICKS_A_SECOND * 1000)) for tick in ticks)
    return Told(f"{text} 毫秒", f"{text} ms")


_LAYOUT = Layout(
    "GSS Heart Rate Measurement 0x2A37",
    (
        Part("hr", "u8", Quantity("hr", "/min"), unless=_WIDE),
        Part("hr_wide", "u16", Quantity("hr", "/min"), bit=_WIDE),
        Part("energy", "u16", Quantity("energy", "kJ"), bit=_ENERGY),
        Part("rr", WORDS, bit=_RR, title=Told("RR 间期", "RR intervals"), tell=_told),
    ),
    named={_CONTACT: Told("已接触皮肤", "skin contact"), _CONTACT_SENSED: Told("可检测接触", "contact can be sensed")},
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    flags = found["flags"]
    said = _LAYOUT.values(found)
    said += [Value("rr", Decimal(ticks) / _TICKS_A_SECOND, "s") for ticks in found.get("rr", ())]
    values, orig = canonical(said, profile)
    lost = flags & _CONTACT_SENSED and not flags & _CONTACT
    return [Measurement(KIND, values, None, ("no_contact",) if lost else (), orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    rate = measurement.said("hr")
    if rate is None or rate.value is None:
        raise EncodeError("a heart rate frame needs a heart rate")
    wide = rate.value > 255
    said: dict[str, Any] = {"hr_wide" if wide else "hr": _LAYOUT.raw("hr", rate)}
    if energy := measurement.said("energy"):
        said["energy"] = _LAYOUT.raw("energy", energy)
    ticks = [
        value.value * _TICKS_A_SECOND for value in measurement.orig if value.code == "rr" and value.value is not None
    ]
    if ticks:
        said["rr"] = [int(tick) for tick in ticks]
    return _LAYOUT.write(said, _CONTACT_SENSED if "no_contact" in measurement.quality_flags else 0)


def _rate(number: str) -> Value:
    return Value.of("hr", Decimal(number), "/min")


EXAMPLES = [
    Example(bytes.fromhex("0048"), (Measurement(KIND, (_rate("72"),)),), "the shortest frame: 72 /min"),
    Example(
        bytes.fromhex("164820030004"),
        (
            Measurement(
                KIND,
                (_rate("72"), Value.of("rr", Decimal(781), "ms"), Value.of("rr", Decimal(1000), "ms")),
                orig=(Value.of("rr", Decimal("0.78125"), "s"), Value.of("rr", Decimal(1), "s")),
            ),
        ),
        "with contact and two RR intervals: 800 and 1024 ticks",
    ),
    Example(
        bytes.fromhex("0d2c011000"),
        (Measurement(KIND, (_rate("300"), Value.of("energy", Decimal(16), "kJ")), None, ("no_contact",)),),
        "a wide rate, energy spent, and the belt has lost the skin",
    ),
]

REJECTS = [
    b"",
    b"\x00",
    bytes.fromhex("0148"),  # a wide rate of one byte
    bytes.fromhex("004800"),  # one byte too many
    bytes.fromhex("104820"),  # half an interval
]

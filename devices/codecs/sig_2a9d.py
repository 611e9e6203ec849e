"""Weight Measurement, GATT 0x2A9D: scales.

    flags u8 | weight u16 | time 7 | user u8 | BMI u16, height u16     flag bits: 0 pounds, 1 time, 2 user, 3 BMI

0.005 kg or 0.01 lb a step; height 0.001 m or 0.1 inch. 0xFFFF is "measurement unsuccessful", not 327.675 kg.
Some scales count in the step of their Weight Scale Feature (0x2A9E): their profile says `step = { weight = 0.01 }`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from devices.base import EncodeError, Example, Measurement, Value
from devices.fields import Field, Told
from devices.layout import Layout, Part, Quantity, time_part
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a9d", 1, "weight"
FLAGS = ("unsuccessful", "clock_not_set")

_POUNDS, _TIME, _USER, _BMI = (1 << bit for bit in range(4))
_USER_UNKNOWN = 255
UNSUCCESSFUL = {0xFFFF: "error"}


def mass(code: str, pounds: int, step: str = "0.005") -> Quantity:
    return Quantity(code, "kg", step, UNSUCCESSFUL if code == "weight" else {}, (pounds, "[lb_av]", "0.01"))


def length(inches: int, step: str = "0.001") -> Quantity:
    return Quantity("height", "m", step, {}, (inches, "[in_i]", "0.1"))


def user_told(raw: int, _flags: int) -> Told:
    return Told("未知", "unknown") if raw == _USER_UNKNOWN else Told(f"用户 {raw}", f"user {raw}")


def user_part(bit: int) -> Part:
    return Part("user", "u8", bit=bit, role="context", title=Told("用户编号", "User"), tell=user_told)


@cache
def _layout(weight: Decimal | None = None, height: Decimal | None = None) -> Layout:
    """As the specification has it, or with the model's own steps of the metric units."""
    return Layout(
        "GSS Weight Measurement 0x2A9D",
        (
            Part("weight", "u16", mass("weight", _POUNDS, str(weight or "0.005"))),
            time_part(_TIME),
            user_part(_USER),
            Part("bmi", "u16", Quantity("bmi", "kg/m2", "0.1"), bit=_BMI),
            Part("height", "u16", length(_POUNDS, str(height or "0.001")), bit=_BMI),
        ),
        named={_POUNDS: Told("英制", "imperial")},
    )


def _layout_of(profile: Profile) -> Layout:
    return _layout(profile.step.get("weight"), profile.step.get("height")) if profile.step else _layout()


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _layout_of(profile).fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    layout = _layout_of(profile)
    found = layout.read(payload)
    values, orig = canonical(layout.values(found), profile)
    return [Measurement(KIND, values, found.get("time"), flags_of(found, "weight"), user_of(found), orig=orig)]


def flags_of(found: dict[str, Any], chief: str) -> tuple[str, ...]:
    flags = ("unsuccessful",) if found[chief] in UNSUCCESSFUL else ()
    return (*flags, "clock_not_set") if "time" in found and found["time"] is None else flags


def user_of(found: dict[str, Any]) -> dict[str, str | int]:
    user = found.get("user", _USER_UNKNOWN)
    return {} if user == _USER_UNKNOWN else {"user_index": user}


def encode(measurement: Measurement, profile: Profile) -> bytes:
    layout = _layout_of(profile)
    weight, bmi, height = (measurement.said(code) for code in ("weight", "bmi", "height"))
    imperial = any(value is not None and value.unit in ("[lb_av]", "[in_i]") for value in (weight, height))
    flags = _POUNDS if imperial else 0
    said: dict[str, Any] = {"weight": layout.raw("weight", weight, flags)} | stamp(measurement)
    if bmi is not None or height is not None:
        said["bmi"] = layout.raw("bmi", bmi, flags)
        said["height"] = layout.raw("height", height, flags)
    return layout.write(said, flags)


def stamp(measurement: Measurement) -> dict[str, Any]:
    """Time and user as scales send them."""
    said: dict[str, Any] = {}
    clock_not_set = "clock_not_set" in measurement.quality_flags
    if clock_not_set and measurement.at is not None:
        raise EncodeError("a scale says that its clock is not set by sending no date")
    if measurement.at is not None or clock_not_set:
        said["time"] = measurement.at
    if (user := measurement.context.get("user_index")) is not None:
        said["user"] = int(user)
    return said


def _kg(number: str) -> Value:
    return Value.of("weight", Decimal(number), "kg")


EXAMPLES = [
    Example(bytes.fromhex("00b036"), (Measurement(KIND, (_kg("70.000"),)),), "the shortest frame: 14000 x 0.005 kg"),
    Example(
        bytes.fromhex("0ee02eea07030f081e0501e5007206"),
        (
            Measurement(
                KIND,
                (_kg("60.000"), Value.of("bmi", Decimal("22.9"), "kg/m2"), Value.of("height", Decimal("165.0"), "cm")),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
                (),
                {"user_index": 1},
                orig=(Value.of("height", Decimal("1.650"), "m"),),
            ),
        ),
        "with time, user, BMI and height",
    ),
    Example(
        bytes.fromhex("016c3c"),
        (Measurement(KIND, (_kg("70.16"),), orig=(Value.of("weight", Decimal("154.68"), "[lb_av]"),)),),
        "in pounds",
    ),
    Example(
        bytes.fromhex("00ffff"),
        (Measurement(KIND, (Value.of("weight", "error", "kg"),), None, ("unsuccessful",)),),
        "0xFFFF: somebody stepped off too early",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("00b0"),
    bytes.fromhex("00b03600"),  # one byte too many
    bytes.fromhex("08b036e500"),  # a BMI without its height
    bytes.fromhex("02b036ea07021e080000"),  # 30 February
]

"""Body Composition Measurement, GATT 0x2A9C: fat, water and the rest, in one packet or in two.

    flags u16 | fat u16 x 0.1 % | time 7 | user u8 | basal kJ | muscle % | muscle | fat-free | soft lean | water |
    impedance | weight | height                                  masses 0.005 kg or 0.01 lb; impedance 0.1 ohm (below)

A record too long for one packet comes as two that both carry flags and fat (flag bit 12). A gateway puts them behind
one another into one payload (devices/merge.py does so within an envelope); alone, the first says `part_missing`.
The specification's supplement contradicts itself on the impedance; field practice is a tenth of an ohm.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DecodeError, Example, Measurement, Value
from devices.codecs.sig_2a9d import UNSUCCESSFUL, flags_of, length, mass, stamp, user_of, user_part
from devices.fields import Field, Told, covering, unread
from devices.layout import Layout, Part, Quantity, time_part
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a9c", 1, "body"
FLAGS = ("unsuccessful", "clock_not_set", "part_missing")

(_POUNDS, _TIME, _USER, _BASAL, _SHARE, _MUSCLE, _FAT_FREE, _SOFT, _WATER, _IMPEDANCE, _WEIGHT, _HEIGHT, _MULTIPLE) = (
    1 << bit for bit in range(13)
)

_LAYOUT = Layout(
    "GSS Body Composition Measurement 0x2A9C",
    (
        Part("fat", "u16", Quantity("fat", "%", "0.1", UNSUCCESSFUL)),
        time_part(_TIME),
        user_part(_USER),
        Part("basal", "u16", Quantity("basal", "kJ"), bit=_BASAL),
        Part("muscle_share", "u16", Quantity("muscle_share", "%", "0.1"), bit=_SHARE),
        Part("muscle", "u16", mass("muscle", _POUNDS), bit=_MUSCLE),
        Part("fat_free", "u16", mass("fat_free", _POUNDS), bit=_FAT_FREE),
        Part("soft_lean", "u16", mass("soft_lean", _POUNDS), bit=_SOFT),
        Part("water", "u16", mass("water", _POUNDS), bit=_WATER),
        Part("impedance", "u16", Quantity("impedance", "Ohm", "0.1"), bit=_IMPEDANCE),
        Part("weight", "u16", mass("weight", _POUNDS), bit=_WEIGHT),
        Part("height", "u16", length(_POUNDS), bit=_HEIGHT),
    ),
    flags="u16",
    named={_POUNDS: Told("英制", "imperial"), _MULTIPLE: Told("分两包", "in two packets")},
)
_CODES = ("basal", "muscle_share", "muscle", "fat_free", "soft_lean", "water", "impedance", "weight", "height")


def fields(payload: bytes, profile: Profile) -> list[Field]:
    found, end = _LAYOUT.named_fields(payload, profile)
    if end < len(payload) and len(payload) >= 2 and _LAYOUT.flags_of(payload) & _MULTIPLE:
        more, end = _LAYOUT.named_fields(payload, profile, end)
        found += more
    if end < len(payload):
        found.append(unread(end, len(payload)))
    return covering(found, len(payload))


def is_first_of_two(payload: bytes) -> bool:
    """Whether this packet announces another one that is not in the payload yet."""
    try:
        found, extra = _LAYOUT.take(payload)
    except DecodeError:
        return False
    return bool(found["flags"] & _MULTIPLE) and not extra


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found, extra = _LAYOUT.take(payload)
    multiple = bool(found["flags"] & _MULTIPLE)
    values = _LAYOUT.values(found)
    if extra and not multiple:
        raise DecodeError("trailing-bytes", extra=len(extra))
    if extra:
        second = _LAYOUT.read(extra)
        if second["fat"] != found["fat"] or set(second) & set(found) != {"flags", "fat"}:
            raise DecodeError("other-record", first="1", second="2")
        values += _LAYOUT.values(second)[1:]
        found |= {name: raw for name, raw in second.items() if name != "flags"}
    flags = flags_of(found, "fat")
    if multiple and not extra:
        flags += ("part_missing",)
    kept, orig = canonical(_sorted(values), profile)
    return [Measurement(KIND, kept, found.get("time"), flags, user_of(found), orig=orig)]


def _sorted(values: list[Value]) -> list[Value]:
    """In the order of one long packet, whichever of the two brought them."""
    order = {code: place for place, code in enumerate(("fat", *_CODES))}
    return sorted(values, key=lambda value: order[value.code])


def encode(measurement: Measurement, profile: Profile) -> bytes:
    found = {code: value for code in _CODES if (value := measurement.said(code)) is not None}
    flags = _POUNDS if any(value.unit in ("[lb_av]", "[in_i]") for value in found.values()) else 0
    said: dict[str, Any] = {"fat": _LAYOUT.raw("fat", measurement.said("fat"))} | stamp(measurement)
    said |= {code: _LAYOUT.raw(code, value, flags) for code, value in found.items()}
    return _LAYOUT.write(said, flags | (_MULTIPLE if "part_missing" in measurement.quality_flags else 0))


def _body(fat: str, *more: tuple[str, str, str]) -> tuple[Value, ...]:
    return (
        Value.of("fat", Decimal(fat), "%"),
        *(Value.of(code, Decimal(number), unit) for code, number, unit in more),
    )


EXAMPLES = [
    Example(bytes.fromhex("0000e600"), (Measurement(KIND, _body("23.0")),), "fat alone: 23.0 %"),
    Example(
        bytes.fromhex("0006e6008813b036"),
        (Measurement(KIND, _body("23.0", ("impedance", "500.0", "Ohm"), ("weight", "70.000", "kg"))),),
        "with impedance (500.0 ohm) and weight",
    ),
    Example(
        bytes.fromhex("0210e600ea07030f081e05" + "0015e6004019b036"),
        (
            Measurement(
                KIND,
                _body("23.0", ("water", "32.320", "kg"), ("weight", "70.000", "kg")),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
            ),
        ),
        "two packets: the first brings the time, the second water and weight",
    ),
    Example(
        bytes.fromhex("0210e600ea07030f081e05"),
        (Measurement(KIND, _body("23.0"), datetime(2026, 3, 15, 8, 30, 5), ("part_missing",)),),  # noqa: DTZ001
        "the first of two packets, and the second never came",
    ),
    Example(
        bytes.fromhex("0000ffff"),
        (Measurement(KIND, (Value.of("fat", "error", "%"),), None, ("unsuccessful",)),),
        "0xFFFF: bare feet were not bare",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("0000e6"),
    bytes.fromhex("0000e60000"),  # one byte too many
    bytes.fromhex("0210e600ea07030f081e050014e7004019"),  # the second packet tells of another fat
    bytes.fromhex("0004e600"),  # a weight announced and not sent
]

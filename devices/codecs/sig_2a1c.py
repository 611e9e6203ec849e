"""Temperature Measurement, GATT 0x2A1C: ear, forehead and armpit thermometers.

    flags u8 | temperature FLOAT | time 7 | site u8            flag bits: 0 Fahrenheit, 1 time, 2 site

Reserved flag bits are ignored and a reserved site is no site; a flag that brings a new field shows as trailing bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import EncodeError, Example, Measurement, Value
from devices.frame import FrameReader, FrameWriter
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a1c", 1, "temp"

_FAHRENHEIT, _TIME, _SITE = (1 << bit for bit in range(3))
SITES: Mapping[int, str] = {
    1: "armpit",
    2: "body",
    3: "ear",
    4: "finger",
    5: "gut",
    6: "mouth",
    7: "rectum",
    8: "toe",
    9: "eardrum",
}
_NUMBER_OF_SITE = {name: number for number, name in SITES.items()}

FLAGS = ("clock_not_set",)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    frame = FrameReader(payload)
    flags = frame.unsigned(1)
    said = Value.of("temp", frame.float32(), "[degF]" if flags & _FAHRENHEIT else "Cel")
    at = frame.time() if flags & _TIME else None
    site = SITES.get(frame.unsigned(1)) if flags & _SITE else None
    frame.end()

    values, orig = canonical([said], profile)
    quality_flags = ("clock_not_set",) if flags & _TIME and at is None else ()
    return [Measurement(KIND, values, at, quality_flags, {"site": site} if site else {}, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    temperature = measurement.said("temp")
    if temperature is None:
        raise EncodeError("a thermometer frame needs a temperature, or the reason why there is none")
    clock_not_set = "clock_not_set" in measurement.quality_flags
    if clock_not_set and measurement.at is not None:
        raise EncodeError("a thermometer says that its clock is not set by sending no date")
    site = measurement.context.get("site")
    if site is not None and site not in _NUMBER_OF_SITE:
        raise EncodeError(f"there is no number for the site {site}")
    flags = _FAHRENHEIT if temperature.unit == "[degF]" else 0
    flags |= _TIME if measurement.at is not None or clock_not_set else 0
    flags |= _SITE if site is not None else 0

    frame = FrameWriter()
    frame.unsigned(flags, 1)
    frame.float32(temperature.said)
    if flags & _TIME:
        frame.time(measurement.at)
    if site is not None:
        frame.unsigned(_NUMBER_OF_SITE[str(site)], 1)
    return frame.finish()


def _celsius(number: str) -> tuple[Value, ...]:
    return (Value.of("temp", Decimal(number), "Cel"),)


EXAMPLES = [
    Example(bytes.fromhex("006d0100ff"), (Measurement(KIND, _celsius("36.5")),), "the shortest frame: 36.5 Cel"),
    Example(
        bytes.fromhex("06680e00feea07030f081e0503"),
        (
            Measurement(KIND, _celsius("36.88"), datetime(2026, 3, 15, 8, 30, 5), (), {"site": "ear"}),  # noqa: DTZ001
        ),
        "hundredths, a time and a site",
    ),
    Example(
        bytes.fromhex("01da0300ff"),
        (Measurement(KIND, _celsius("37.0"), orig=(Value.of("temp", Decimal("98.6"), "[degF]"),)),),
        "a thermometer switched to Fahrenheit",
    ),
    Example(
        bytes.fromhex("00ffff7f00"),
        (Measurement(KIND, (Value.of("temp", "not-a-number", "Cel"),)),),
        "taken off the ear too soon: no number",
    ),
    Example(
        bytes.fromhex("0000008000"),
        (Measurement(KIND, (Value.of("temp", "error", "Cel"),)),),
        "held against a cold wall: not at this resolution",
    ),
    Example(
        bytes.fromhex("066d0100ff000000000000000b"),
        (Measurement(KIND, _celsius("36.5"), None, ("clock_not_set",)),),
        "the clock is empty (year 0) and the site is a reserved number",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("006d0100"),  # cut within the number
    bytes.fromhex("006d0100ff00"),  # one byte too many
    bytes.fromhex("046d0100ff"),  # a site announced and not sent
    bytes.fromhex("026d0100ffea07021e080000"),  # 30 February
    bytes.fromhex("026d0100ffea070301083c00"),  # minute 60
    b"T=36.6;B=87",  # text of another thermometer
]

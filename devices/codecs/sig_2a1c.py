"""Temperature Measurement, GATT 0x2A1C: ear, forehead and armpit thermometers.

    flags u8 | temperature FLOAT | time 7 | site u8            flag bits: 0 Fahrenheit, 1 time, 2 site

Reserved flag bits are ignored and a reserved site is no site; a flag that brings a new field shows as trailing bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import EncodeError, Example, Measurement, Value
from devices.fields import Field, Told
from devices.layout import Layout, Part, Quantity, time_part
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a1c", 1, "temp"

_FAHRENHEIT, _TIME, _SITE = (1 << bit for bit in range(3))
_SITES: Mapping[int, tuple[str, Told]] = {
    1: ("armpit", Told("腋下", "armpit")),
    2: ("body", Told("体表", "body")),
    3: ("ear", Told("耳", "ear")),
    4: ("finger", Told("手指", "finger")),
    5: ("gut", Told("消化道", "gut")),
    6: ("mouth", Told("口腔", "mouth")),
    7: ("rectum", Told("直肠", "rectum")),
    8: ("toe", Told("脚趾", "toe")),
    9: ("eardrum", Told("鼓膜", "eardrum")),
}
SITES: Mapping[int, str] = {number: name for number, (name, _told) in _SITES.items()}
_NUMBER_OF_SITE = {name: number for number, name in SITES.items()}

FLAGS = ("clock_not_set",)

_LAYOUT = Layout(
    "GSS Temperature Measurement 0x2A1C",
    (
        Part("temp", "float32", Quantity("temp", "Cel", other=(_FAHRENHEIT, "[degF]", None))),
        time_part(_TIME),
        Part(
            "site",
            "u8",
            bit=_SITE,
            role="context",
            title=Told("测量部位", "Site"),
            choices={number: told for number, (_name, told) in _SITES.items()},
        ),
    ),
    named={_FAHRENHEIT: Told("华氏度", "Fahrenheit")},
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    at, site = found.get("time"), SITES.get(found.get("site", 0))
    values, orig = canonical(_LAYOUT.values(found), profile)
    quality_flags = ("clock_not_set",) if "time" in found and at is None else ()
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
    said: dict[str, Any] = {"temp": _LAYOUT.raw("temp", temperature)}
    if measurement.at is not None or clock_not_set:
        said["time"] = measurement.at
    if site is not None:
        said["site"] = _NUMBER_OF_SITE[str(site)]
    return _LAYOUT.write(said, _FAHRENHEIT if temperature.unit == "[degF]" else 0)


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

"""PLX Spot-Check Measurement, GATT 0x2A5E: one settled value of a fingertip oximeter.

    flags u8 | SpO2 pulse SFLOAT | time 7 | measurement status u16 | device status u24 | PI SFLOAT
    flag bits: 0 time, 1 measurement status, 2 device status, 3 perfusion index, 4 the clock is not set (no field)

Without a finger it sends NaN, or says so in a status bit beside a stale number; the profile weighs the bits.
Reserved flag and status bits are ignored (Bluetooth core specification); a new field shows as trailing bytes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import Example, Measurement, Value
from devices.fields import Field, Told
from devices.frame import bits_of, names_of
from devices.layout import Layout, Part, Quantity, time_part
from devices.units import canonical
from devices.words import flag_words

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a5e", 1, "spo2"

_TIME, _STATUS, _DEVICE, _PERFUSION, _CLOCK_NOT_SET = (1 << bit for bit in range(5))

STATUS_BITS = (
    (5, "ongoing"),
    (6, "early_estimate"),
    (7, "validated"),
    (8, "fully_qualified"),
    (9, "from_storage"),
    (10, "demo"),
    (11, "testing"),
    (12, "calibrating"),
    (13, "unavailable"),
    (14, "questionable"),
    (15, "invalid"),
)
DEVICE_BITS = (
    (0, "display_update"),
    (1, "malfunction"),
    (2, "irregular_processing"),
    (3, "inadequate_signal"),
    (4, "poor_signal"),
    (5, "low_perfusion"),
    (6, "erratic_signal"),
    (7, "non_pulsatile"),
    (8, "questionable_pulse"),
    (9, "signal_analysis"),
    (10, "interference"),
    (11, "not_on_user"),
    (12, "unknown_sensor"),
    (13, "displaced"),
    (14, "sensor_fault"),
    (15, "disconnected"),
)

FLAGS = (*(name for _, name in STATUS_BITS), *(name for _, name in DEVICE_BITS), "clock_not_set")


def status_part(bit: int) -> Part:
    title = Told("测量状态", "Measurement status")
    return Part("status", "u16", bit=bit, role="status", title=title, flags=lambda raw: names_of(raw, STATUS_BITS))


def device_part(bit: int) -> Part:
    title = Told("设备与探头状态", "Device and sensor status")
    return Part("device", "u24", bit=bit, role="status", title=title, flags=lambda raw: names_of(raw, DEVICE_BITS))


SPO2, PULSE = Quantity("spo2", "%"), Quantity("pulse", "/min")
_LAYOUT = Layout(
    "PLXS 1.0.1 PLX Spot-Check Measurement 0x2A5E",
    (
        Part("spo2", "sfloat", SPO2),
        Part("pulse", "sfloat", PULSE),
        time_part(_TIME),
        status_part(_STATUS),
        device_part(_DEVICE),
        Part("pi", "sfloat", Quantity("pi", "%"), bit=_PERFUSION),
    ),
    named={_CLOCK_NOT_SET: flag_words("clock_not_set")},
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    at = found.get("time")
    quality_flags = names_of(found.get("status", 0), STATUS_BITS) + names_of(found.get("device", 0), DEVICE_BITS)
    if found["flags"] & _CLOCK_NOT_SET or ("time" in found and at is None):
        quality_flags += ("clock_not_set",)
    values, orig = canonical(_LAYOUT.values(found), profile)
    return [Measurement(KIND, values, at, quality_flags, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    # SpO2 and pulse have no flag: absent is NaN.
    said: dict[str, Any] = {code: _LAYOUT.raw(code, measurement.said(code)) for code in ("spo2", "pulse")}
    if measurement.at:
        said["time"] = measurement.at
    if status := bits_of(measurement.quality_flags, STATUS_BITS):
        said["status"] = status
    if device := bits_of(measurement.quality_flags, DEVICE_BITS):
        said["device"] = device
    if perfusion := measurement.said("pi"):
        said["pi"] = _LAYOUT.raw("pi", perfusion)
    return _LAYOUT.write(said, _CLOCK_NOT_SET if "clock_not_set" in measurement.quality_flags else 0)


def _read(spo2: str, pulse: str, perfusion: str | None = None) -> tuple[Value, ...]:
    values = (Value.of("spo2", Decimal(spo2), "%"), Value.of("pulse", Decimal(pulse), "/min"))
    return (*values, Value.of("pi", Decimal(perfusion), "%")) if perfusion else values


_NOTHING = (Value.of("spo2", "not-a-number", "%"), Value.of("pulse", "not-a-number", "/min"))

EXAMPLES = [
    Example(bytes.fromhex("0061004800"), (Measurement(KIND, _read("97", "72")),), "the shortest frame: 97 %, 72 /min"),
    Example(
        bytes.fromhex("0f62004000ea07030f081e05800100000022f0"),
        (
            Measurement(
                KIND,
                _read("98", "64", "3.4"),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
                ("validated", "fully_qualified"),
            ),
        ),
        "every optional field of a good measurement",
    ),
    Example(
        bytes.fromhex("06ff07ff070020880000"),
        (Measurement(KIND, _NOTHING, None, ("unavailable", "inadequate_signal", "non_pulsatile")),),
        "the signal is too weak: no number",
    ),
    Example(
        bytes.fromhex("045d005100000800"),
        (Measurement(KIND, _read("93", "81"), None, ("not_on_user",)),),
        "the finger was pulled out: the last number stands beside the bit that denies it",
    ),
    Example(
        bytes.fromhex("115c006e00d0070101000000"),
        (Measurement(KIND, _read("92", "110"), datetime(2000, 1, 1), ("clock_not_set",)),),  # noqa: DTZ001
        "a new battery: the clock runs from 2000 and says that it is not set",
    ),
    Example(
        bytes.fromhex("01d9f3000800000000000000"),
        (
            Measurement(
                KIND,
                (Value.of("spo2", Decimal("98.5"), "%"), Value.of("pulse", "error", "/min")),
                None,
                ("clock_not_set",),
            ),
        ),
        "tenths of a per cent, a pulse out of the sensor's resolution, a year 0",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("00610048"),  # cut within the pulse
    bytes.fromhex("006100480000"),  # one byte too many
    bytes.fromhex("0261004800"),  # a status announced and not sent
    bytes.fromhex("04610048000000"),  # a device status of two bytes
    bytes.fromhex("0161004800ea07021e080000"),  # 30 February
    bytes.fromhex("0161004800ea0703013b3b3b"),  # 59 o'clock
    bytes.fromhex("2061004800ff"),  # a reserved flag that brings a field we cannot name
]

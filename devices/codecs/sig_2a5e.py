"""PLX Spot-Check Measurement, GATT 0x2A5E: one settled value of a fingertip oximeter.

    flags u8 | SpO2 pulse SFLOAT | time 7 | measurement status u16 | device status u24 | PI SFLOAT
    flag bits: 0 time, 1 measurement status, 2 device status, 3 perfusion index, 4 the clock is not set (no field)

Without a finger it sends NaN, or says so in a status bit beside a stale number; the profile weighs the bits.
Reserved flag and status bits are ignored (Bluetooth core specification); a new field shows as trailing bytes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import Example, Measurement, Value
from devices.frame import FrameReader, FrameWriter, bits_of, names_of
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a5e", 1, "spo2"

_TIME, _STATUS, _DEVICE, _PERFUSION, _CLOCK_NOT_SET = (1 << bit for bit in range(5))

_STATUS_BITS = (
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
_DEVICE_BITS = (
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

FLAGS = (*(name for _, name in _STATUS_BITS), *(name for _, name in _DEVICE_BITS), "clock_not_set")


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    frame = FrameReader(payload)
    flags = frame.unsigned(1)
    said = [Value.of("spo2", frame.sfloat(), "%"), Value.of("pulse", frame.sfloat(), "/min")]
    at = frame.time() if flags & _TIME else None
    status = frame.unsigned(2) if flags & _STATUS else 0
    device = frame.unsigned(3) if flags & _DEVICE else 0
    if flags & _PERFUSION:
        said.append(Value.of("pi", frame.sfloat(), "%"))
    frame.end()

    quality_flags = names_of(status, _STATUS_BITS) + names_of(device, _DEVICE_BITS)
    if flags & _CLOCK_NOT_SET or (flags & _TIME and at is None):
        quality_flags += ("clock_not_set",)
    values, orig = canonical(said, profile)
    return [Measurement(KIND, values, at, quality_flags, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    status = bits_of(measurement.quality_flags, _STATUS_BITS)
    device = bits_of(measurement.quality_flags, _DEVICE_BITS)
    perfusion = measurement.said("pi")
    flags = (_TIME if measurement.at else 0) | (_STATUS if status else 0) | (_DEVICE if device else 0)
    flags |= _PERFUSION if perfusion else 0
    flags |= _CLOCK_NOT_SET if "clock_not_set" in measurement.quality_flags else 0

    frame = FrameWriter()
    frame.unsigned(flags, 1)
    for code in ("spo2", "pulse"):
        value = measurement.said(code)
        frame.sfloat(value.said if value else "not-a-number")  # these two have no flag: absent is NaN
    if measurement.at:
        frame.time(measurement.at)
    if status:
        frame.unsigned(status, 2)
    if device:
        frame.unsigned(device, 3)
    if perfusion:
        frame.sfloat(perfusion.said)
    return frame.finish()


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

"""ECG strip: a frame of ours, because no Bluetooth characteristic carries one. 30 s of one lead fit into one record.

    flags u8 | lead u8 | rate u16 Hz | scale u32 nV per count | time 7 | heart rate u8 | status u8 | samples i16 ...

Flag bits: 0 time, 1 heart rate, 2 status (bit 0 an electrode came off, 1 noisy). Leads 1 to 12: I II III aVR aVL aVF
V1 to V6. The samples go into `Measurement.strip`, never into `values`: a reading stays small, and who draws the curve
reads it from the frame kept beside it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DecodeError, EncodeError, Example, Measurement, Strip, Value
from devices.fields import Field, Told
from devices.frame import bits_of, names_of
from devices.layout import SAMPLES, Layout, Part, Quantity, time_part
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "linli.ecg", 1, "ecg"
FLAGS = ("lead_off", "noisy", "clock_not_set")

_TIME, _RATE, _STATUS = (1 << bit for bit in range(3))
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE_HZ = (50, 2_000)
SAMPLES_MAX = 8_000  # 30 s at 250 Hz; a record of an envelope holds 16 KiB
_STATUS_BITS = ((0, "lead_off"), (1, "noisy"))

_LAYOUT = Layout(
    "Linli ECG strip",
    (
        Part(
            "lead",
            "u8",
            role="context",
            title=Told("导联", "Lead"),
            choices={number: Told(f"{name} 导联", f"lead {name}") for number, name in enumerate(LEADS, start=1)},
        ),
        Part("rate_hz", "u16", role="layout", title=Told("采样率（赫兹）", "Sample rate, Hz")),
        Part("scale", "u32", role="layout", title=Told("每单位纳伏", "Nanovolt a count")),
        time_part(_TIME),
        Part("hr", "u8", Quantity("hr", "/min", absent={0: "not-a-number"}), bit=_RATE),
        Part(
            "status",
            "u8",
            bit=_STATUS,
            role="status",
            title=Told("信号状态", "Signal"),
            flags=lambda raw: names_of(raw, _STATUS_BITS),
        ),
        Part("samples", SAMPLES, title=Told("波形", "Curve")),
    ),
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    lead, rate, samples = found["lead"], found["rate_hz"], found["samples"]
    if not 1 <= lead <= len(LEADS):
        raise DecodeError("reserved-value", field="lead", value=lead)
    if not RATE_HZ[0] <= rate <= RATE_HZ[1]:
        raise DecodeError("reserved-value", field="rate_hz", value=rate)
    if not found["scale"]:
        raise DecodeError("reserved-value", field="scale", value=0)
    if not 1 <= len(samples) <= SAMPLES_MAX:
        raise DecodeError("not-a-list", field="samples", limit=SAMPLES_MAX)
    at = found.get("time")
    flags = names_of(found.get("status", 0), _STATUS_BITS)
    flags += ("clock_not_set",) if "time" in found and at is None else ()
    values, orig = canonical(_LAYOUT.values(found), profile)
    strip = Strip(LEADS[lead - 1], rate, found["scale"], samples)
    context: dict[str, str | int] = {"lead": strip.lead, "rate_hz": rate, "samples": len(samples)}
    return [Measurement(KIND, values, at, flags, context, orig=orig, strip=strip)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    strip = measurement.strip
    if strip is None:
        raise EncodeError("an ECG frame needs its strip")
    said: dict[str, Any] = {
        "lead": LEADS.index(strip.lead) + 1,
        "rate_hz": strip.rate_hz,
        "scale": strip.nv_per_count,
        "samples": strip.samples,
    }
    if measurement.at is not None or "clock_not_set" in measurement.quality_flags:
        said["time"] = measurement.at
    if rate := measurement.said("hr"):
        said["hr"] = _LAYOUT.raw("hr", rate)
    if status := bits_of(measurement.quality_flags, _STATUS_BITS):
        said["status"] = status
    return _LAYOUT.write(said)


def _example(strip: Strip, rate: Decimal | str | None, at: datetime | None, *flags: str) -> Measurement:
    values = () if rate is None else (Value.of("hr", rate, "/min"),)
    context: dict[str, str | int] = {"lead": strip.lead, "rate_hz": strip.rate_hz, "samples": len(strip.samples)}
    return Measurement(KIND, values, at, flags, context, strip=strip)


EXAMPLES = [
    Example(
        bytes.fromhex("0001fa00e803000000000a0014006400f6ff0000"),
        (_example(Strip("I", 250, 1000, (0, 10, 20, 100, -10, 0)), None, None),),
        "six samples of lead I at 250 Hz, a microvolt a count",
    ),
    Example(
        bytes.fromhex("0302f401c4090000ea07030f081e054805000a00"),
        (
            _example(
                Strip("II", 500, 2500, (5, 10)),
                Decimal(72),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
            ),
        ),
        "lead II with time and heart rate",
    ),
    Example(
        bytes.fromhex("0601fa00e803000000010000"),
        (_example(Strip("I", 250, 1000, (0,)), "not-a-number", None, "lead_off"),),
        "an electrode came off: no rate",
    ),
]
REJECTS = [
    b"",
    bytes.fromhex("0001fa00e8030000"),  # no sample
    bytes.fromhex("0001fa00e803000000"),  # half a sample
    bytes.fromhex("000dfa00e80300000000"),  # a 13th lead
    bytes.fromhex("00010a00e80300000000"),  # 10 Hz
    bytes.fromhex("0001fa00000000000000"),  # no scale
]

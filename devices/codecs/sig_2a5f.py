"""PLX Continuous Measurement, GATT 0x2A5F: an oximeter that goes on telling.

    flags u8 | SpO2 pulse SFLOAT | fast pair | slow pair | measurement status u16 | device status u24 | PI SFLOAT

The quick and the slow average are named for the inspector and not kept: the normal pair is the reading.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import Example, Measurement, Value
from devices.codecs.sig_2a5e import DEVICE_BITS, PULSE, SPO2, STATUS_BITS, device_part, status_part
from devices.fields import Field, Told
from devices.frame import bits_of, names_of
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a5f", 1, "spo2"

_FAST, _SLOW, _STATUS, _DEVICE, _PERFUSION = (1 << bit for bit in range(5))
FLAGS = (*(name for _, name in STATUS_BITS), *(name for _, name in DEVICE_BITS))

_LAYOUT = Layout(
    "PLXS 1.0.1 PLX Continuous Measurement 0x2A5F",
    (
        Part("spo2", "sfloat", SPO2),
        Part("pulse", "sfloat", PULSE),
        Part("spo2_fast", "sfloat", SPO2, bit=_FAST, title=Told("血氧（快速）", "SpO2, fast")),
        Part("pulse_fast", "sfloat", PULSE, bit=_FAST, title=Told("脉率（快速）", "Pulse, fast")),
        Part("spo2_slow", "sfloat", SPO2, bit=_SLOW, title=Told("血氧（慢速）", "SpO2, slow")),
        Part("pulse_slow", "sfloat", PULSE, bit=_SLOW, title=Told("脉率（慢速）", "Pulse, slow")),
        status_part(_STATUS),
        device_part(_DEVICE),
        Part("pi", "sfloat", Quantity("pi", "%"), bit=_PERFUSION),
    ),
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    flags = names_of(found.get("status", 0), STATUS_BITS) + names_of(found.get("device", 0), DEVICE_BITS)
    said = [_LAYOUT.value(found, name) for name in ("spo2", "pulse", "pi") if name in found]
    values, orig = canonical(said, profile)
    return [Measurement(KIND, values, None, flags, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    said: dict[str, Any] = {code: _LAYOUT.raw(code, measurement.said(code)) for code in ("spo2", "pulse")}
    if status := bits_of(measurement.quality_flags, STATUS_BITS):
        said["status"] = status
    if device := bits_of(measurement.quality_flags, DEVICE_BITS):
        said["device"] = device
    if perfusion := measurement.said("pi"):
        said["pi"] = _LAYOUT.raw("pi", perfusion)
    return _LAYOUT.write(said)


def _read(spo2: str, pulse: str) -> tuple[Value, ...]:
    return (Value.of("spo2", Decimal(spo2), "%"), Value.of("pulse", Decimal(pulse), "/min"))


EXAMPLES = [
    Example(bytes.fromhex("0061004800"), (Measurement(KIND, _read("97", "72")),), "the normal pair alone"),
    Example(
        bytes.fromhex("03610048006200490060004700"),
        (Measurement(KIND, _read("97", "72")),),
        "with a quick and a slow average",
    ),
    Example(
        bytes.fromhex("0cff07ff070020000800"),
        (
            Measurement(
                KIND,
                (Value.of("spo2", "not-a-number", "%"), Value.of("pulse", "not-a-number", "/min")),
                None,
                ("unavailable", "not_on_user"),
            ),
        ),
        "the finger is out",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("006100"),  # cut within the pulse
    bytes.fromhex("0161004800"),  # a quick pair announced and not sent
    bytes.fromhex("006100480000"),  # one byte too many
]

"""What a body shows, as the bytes the device would send: true frames, by the codecs' own encoders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import profile
from simulators.baseline import Oximetry, Pressure, Temperature
from simulators.plan import DevicePlan

Vital: TypeAlias = Pressure | Oximetry | Temperature

# What a device says that tried and could not measure: NaN in every field.
_NOTHING = {
    "bp": (("sys", "mm[Hg]"), ("dia", "mm[Hg]"), ("map", "mm[Hg]"), ("pulse", "/min")),
    "spo2": (("spo2", "%"), ("pulse", "/min")),
    "temp": (("temp", "Cel"),),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One payload as the device made it; `device_time` is the local time in it, if the device has a clock."""

    payload: bytes
    device_time: datetime | None


def frame(device: DevicePlan, vital: Vital | None, at: datetime | None, user_index: int | None = None) -> Frame:
    """`vital` as `device` would report it at `at` (aware; None: its clock is not set). No vital: a failed attempt."""
    if device.codec is None or device.profile is None:
        raise ValueError(f"{device.id} sends no readings of its own")
    model = profile(device.profile)
    local = at.astimezone(model.zone).replace(tzinfo=None, microsecond=0) if at is not None and device.clock else None
    flags = ("clock_not_set",) if device.clock and at is None else ()
    context: dict[str, str | int] = {}
    if user_index is not None and device.kind == "bp":
        context["user_index"] = user_index
    if device.kind == "temp":
        context["site"] = "armpit"
    measurement = Measurement(device.kind, _values(device.kind, vital), local, flags, context)
    return Frame(codec(device.codec).encode(measurement, model), local)


def _values(kind: str, vital: Vital | None) -> tuple[Value, ...]:
    if vital is None:
        return tuple(Value.of(code, "not-a-number", unit) for code, unit in _NOTHING[kind])
    if isinstance(vital, Pressure) and kind == "bp":
        return (
            Value.of("sys", Decimal(vital.sys), "mm[Hg]"),
            Value.of("dia", Decimal(vital.dia), "mm[Hg]"),
            Value.of("map", Decimal(vital.mean), "mm[Hg]"),
            Value.of("pulse", Decimal(vital.pulse), "/min"),
        )
    if isinstance(vital, Oximetry) and kind == "spo2":
        return (
            Value.of("spo2", Decimal(vital.spo2), "%"),
            Value.of("pulse", Decimal(vital.pulse), "/min"),
            Value.of("pi", vital.pi, "%"),
        )
    if isinstance(vital, Temperature) and kind == "temp":
        return (Value.of("temp", vital.cel, "Cel"),)
    raise ValueError(f"a device for {kind} cannot report {type(vital).__name__}")

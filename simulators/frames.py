"""What a body shows, as the bytes the device would send: true frames, by the codecs' own encoders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import profile
from simulators.baseline import Air, Body, Glucose, Oximetry, Pressure, Rhythm, Temperature
from simulators.plan import DevicePlan

Vital: TypeAlias = Pressure | Oximetry | Temperature | Glucose | Body | Rhythm | Air

# What a device says that tried and could not measure: NaN in every field.
_NOTHING = {
    "bp": (("sys", "mm[Hg]"), ("dia", "mm[Hg]"), ("map", "mm[Hg]"), ("pulse", "/min")),
    "spo2": (("spo2", "%"), ("pulse", "/min")),
    "temp": (("temp", "Cel"),),
    "glucose": (("glucose", "mol/L"),),
    "weight": (("weight", "kg"),),
    "body": (("fat", "%"),),
}
BEYOND = {"Hi": "positive-infinity", "Lo": "negative-infinity"}
# What a device on the floor measures, where its own name is another.
MEASURES = {"height_weight": "weight", "module": "weight", "json": "bp"}


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
    flags: tuple[str, ...] = ("clock_not_set",) if device.clock and at is None else ()
    context: dict[str, str | int] = {}
    if user_index is not None and device.kind == "bp":
        context["user_index"] = user_index
    if device.kind == "temp":
        context["site"] = "armpit"
    kind, anchor = MEASURES.get(device.kind, device.kind), None
    if kind == "glucose":
        context |= {"sample": "capillary-whole", "site": "finger"}
        anchor = str(int(at.timestamp()) % 65_536 if at is not None else 0)  # the meter's own count of records
        flags += {"Hi": ("result_too_high",), "Lo": ("result_too_low",)}.get(getattr(vital, "beyond", ""), ())
    if vital is None and kind in ("weight", "body"):
        flags += ("unsuccessful",)
    values = _values(kind, vital)
    if device.kind == "module" and isinstance(vital, Body):
        values = _on_module(vital)
    drawn = vital.strip if isinstance(vital, Rhythm) else None
    measurement = Measurement(kind, values, local, flags, context, anchor, strip=drawn)
    return Frame(codec(device.codec).encode(measurement, model), local)


def _values(kind: str, vital: Vital | None) -> tuple[Value, ...]:
    if vital is None:
        why = "error" if kind in ("weight", "body") else "not-a-number"  # 0xFFFF says "unsuccessful"
        return tuple(Value.of(code, why, unit) for code, unit in _NOTHING[kind])
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
    if isinstance(vital, Glucose) and kind == "glucose":
        if vital.beyond:
            return (Value.of("glucose", BEYOND[vital.beyond], "mol/L"),)
        return (Value.of("glucose", vital.mmol_l, "mmol/L"),)
    if isinstance(vital, Rhythm) and kind == "ecg":
        return (Value.of("hr", Decimal(vital.hr), "/min"),)
    if isinstance(vital, Air) and kind == "env":
        said = (("air_temp", vital.cel, "Cel"), ("humidity", Decimal(vital.humidity), "%"))
        return tuple(Value.of(*each) for each in (*said, ("co2", Decimal(vital.co2_ppm), "[ppm]")))
    if isinstance(vital, Body) and kind == "weight":
        metres = (vital.cm / 100).quantize(Decimal("0.001"))
        bmi = (vital.kg / (metres * metres)).quantize(Decimal("0.1"))
        return (
            Value.of("weight", vital.kg, "kg"),
            Value.of("bmi", bmi, "kg/m2"),
            Value.of("height", metres, "m"),
        )
    if isinstance(vital, Body) and kind == "body":
        parts = (("fat", vital.fat, "%"), ("water", vital.water, "kg"), ("impedance", vital.ohm, "Ohm"))
        return tuple(Value.of(*each) for each in (*parts, ("weight", vital.kg, "kg")))
    raise ValueError(f"a device for {kind} cannot report {type(vital).__name__}")


def _on_module(vital: Body) -> tuple[Value, ...]:
    """The serial module knows tenths of a kilogram and millimetres."""
    return (
        Value.of("weight", vital.kg.quantize(Decimal("0.1")), "kg"),
        Value.of("height", (vital.cm * 10).quantize(Decimal(1)), "mm"),
    )

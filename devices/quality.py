"""Quality: may this measurement be classified, must a person look at it, or is it no measurement at all?

    bad      do not classify, do not alert; the kiosk says 测量未成功,请再测一次
    suspect  kept and shown, never classified alone
    ok       its reasons may still hold notes, such as an irregular pulse

The profile weighs the status bits and owns the ranges; what no body can do is judged here, for all models (devices.md
7.5).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

from devices.base import Measurement
from devices.codes import KINDS
from devices.profile import Profile, Weight

Quality: TypeAlias = Literal["ok", "suspect", "bad"]

PULSE_PRESSURE_MMHG = (Decimal(10), Decimal(150))
SYS_KPA_SHAPED_MMHG = Decimal(40)  # 16 where 120 is meant: a cuff that reports kPa and says mmHg
TEMP_FAHRENHEIT_SHAPED_CEL = (Decimal(80), Decimal(110))
GLUCOSE_BODILY_MMOL_L = (Decimal("0.2"), Decimal(60))  # beyond: mg/dL, or kg/L with a slipped exponent
HEIGHT_BODILY_CM = Decimal(300)  # beyond: millimetres, or hundredths taken for metres
BMI_AGREES = Decimal("0.5")
BEYOND = {"positive-infinity", "negative-infinity"}


def judge(measurement: Measurement, profile: Profile) -> tuple[Quality, tuple[str, ...]]:
    """The quality, and every reason for it in the order found: status bits, missing values, ranges, plausibility."""
    found = _findings(measurement, profile)
    if not found:
        return "ok", ()
    weights = {weight for _, weight in found}
    quality: Quality = "bad" if "bad" in weights else "suspect" if "suspect" in weights else "ok"
    return quality, tuple(dict.fromkeys(reason for reason, _ in found))


def _findings(measurement: Measurement, profile: Profile) -> list[tuple[str, Weight]]:
    found = [(flag, profile.quality[flag]) for flag in measurement.quality_flags if flag in profile.quality]
    numbers = {value.code: value.value for value in measurement.values if value.value is not None}
    kind = KINDS.get(measurement.kind)
    # A pulse without a pressure is a failed blood pressure, so what counts is what the kind needs.
    needed = kind.needed if kind else tuple(value.code for value in measurement.values)
    present = [code for code in needed if code in numbers]
    if measurement.kind == "glucose" and _beyond(measurement):
        found.append(("beyond_range", "suspect"))  # "Hi" and "Lo": no number, and urgent all the same
    elif not present and (needed or kind is None):
        found.append(("no_value", "bad"))
    elif len(present) < len(needed):
        found.append(("missing_value", "bad"))
    for code, number in numbers.items():
        limits = profile.ranges.get(code)
        if limits is not None and not limits[0] <= number <= limits[1]:
            found.append(("out_of_range", "bad"))
    if measurement.kind == "bp":
        found += _implausible_pressure(numbers)
    elif numbers:
        found += _implausible_others(numbers)
    return found


def _beyond(measurement: Measurement) -> bool:
    value = measurement.value("glucose")
    return value is not None and value.absent_reason in BEYOND


def _implausible_others(numbers: dict[str, Decimal]) -> list[tuple[str, Weight]]:
    found: list[tuple[str, Weight]] = []
    temp, glucose, height = numbers.get("temp"), numbers.get("glucose"), numbers.get("height")
    if temp is not None and TEMP_FAHRENHEIT_SHAPED_CEL[0] <= temp <= TEMP_FAHRENHEIT_SHAPED_CEL[1]:
        found.append(("unit_doubtful", "bad"))
    if glucose is not None and not GLUCOSE_BODILY_MMOL_L[0] <= glucose <= GLUCOSE_BODILY_MMOL_L[1]:
        found.append(("unit_doubtful", "bad"))
    if height is not None and height > HEIGHT_BODILY_CM:
        found.append(("unit_doubtful", "bad"))
    weight, bmi = numbers.get("weight"), numbers.get("bmi")
    if weight and height and bmi is not None:
        metres = height / 100
        if abs(weight / (metres * metres) - bmi) > BMI_AGREES:
            found.append(("bmi_mismatch", "suspect"))
    return found


def _implausible_pressure(numbers: dict[str, Decimal]) -> list[tuple[str, Weight]]:
    found: list[tuple[str, Weight]] = []
    sys, dia, mean = numbers.get("sys"), numbers.get("dia"), numbers.get("map")
    if sys is not None and sys < SYS_KPA_SHAPED_MMHG:
        found.append(("unit_doubtful", "bad"))
    if sys is None or dia is None:
        return found
    if sys <= dia:
        found.append(("sys_not_above_dia", "bad"))
    elif not PULSE_PRESSURE_MMHG[0] <= sys - dia <= PULSE_PRESSURE_MMHG[1]:
        found.append(("pulse_pressure", "suspect"))
    if mean is not None and not dia <= mean <= sys:
        found.append(("map_outside", "suspect"))
    return found

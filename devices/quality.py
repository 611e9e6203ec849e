"""Quality: may this measurement be classified, must a person look at it, or is it no measurement at all?

    bad      do not classify, do not alert; the kiosk says 测量未成功,请再测一次
    suspect  kept and shown, never classified alone
    ok       its reasons may still hold notes, such as an irregular pulse

The profile weighs the status bits and owns the ranges; what no body can do is judged here, for all models (devices.md
7.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, TypeAlias

from devices.base import Measurement
from devices.codes import KINDS
from devices.profile import Profile, Weight

Quality: TypeAlias = Literal["ok", "suspect", "bad"]

PULSE_PRESSURE_MMHG = (Decimal(10), Decimal(150))
SYS_KPA_SHAPED_MMHG = Decimal(40)  # 16 where 120 is meant: a cuff that reports kPa and says mmHg
TEMP_FAHRENHEIT_SHAPED_CEL = (Decimal(80), Decimal(110))


def judge(measurement: Measurement, profile: Profile) -> tuple[Quality, tuple[str, ...]]:
    """The quality, and every reason for it in the order found: status bits, missing values, ranges, plausibility."""
    found = list(dict.fromkeys(_findings(measurement, profile)))
    weights = {weight for _, weight in found}
    quality: Quality = "bad" if "bad" in weights else "suspect" if "suspect" in weights else "ok"
    return quality, tuple(dict.fromkeys(reason for reason, _ in found))


def _findings(measurement: Measurement, profile: Profile) -> Iterator[tuple[str, Weight]]:
    for flag in measurement.quality_flags:
        if flag in profile.quality:
            yield flag, profile.quality[flag]
    yield from _missing(measurement)
    for value in measurement.values:
        low_high = profile.ranges.get(value.code)
        if value.value is not None and low_high and not low_high[0] <= value.value <= low_high[1]:
            yield "out_of_range", "bad"
    numbers = {value.code: value.value for value in measurement.values if value.value is not None}
    if measurement.kind == "bp":
        yield from _implausible_pressure(numbers)
    if measurement.kind == "temp" and "temp" in numbers:
        low, high = TEMP_FAHRENHEIT_SHAPED_CEL
        if low <= numbers["temp"] <= high:
            yield "unit_doubtful", "bad"


def _missing(measurement: Measurement) -> Iterator[tuple[str, Weight]]:
    """A pulse without a pressure is a failed blood pressure, so what counts is what the kind needs."""
    kind = KINDS.get(measurement.kind)
    needed = kind.needed if kind else tuple(value.code for value in measurement.values)
    present = [code for code in needed if (value := measurement.value(code)) and value.value is not None]
    if not present:
        yield "no_value", "bad"
    elif len(present) < len(needed):
        yield "missing_value", "bad"


def _implausible_pressure(numbers: dict[str, Decimal]) -> Iterator[tuple[str, Weight]]:
    sys, dia, mean = numbers.get("sys"), numbers.get("dia"), numbers.get("map")
    if sys is not None and sys < SYS_KPA_SHAPED_MMHG:
        yield "unit_doubtful", "bad"
    if sys is None or dia is None:
        return
    if sys <= dia:
        yield "sys_not_above_dia", "bad"
    elif not PULSE_PRESSURE_MMHG[0] <= sys - dia <= PULSE_PRESSURE_MMHG[1]:
        yield "pulse_pressure", "suspect"
    if mean is not None and not dia <= mean <= sys:
        yield "map_outside", "suspect"

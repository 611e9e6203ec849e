"""Units: from what the device says to what we store (UCUM), exactly, in Decimal. A table of a dozen beats a library.

The device's own value is never thrown away: `canonical` answers the stored values and, beside them, those it converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from devices.base import Value
from devices.codes import CODES
from devices.profile import Profile

# Our own context: a caller's decimal settings must not change a blood pressure. 40 digits hold every FLOAT we meet,
# and half rounds up, as people do it by hand.
_CONTEXT = Context(prec=40, rounding=ROUND_HALF_UP)
_ROUNDABLE_DIGITS_MAX = 20  # beyond it the number is nonsense, kept as it came for the range check to refuse


@dataclass(frozen=True, slots=True)
class Unit:
    zh: str
    en: str


UNITS: Mapping[str, Unit] = {
    "mm[Hg]": Unit("毫米汞柱", "mmHg"),
    "kPa": Unit("千帕", "kPa"),
    "/min": Unit("次/分", "/min"),
    "%": Unit("%", "%"),
    "Cel": Unit("℃", "°C"),
    "[degF]": Unit("华氏度", "°F"),
    "mmol/L": Unit("毫摩尔/升", "mmol/L"),
    "mol/L": Unit("摩尔/升", "mol/L"),
    "umol/L": Unit("微摩尔/升", "µmol/L"),
    "mg/dL": Unit("毫克/分升", "mg/dL"),
    "kg/L": Unit("千克/升", "kg/L"),
    "kg": Unit("公斤", "kg"),
    "g": Unit("克", "g"),
    "[lb_av]": Unit("磅", "lb"),
    "cm": Unit("厘米", "cm"),
    "m": Unit("米", "m"),
    "mm": Unit("毫米", "mm"),
    "[in_i]": Unit("英寸", "in"),
    "kg/m2": Unit("公斤/平方米", "kg/m²"),
    "mg": Unit("毫克", "mg"),
    "mL": Unit("毫升", "mL"),
    "L": Unit("升", "L"),
    "kJ": Unit("千焦", "kJ"),
    "Ohm": Unit("欧姆", "Ω"),
    "s": Unit("秒", "s"),
    "ms": Unit("毫秒", "ms"),
    "Pa": Unit("帕", "Pa"),
    "hPa": Unit("百帕", "hPa"),
    "[ppm]": Unit("ppm", "ppm"),
    "lx": Unit("勒克斯", "lx"),
    "uV": Unit("微伏", "µV"),
}


@dataclass(frozen=True, slots=True)
class _Rule:
    """target = (value - offset) x times / by; division last, so that no factor is rounded before its use."""

    times: Decimal = Decimal(1)
    by: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)


_RULES: Mapping[tuple[str, str], _Rule] = {
    ("kPa", "mm[Hg]"): _Rule(by=Decimal("0.133322387415")),
    ("[degF]", "Cel"): _Rule(times=Decimal(5), by=Decimal(9), offset=Decimal(32)),
    ("mol/L", "mmol/L"): _Rule(times=Decimal(1000)),
    ("mol/L", "umol/L"): _Rule(times=Decimal(1_000_000)),
    ("mmol/L", "umol/L"): _Rule(times=Decimal(1000)),
    ("[lb_av]", "kg"): _Rule(times=Decimal("0.45359237")),
    ("g", "kg"): _Rule(by=Decimal(1000)),
    ("kg", "g"): _Rule(times=Decimal(1000)),
    ("kg", "mg"): _Rule(times=Decimal(1_000_000)),
    ("L", "mL"): _Rule(times=Decimal(1000)),
    ("s", "ms"): _Rule(times=Decimal(1000)),
    ("Pa", "hPa"): _Rule(by=Decimal(100)),
    ("kPa", "hPa"): _Rule(times=Decimal(10)),
    ("m", "cm"): _Rule(times=Decimal(100)),
    ("mm", "cm"): _Rule(by=Decimal(10)),
    ("[in_i]", "cm"): _Rule(times=Decimal("2.54")),
}

# Mass to amount of substance depends on the substance: mg/dL for one mmol/L.
_MG_PER_DL: Mapping[str, Decimal] = {
    "glucose": Decimal("18.0156"),
    "control": Decimal("18.0156"),
    "cholesterol": Decimal("38.6654"),
}


def convertible(code: str, unit: str) -> bool:
    """Is there a way from this unit to the one we store for this code?"""
    return unit == CODES[code].unit or _rule(code, unit) is not None


def converted(code: str, value: Decimal, unit: str, resolution: Decimal | None = None) -> Decimal:
    """The value in the unit we store for this code, rounded to the resolution of the profile or the code."""
    target = CODES[code].unit
    if unit == target:
        return value
    rule = _rule(code, unit)
    if rule is None:
        raise ValueError(f"no way from {unit} to {target} for {code}")
    shifted = _CONTEXT.subtract(value, rule.offset)
    exact = _CONTEXT.divide(_CONTEXT.multiply(shifted, rule.times), rule.by)
    return _rounded(exact, resolution or CODES[code].resolution)


def canonical(said: Iterable[Value], profile: Profile) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """(values in our units, the values as the device said them where the unit differs).

    The profile's `unit_override` wins over the frame: some devices set the wrong unit bit.
    """
    values: list[Value] = []
    orig: list[Value] = []
    overridden = profile.unit_override
    for value in said:
        if not overridden and value.unit == CODES[value.code].unit:  # nearly every device, nearly always
            values.append(value)
            continue
        unit = profile.unit_override.get(value.code, value.unit)
        target = CODES[value.code].unit
        own = value if unit == value.unit else Value(value.code, value.value, unit, value.absent_reason)
        if unit == target:
            values.append(own)
            continue
        orig.append(own)
        number = None
        if own.value is not None:
            number = converted(own.code, own.value, unit, profile.resolution.get(own.code))
        values.append(Value(own.code, number, target, own.absent_reason))
    return tuple(values), tuple(orig)


def _rule(code: str, unit: str) -> _Rule | None:
    target = CODES[code].unit
    if target == "mmol/L" and code in _MG_PER_DL:
        if unit == "mg/dL":
            return _Rule(by=_MG_PER_DL[code])
        if unit == "kg/L":
            return _Rule(times=Decimal(100_000), by=_MG_PER_DL[code])
    return _RULES.get((unit, target))


def _rounded(value: Decimal, resolution: Decimal) -> Decimal:
    """To a multiple of the resolution, 0.05 as well as 0.1."""
    if value.adjusted() > _ROUNDABLE_DIGITS_MAX:
        return value
    steps = _CONTEXT.to_integral_value(_CONTEXT.divide(value, resolution))
    rounded = _CONTEXT.quantize(_CONTEXT.multiply(steps, resolution), resolution)
    return rounded if rounded else abs(rounded)  # no resident is shown -0.0

"""Glucose Measurement Context, GATT 0x2A34: what was eaten, done and taken around a glucose value.

    flags u8 | record number u16 | extended flags u8 | carbohydrate id u8, SFLOAT kg | meal u8 | tester and health u8 |
    exercise s u16, % u8 | medication id u8, SFLOAT | HbA1c SFLOAT

It belongs to the 2A18 record of the same number; sig_2a18.py reads both as one where they arrive as one. Alone it is
kept under its record number, tied to nobody. Health and medication by kind are named in the frame and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import EncodeError, Example, Measurement, Value
from devices.fields import Field, Told
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a34", 1, "meal"
FLAGS: tuple[str, ...] = ()

_CARBS, _MEAL, _TESTER, _EXERCISE, _MEDICATION, _LITRES, _HBA1C, _EXTENDED = (1 << bit for bit in range(8))
_OVERRUN = 0xFFFF

_MEALS: Mapping[int, tuple[str, Told]] = {
    1: ("before", Told("餐前", "before a meal")),
    2: ("after", Told("餐后", "after a meal")),
    3: ("fasting", Told("空腹", "fasting")),
    4: ("casual", Told("随机", "casual")),
    5: ("bedtime", Told("睡前", "bedtime")),
}
_TESTERS: Mapping[int, tuple[str, Told]] = {
    1: ("self", Told("本人", "self")),
    2: ("professional", Told("医务人员", "health professional")),
    3: ("laboratory", Told("检验科", "laboratory")),
}
_CARBS_OF = {
    1: Told("早餐", "breakfast"),
    2: Told("午餐", "lunch"),
    3: Told("晚餐", "dinner"),
    4: Told("加餐", "snack"),
    5: Told("饮料", "drink"),
    6: Told("夜宵", "supper"),
    7: Told("早午餐", "brunch"),
}
_MEDICATIONS = {
    1: Told("速效胰岛素", "rapid-acting insulin"),
    2: Told("短效胰岛素", "short-acting insulin"),
    3: Told("中效胰岛素", "intermediate-acting insulin"),
    4: Told("长效胰岛素", "long-acting insulin"),
    5: Told("预混胰岛素", "pre-mixed insulin"),
}


def _tester_told(raw: int, _flags: int) -> Told:
    tester = _TESTERS.get(raw & 15)
    who = tester[1] if tester else Told("测试者未注明", "tester not named")
    return Told(f"{who.zh}；健康状况代码 {raw >> 4}", f"{who.en}; health code {raw >> 4}")


LAYOUT = Layout(
    "GSS Glucose Measurement Context 0x2A34",
    (
        Part("number", "u16", role="layout", title=Told("记录号", "Record number")),
        Part("extended", "u8", bit=_EXTENDED, role="layout", title=Told("扩展标志", "Extended flags")),
        Part("carbs_id", "u8", bit=_CARBS, role="context", title=Told("餐次", "Carbohydrate"), choices=_CARBS_OF),
        Part("carbs", "sfloat", Quantity("carbs", "kg"), bit=_CARBS),
        Part(
            "meal",
            "u8",
            bit=_MEAL,
            role="context",
            title=Told("进餐情况", "Meal"),
            choices={number: told for number, (_name, told) in _MEALS.items()},
        ),
        Part("tester", "u8", bit=_TESTER, role="context", title=Told("测试者", "Tester"), tell=_tester_told),
        Part("exercise", "u16", Quantity("exercise", "s", absent={_OVERRUN: "positive-infinity"}), bit=_EXERCISE),
        Part("exertion", "u8", Quantity("exertion", "%"), bit=_EXERCISE),
        Part("medication_id", "u8", bit=_MEDICATION, role="context", title=Told("药物", "Drug"), choices=_MEDICATIONS),
        Part("medication", "sfloat", Quantity("medication", "kg", other=(_LITRES, "L", None)), bit=_MEDICATION),
        Part("hba1c", "sfloat", Quantity("hba1c", "%"), bit=_HBA1C),
    ),
    named={_LITRES: Told("以升计", "in litres")},
)
_MEAL_NUMBER = {name: number for number, (name, _told) in _MEALS.items()}
_TESTER_NUMBER = {name: number for number, (name, _told) in _TESTERS.items()}
CODES = ("carbs", "exercise", "exertion", "medication", "medication_volume", "hba1c")


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = LAYOUT.read(payload)
    values, orig = canonical(values_of(found), profile)
    return [Measurement(KIND, values, None, (), context_of(found), str(found["number"]), orig)]


def values_of(found: Mapping[str, Any]) -> list[Value]:
    """A drug by volume has another code than one by mass: the two cannot be converted into one another."""
    litres = found["flags"] & _LITRES
    return [
        Value("medication_volume", value.value, value.unit, value.absent_reason)
        if litres and value.code == "medication"
        else value
        for value in LAYOUT.values(found)
    ]


def context_of(found: Mapping[str, Any]) -> dict[str, str | int]:
    context: dict[str, str | int] = {}
    if meal := _MEALS.get(found.get("meal", 0)):
        context["meal"] = meal[0]
    if tester := _TESTERS.get(found.get("tester", 0) & 15):
        context["tester"] = tester[0]
    return context


def encode(measurement: Measurement, profile: Profile) -> bytes:
    if measurement.anchor is None:
        raise EncodeError("a glucose context needs the number of its record")
    return written(measurement, int(measurement.anchor))


def written(measurement: Measurement, number: int) -> bytes:
    said: dict[str, Any] = {"number": number}
    flags = 0
    for code in CODES:
        value = measurement.said(code)
        if value is None:
            continue
        if code == "medication_volume":
            flags |= _LITRES
            code, value = "medication", Value("medication", value.value, value.unit, value.absent_reason)
        said[code] = LAYOUT.raw(code, value, flags)
        said |= {"carbs": {"carbs_id": 0}, "medication": {"medication_id": 0}}.get(code, {})
    if (meal := measurement.context.get("meal")) is not None:
        said["meal"] = _MEAL_NUMBER[str(meal)]
    if (tester := measurement.context.get("tester")) is not None:
        said["tester"] = _TESTER_NUMBER[str(tester)]
    return LAYOUT.write(said, flags)


EXAMPLES = [
    Example(
        bytes.fromhex("02290003"),
        (Measurement(KIND, (), None, (), {"meal": "fasting"}, "41"),),
        "fasting",
    ),
    Example(
        bytes.fromhex("0f2a000132d0021108073c"),
        (
            Measurement(
                KIND,
                (
                    Value.of("carbs", Decimal(50), "g"),
                    Value.of("exercise", Decimal(1800), "s"),
                    Value.of("exertion", Decimal(60), "%"),
                ),
                None,
                (),
                {"meal": "after", "tester": "self"},
                "42",
                (Value.of("carbs", Decimal("0.050"), "kg"),),
            ),
        ),
        "after breakfast (50 g), half an hour's walk",
    ),
    Example(
        bytes.fromhex("702b00010ab0" + "45f0"),
        (
            Measurement(
                KIND,
                (Value.of("medication_volume", Decimal("0.1"), "mL"), Value.of("hba1c", Decimal("6.9"), "%")),
                None,
                (),
                {},
                "43",
                (Value.of("medication_volume", Decimal("0.00010"), "L"),),
            ),
        ),
        "rapid-acting insulin by volume, HbA1c 6.9 %",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("0229"),
    bytes.fromhex("022900"),  # a meal announced and not sent
    bytes.fromhex("0229000300"),  # one byte too many
]

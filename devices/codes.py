"""Codes: our short names for what is measured, and what the world calls them (MDC, LOINC, UCUM, 中文, English).

MDC is the 32-bit code of `urn:iso:std:iso:11073:10101` (partition x 65536 + term). A cuff's pulse and an oximeter's
pulse are one thing to a resident and two to MDC, hence `mdc_in`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Code:
    name: str
    zh: str
    en: str
    unit: str  # UCUM; every stored value of this code has it
    resolution: Decimal  # what a converted value is rounded to, unless the profile says otherwise
    mdc: int | None = None
    loinc: str | None = None
    loinc_more: tuple[str, ...] = ()
    mdc_in: Mapping[str, int] = field(default_factory=dict, hash=False)  # kind -> MDC, where the kind matters


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of measurement. Without every one of `needed` it says nothing that could be classified. What is not
    `of_person` (a room's air, a battery, a control solution) is never tied to a resident."""

    name: str
    zh: str
    en: str
    needed: tuple[str, ...]
    mdc: int | None = None
    loinc: str | None = None
    of_person: bool = True


_ONE, _TENTH, _HUNDREDTH = Decimal("1"), Decimal("0.1"), Decimal("0.01")

CODES: Mapping[str, Code] = {
    code.name: code
    for code in (
        Code("sys", "高压", "Systolic pressure", "mm[Hg]", _ONE, 150021, "8480-6"),
        Code("dia", "低压", "Diastolic pressure", "mm[Hg]", _ONE, 150022, "8462-4"),
        Code("map", "平均压", "Mean pressure", "mm[Hg]", _ONE, 150023, "8478-0"),
        Code("pulse", "心率", "Pulse", "/min", _ONE, 149530, "8867-4", mdc_in={"bp": 149546, "spo2": 149530}),
        Code("hr", "心率", "Heart rate", "/min", _ONE, 147842, "8867-4"),
        Code("spo2", "血氧", "Oxygen saturation", "%", _ONE, 150456, "2708-6", ("59408-5",)),
        Code("pi", "灌注指数", "Perfusion index", "%", _TENTH, 150488, "61006-3"),
        Code("temp", "体温", "Body temperature", "Cel", _TENTH, 150364, "8310-5"),
        Code("glucose", "血糖", "Glucose", "mmol/L", _HUNDREDTH, 160184, "14743-9"),
        Code("uric_acid", "尿酸", "Uric acid", "umol/L", _ONE, None, "14933-6"),
        Code("cholesterol", "总胆固醇", "Cholesterol", "mmol/L", _HUNDREDTH, None, "14647-2"),
        Code("weight", "体重", "Weight", "kg", _HUNDREDTH, 188736, "29463-7"),
        Code("height", "身高", "Height", "cm", _TENTH, 188740, "8302-2"),
        Code("bmi", "体重指数", "Body mass index", "kg/m2", _TENTH, 188752, "39156-5"),
        Code("fat", "体脂率", "Body fat", "%", _TENTH, 188748, "41982-0"),
        Code("water", "体内水分", "Body water", "kg", _TENTH, 188764),
        Code("fat_free", "去脂体重", "Fat-free mass", "kg", _TENTH, 188756),
        Code("soft_lean", "软组织瘦重", "Soft lean mass", "kg", _TENTH, 188760),
        Code("muscle", "肌肉量", "Muscle mass", "kg", _TENTH),
        Code("muscle_share", "肌肉率", "Muscle share", "%", _TENTH),
        Code("basal", "基础代谢", "Basal metabolism", "kJ", _ONE),
        Code("impedance", "生物电阻抗", "Impedance", "Ohm", _TENTH),
        Code("cuff", "袖带压力", "Cuff pressure", "mm[Hg]", _ONE),
        Code("control", "质控液血糖", "Control solution", "mmol/L", _HUNDREDTH, 160208),
        Code("rr", "RR 间期", "RR interval", "ms", _ONE),
        Code("energy", "消耗能量", "Energy spent", "kJ", _ONE),
        Code("carbs", "碳水化合物", "Carbohydrate", "g", _ONE),
        Code("medication", "用药量", "Medication", "mg", _ONE),
        Code("medication_volume", "用药体积", "Medication by volume", "mL", _TENTH),
        Code("hba1c", "糖化血红蛋白", "HbA1c", "%", _TENTH, None, "4548-4"),
        Code("exercise", "运动时长", "Time of exercise", "s", _ONE),
        Code("exertion", "运动强度", "Exertion", "%", _ONE),
        Code("battery", "电池电量", "Battery", "%", _ONE),
        Code("air_temp", "环境温度", "Air temperature", "Cel", _TENTH),
        Code("humidity", "相对湿度", "Relative humidity", "%", _TENTH),
        Code("air_pressure", "气压", "Air pressure", "hPa", _TENTH),
        Code("co2", "二氧化碳", "Carbon dioxide", "[ppm]", _ONE),
        Code("light", "照度", "Illuminance", "lx", _ONE),
    )
}

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("bp", "血压", "Blood pressure", ("sys", "dia"), 150020, "85354-9"),
        Kind("spo2", "血氧", "Oxygen saturation", ("spo2",)),
        Kind("temp", "体温", "Body temperature", ("temp",)),
        Kind("glucose", "血糖", "Glucose", ("glucose",)),
        Kind("weight", "体重", "Weight", ("weight",)),
        Kind("height", "身高", "Height", ("height",)),
        Kind("body", "体成分", "Body composition", ("fat",)),
        Kind("hr", "心率", "Heart rate", ("hr",)),
        Kind("ecg", "心电图", "Electrocardiogram", (), 131329, "11524-6"),
        Kind("meal", "血糖背景", "Glucose context", (), of_person=False),
        Kind("control", "血糖质控", "Glucose control", ("control",), of_person=False),
        Kind("cuff", "袖带压力", "Cuff pressure", ("cuff",), of_person=False),
        Kind("env", "环境", "Environment", (), of_person=False),
        Kind("battery", "电池", "Battery", ("battery",), of_person=False),
        Kind("info", "设备信息", "Device information", (), of_person=False),
    )
}


def mdc(code: str, kind: str) -> int | None:
    """The MDC code of a value within a measurement of this kind."""
    found = CODES[code]
    return found.mdc_in.get(kind, found.mdc)


def of_person(kind: str) -> bool:
    """Whether a measurement of this kind may ever belong to a resident."""
    return kind not in KINDS or KINDS[kind].of_person

"""Glucose Measurement, GATT 0x2A18: meters with a memory, each record with its number.

    flags u8 | number u16 | base time 7 | offset i16 min | concentration SFLOAT, type and place u8 | status u16

Flag bits: 0 offset, 1 concentration, 2 mol/L instead of kg/L, 3 status, 4 a context (2A34) follows. Where the context
arrives in the same payload, behind the record, both are one reading; devices/merge.py puts them so.
"Hi" and "Lo" are no numbers: whatever stands in the field, the value is absent and beyond the range. A control solution
is a measurement of the meter (kind `control`), never of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DecodeError, DeviceTime, EncodeError, Example, Measurement, Value
from devices.codecs import sig_2a34
from devices.fields import Field, Told, covering, unread
from devices.frame import YEAR_MIN, bits_of, names_of
from devices.layout import TIME_TITLE, Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a18", 1, "glucose"
CONTROL = "control"

_OFFSET, _CONCENTRATION, _MOLES, _STATUS, _CONTEXT = (1 << bit for bit in range(5))
_CONTROL_TYPE = 10
_OVERRUN = (0x7FFF, -0x8000)
_STATUS_BITS = (
    (0, "battery_low"),
    (1, "meter_fault"),
    (2, "sample_small"),
    (3, "strip_insertion"),
    (4, "strip_type"),
    (5, "result_too_high"),
    (6, "result_too_low"),
    (7, "temperature_high"),
    (8, "temperature_low"),
    (9, "interrupted"),
    (10, "general_fault"),
    (11, "time_fault"),
)
FLAGS = (*(name for _, name in _STATUS_BITS), "clock_not_set", "part_missing")

_TYPES: Mapping[int, tuple[str, Told]] = {
    1: ("capillary-whole", Told("毛细血管全血", "capillary whole blood")),
    2: ("capillary-plasma", Told("毛细血管血浆", "capillary plasma")),
    3: ("venous-whole", Told("静脉全血", "venous whole blood")),
    4: ("venous-plasma", Told("静脉血浆", "venous plasma")),
    5: ("arterial-whole", Told("动脉全血", "arterial whole blood")),
    6: ("arterial-plasma", Told("动脉血浆", "arterial plasma")),
    7: ("whole", Told("全血", "whole blood")),
    8: ("plasma", Told("血浆", "plasma")),
    9: ("interstitial", Told("组织间液", "interstitial fluid")),
    _CONTROL_TYPE: ("control", Told("质控液", "control solution")),
}
_PLACES: Mapping[int, tuple[str, Told]] = {
    1: ("finger", Told("手指", "finger")),
    2: ("other-site", Told("其他部位", "another site")),
    3: ("earlobe", Told("耳垂", "earlobe")),
    4: ("control", Told("质控液", "control solution")),
}
_TYPE_NUMBER = {name: number for number, (name, _told) in _TYPES.items()}
_PLACE_NUMBER = {name: number for number, (name, _told) in _PLACES.items()}


def _sample_told(raw: int, _flags: int) -> Told:
    unknown = ("", Told("未注明", "not named"))
    fluid, place = _TYPES.get(raw & 15, unknown)[1], _PLACES.get(raw >> 4, unknown)[1]
    return Told(f"{fluid.zh}，{place.zh}", f"{fluid.en}, {place.en}")


def _offset_told(raw: int, _flags: int) -> Told:
    return Told(f"{raw} 分钟", f"{raw} min") if raw not in _OVERRUN else Told("超限", "overrun")


_LAYOUT = Layout(
    "GSS Glucose Measurement 0x2A18",
    (
        Part("number", "u16", role="layout", title=Told("记录号", "Record number")),
        Part("time", "time", role="time", title=TIME_TITLE),
        Part("offset", "i16", bit=_OFFSET, role="time", title=Told("时间偏移", "Time offset"), tell=_offset_told),
        Part("glucose", "sfloat", Quantity("glucose", "kg/L", other=(_MOLES, "mol/L", None)), bit=_CONCENTRATION),
        Part(
            "sample",
            "u8",
            bit=_CONCENTRATION,
            role="context",
            title=Told("样本", "Sample"),
            tell=_sample_told,
        ),
        Part(
            "status",
            "u16",
            bit=_STATUS,
            role="context",
            title=Told("传感器状态", "Sensor status"),
            flags=lambda raw: names_of(raw, _STATUS_BITS),
        ),
    ),
    named={_MOLES: Told("摩尔浓度", "mol/L"), _CONTEXT: Told("另有背景记录", "a context follows")},
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    found, end = _LAYOUT.named_fields(payload, profile)
    if end < len(payload) and announces_context(payload):
        more, end = sig_2a34.LAYOUT.named_fields(payload, profile, end)
        found += more
    if end < len(payload):
        found.append(unread(end, len(payload)))
    return covering(found, len(payload))


def announces_context(payload: bytes) -> bool:
    return bool(payload) and bool(payload[0] & _CONTEXT)


def is_first_of_two(payload: bytes) -> bool:
    """Whether this record announces a context that is not in the payload yet."""
    try:
        _found, extra = _LAYOUT.take(payload)
    except DecodeError:
        return False
    return announces_context(payload) and not extra


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found, extra = _LAYOUT.take(payload)
    follows = bool(found["flags"] & _CONTEXT)
    if extra and not follows:
        raise DecodeError("trailing-bytes", extra=len(extra))
    more = sig_2a34.LAYOUT.read(extra) if extra else None
    if more is not None and more["number"] != found["number"]:
        raise DecodeError("other-record", first=str(found["number"]), second=str(more["number"]))

    sample = found.get("sample", 0)
    control = sample & 15 == _CONTROL_TYPE or sample >> 4 == _PLACE_NUMBER[CONTROL]
    kind = CONTROL if control else KIND
    at = _taken(found["time"], found.get("offset", 0))
    flags = names_of(found.get("status", 0), _STATUS_BITS)
    said = [_glucose(found, flags, kind), *(sig_2a34.values_of(more) if more else ())]
    flags += ("clock_not_set",) if at is None else ()
    flags += ("part_missing",) if follows and more is None else ()
    values, orig = canonical(said, profile)
    context = _sample_context(sample) | (sig_2a34.context_of(more) if more else {})
    return [Measurement(kind, values, at, flags, context, str(found["number"]), orig)]


def _glucose(found: Mapping[str, Any], flags: tuple[str, ...], code: str) -> Value:
    unit = "mol/L" if found["flags"] & _MOLES else "kg/L"
    if "result_too_high" in flags:
        return Value.of(code, "positive-infinity", unit)
    if "result_too_low" in flags:
        return Value.of(code, "negative-infinity", unit)
    if "glucose" not in found:
        return Value.of(code, "not-a-number", unit)
    value = _LAYOUT.value(found, "glucose")
    return value if code == KIND else Value(code, value.value, value.unit, value.absent_reason)


def _taken(base: DeviceTime | None, offset: int) -> DeviceTime | None:
    if base is None or offset in _OVERRUN:
        return None
    try:
        at = base + timedelta(minutes=offset)
    except OverflowError:
        return None
    return at if at.year >= YEAR_MIN else None


def _sample_context(sample: int) -> dict[str, str | int]:
    context: dict[str, str | int] = {}
    if fluid := _TYPES.get(sample & 15):
        context["sample"] = fluid[0]
    if place := _PLACES.get(sample >> 4):
        context["site"] = place[0]
    return context


def encode(measurement: Measurement, profile: Profile) -> bytes:
    if measurement.anchor is None:
        raise EncodeError("a meter's record needs its number")
    value = measurement.said(measurement.kind)
    if value is None:
        raise EncodeError("a meter's record needs a value, or the reason why there is none")
    number, moles = int(measurement.anchor), value.unit in ("mol/L", "mmol/L")
    flags = _MOLES if moles else 0
    status = bits_of(measurement.quality_flags, _STATUS_BITS)
    sample = _TYPE_NUMBER.get(str(measurement.context.get("sample")), 0)
    sample |= _PLACE_NUMBER.get(str(measurement.context.get("site")), 0) << 4
    said: dict[str, Any] = {"number": number, "time": measurement.at}
    said["glucose"] = _LAYOUT.raw("glucose", _as_sent(value), flags)
    said["sample"] = sample
    if status:
        said["status"] = status
    context = _has_context(measurement)
    follows = context or "part_missing" in measurement.quality_flags
    frame = _LAYOUT.write(said, flags | (_CONTEXT if follows else 0))
    return frame + (sig_2a34.written(measurement, number) if context else b"")


def _has_context(measurement: Measurement) -> bool:
    return bool(measurement.context.keys() & {"meal", "tester"}) or len(measurement.values) > 1


def _as_sent(value: Value) -> Value:
    """A simulator thinks in mmol/L, the wire has mol/L."""
    if value.unit == "mmol/L" and value.value is not None:
        return Value("glucose", value.value.scaleb(-3), "mol/L")
    return Value("glucose", value.value, value.unit, value.absent_reason)


def _half(at: datetime, context: dict[str, str | int], number: str) -> Measurement:
    """5.50 mmol/L."""
    said = Value.of("glucose", Decimal("0.0055"), "mol/L")
    return Measurement(KIND, (Value.of("glucose", Decimal("5.50"), "mmol/L"),), at, (), context, number, (said,))


_TAKEN = datetime(2026, 3, 15, 8, 30, 5)  # noqa: DTZ001
_FINGER: dict[str, str | int] = {"sample": "capillary-whole", "site": "finger"}

EXAMPLES = [
    Example(
        bytes.fromhex("062900ea07030f081e0537c011"),
        (_half(_TAKEN, _FINGER, "41"),),
        "record 41: 0.0055 mol/L from a fingertip",
    ),
    Example(
        bytes.fromhex("022a00ea07030f081e0578b011"),
        (
            Measurement(
                KIND,
                (Value.of("glucose", Decimal("6.66"), "mmol/L"),),
                _TAKEN,
                (),
                _FINGER,
                "42",
                (Value.of("glucose", Decimal("0.00120"), "kg/L"),),
            ),
        ),
        "0.00120 kg/L, that is 120 mg/dL",
    ),
    Example(
        bytes.fromhex("172b00ea07030f081e05c4ff37c011" + "022b0001"),
        (_half(datetime(2026, 3, 15, 7, 30, 5), {**_FINGER, "meal": "before"}, "43"),),  # noqa: DTZ001
        "the clock was set back an hour; with its context: before a meal",
    ),
    Example(
        bytes.fromhex("0e2c00ea07030f081e05ff07112000"),
        (
            Measurement(
                KIND,
                (Value.of("glucose", "positive-infinity", "mmol/L"),),
                _TAKEN,
                ("result_too_high",),
                _FINGER,
                "44",
                (Value.of("glucose", "positive-infinity", "mol/L"),),
            ),
        ),
        'the meter shows "Hi"',
    ),
    Example(
        bytes.fromhex("062d00ea07030f081e0537c04a"),
        (
            Measurement(
                CONTROL,
                (Value.of("control", Decimal("5.50"), "mmol/L"),),
                _TAKEN,
                (),
                {"sample": "control", "site": "control"},
                "45",
                (Value.of("control", Decimal("0.0055"), "mol/L"),),
            ),
        ),
        "the control solution of the morning: nobody's value",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("0629"),
    bytes.fromhex("062900ea07030f081e0537c0"),  # a concentration without its sample
    bytes.fromhex("062900ea07030f081e0537c01100"),  # one byte too many
    bytes.fromhex("062900ea07021e08000037c011"),  # 30 February
    bytes.fromhex("162900ea07030f081e0537c011" + "022a0001"),  # the context of another record
]

"""Blood Pressure Measurement, GATT 0x2A35: what nearly every Bluetooth cuff sends.

    flags u8 | sys dia map SFLOAT | time 7 | pulse SFLOAT | user u8 | status u16    (flag bits 0-4: unit, then fields)

A cuff that gave up sends NaN in every field and often sets no status bit at all: a failed measurement, not a bad frame.
Reserved flag bits are ignored, as the Bluetooth core specification asks; one that brings a new field shows itself as
trailing bytes and is refused.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import EncodeError, Example, Measurement, Value
from devices.fields import Field, Told
from devices.frame import bits_of, date_time, names_of, sfloat_value
from devices.layout import Layout, Part, Quantity, time_part
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a35", 1, "bp"

_KPA, _TIME, _PULSE, _USER, _STATUS = (1 << bit for bit in range(5))
USER_UNKNOWN = 255
_STATUS_BITS = ((0, "movement"), (1, "cuff_loose"), (2, "irregular_pulse"), (5, "position"))
_PULSE_RANGE_SHIFT = 3
_PULSE_RANGE = {1: "pulse_above_range", 2: "pulse_below_range"}  # 0 is within, 3 reserved

FLAGS = (*(name for _, name in _STATUS_BITS), *_PULSE_RANGE.values(), "clock_not_set")


def status_names(status: int) -> tuple[str, ...]:
    names = names_of(status, _STATUS_BITS)
    pulse_range = _PULSE_RANGE.get(status >> _PULSE_RANGE_SHIFT & 3)
    return (*names, pulse_range) if pulse_range else names


def status_bits(flags: tuple[str, ...]) -> int:
    status = bits_of(flags, _STATUS_BITS)
    for number, name in _PULSE_RANGE.items():
        if name in flags:
            status |= number << _PULSE_RANGE_SHIFT
    return status


def _user(raw: int, _flags: int) -> Told:
    return Told("未知", "unknown") if raw == USER_UNKNOWN else Told(f"用户 {raw}", f"user {raw}")


def pressure(code: str) -> Part:
    return Part(code, "sfloat", Quantity(code, "mm[Hg]", other=(_KPA, "kPa", None)))


TAIL = (
    time_part(_TIME),
    Part("pulse", "sfloat", Quantity("pulse", "/min"), bit=_PULSE),
    Part("user", "u8", bit=_USER, role="context", title=Told("用户编号", "User"), tell=_user),
    # Of the body as much as of the cuff (an irregular pulse), so it is covered like the values.
    Part("status", "u16", bit=_STATUS, role="context", title=Told("测量状态", "Status"), flags=status_names),
)
_LAYOUT = Layout(
    "GSS Blood Pressure Measurement 0x2A35",
    (pressure("sys"), pressure("dia"), pressure("map"), *TAIL),
    named={_KPA: Told("千帕", "kPa")},
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    items = _LAYOUT.unpack(payload)  # flat: this is the frame that a hub reads most
    flags, place = items[0], 4
    unit = "kPa" if flags & _KPA else "mm[Hg]"
    said = [
        sfloat_value("sys", items[1], unit),
        sfloat_value("dia", items[2], unit),
        sfloat_value("map", items[3], unit),
    ]
    at, user, status = None, USER_UNKNOWN, 0
    if flags & _TIME:
        at, place = date_time(*items[place : place + 6]), place + 6
    if flags & _PULSE:
        said.append(sfloat_value("pulse", items[place], "/min"))
        place += 1
    if flags & _USER:
        user, place = items[place], place + 1
    if flags & _STATUS:
        status = items[place]

    quality_flags = status_names(status) if status else ()
    if flags & _TIME and at is None:
        quality_flags += ("clock_not_set",)
    values, orig = canonical(said, profile)
    context = {} if user == USER_UNKNOWN else {"user_index": user}
    return [Measurement(KIND, values, at, quality_flags, context, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    pressures = {code: measurement.said(code) for code in ("sys", "dia", "map")}
    flags = _KPA if any(value is not None and value.unit == "kPa" for value in pressures.values()) else 0
    # The three pressures have no flag: absent is NaN.
    said = {code: _LAYOUT.raw(code, value, flags) for code, value in pressures.items()}
    return _LAYOUT.write(said | tail(measurement, _LAYOUT), flags)


def tail(measurement: Measurement, layout: Layout) -> dict[str, Any]:
    """What stands behind the pressures of a cuff's frames."""
    clock_not_set = "clock_not_set" in measurement.quality_flags
    if clock_not_set and measurement.at is not None:
        raise EncodeError("a cuff says that its clock is not set by sending no date")
    said: dict[str, Any] = {}
    if measurement.at is not None or clock_not_set:
        said["time"] = measurement.at
    if pulse := measurement.said("pulse"):
        said["pulse"] = layout.raw("pulse", pulse)
    if (user := measurement.context.get("user_index")) is not None:
        said["user"] = int(user)
    if status := status_bits(measurement.quality_flags):
        said["status"] = status
    return said


def _mmhg(sys: str, dia: str, mean: str | None, pulse: str | None = None) -> tuple[Value, ...]:
    values = [Value.of(code, Decimal(number), "mm[Hg]") for code, number in (("sys", sys), ("dia", dia))]
    values.append(Value.of("map", Decimal(mean) if mean else "not-a-number", "mm[Hg]"))
    return (*values, Value.of("pulse", Decimal(pulse), "/min")) if pulse else tuple(values)


_NOTHING = tuple(
    Value.of(code, "not-a-number", unit)
    for code, unit in (("sys", "mm[Hg]"), ("dia", "mm[Hg]"), ("map", "mm[Hg]"), ("pulse", "/min"))
)

EXAMPLES = [
    Example(
        bytes.fromhex("16ff07ff07ff07e80706170e230aff070000"),
        (Measurement(KIND, _NOTHING, datetime(2024, 6, 23, 14, 35, 10)),),  # noqa: DTZ001
        "captured: the patient moved, or the cuff was too loose; no status bit is set",
    ),
    Example(
        bytes.fromhex("008a005800ff07"),
        (Measurement(KIND, _mmhg("138", "88", None)),),
        "the shortest frame: 138/88 mmHg, no mean pressure, no time",
    ),
    Example(
        bytes.fromhex("1e97005d007000ea07030f081e054800010400"),
        (
            Measurement(
                KIND,
                _mmhg("151", "93", "112", "72"),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
                ("irregular_pulse",),
                {"user_index": 1},
            ),
        ),
        "every optional field; the pulse was irregular",
    ),
    Example(
        bytes.fromhex("01b8f075f089f0"),
        (
            Measurement(
                KIND,
                _mmhg("138", "88", "103"),
                orig=tuple(
                    Value.of(code, Decimal(number), "kPa")
                    for code, number in (("sys", "18.4"), ("dia", "11.7"), ("map", "13.7"))
                ),
            ),
        ),
        "a cuff set to kilopascal, one decimal",
    ),
    Example(
        bytes.fromhex("1e78005000ff07000001010000004800ff2b00"),
        (
            Measurement(
                KIND,
                _mmhg("120", "80", None, "72"),
                None,
                ("movement", "cuff_loose", "position", "pulse_above_range", "clock_not_set"),
            ),
        ),
        "the clock was never set (year 0), user unknown (255), four status bits",
    ),
    Example(
        bytes.fromhex("1000080208ff07d0ff"),
        (
            Measurement(
                KIND,
                (
                    Value.of("sys", "error", "mm[Hg]"),
                    Value.of("dia", "negative-infinity", "mm[Hg]"),
                    Value.of("map", "not-a-number", "mm[Hg]"),
                ),
                None,
                ("pulse_below_range",),
            ),
        ),
        "special values, and reserved status bits that are ignored",
    ),
]

REJECTS = [
    b"",
    bytes.fromhex("00"),
    bytes.fromhex("008a005800ff"),  # cut within the mean pressure
    bytes.fromhex("008a005800ff0700"),  # one byte too many
    bytes.fromhex("028a005800ff07ea07021e080000"),  # 30 February
    bytes.fromhex("028a005800ff07ea070d01080000"),  # month 13
    bytes.fromhex("028a005800ff07ea070301190000"),  # 25 o'clock
    bytes.fromhex("028a005800ff07d00503010a0000"),  # the year 1488
    bytes.fromhex("048a005800ff07"),  # a pulse announced and not sent
    bytes.fromhex("008a005800ff07008a005800ff07"),  # two frames glued together
]

"""Blood Pressure Measurement, GATT 0x2A35: what nearly every Bluetooth cuff sends.

    flags u8 | sys dia map SFLOAT | time 7 | pulse SFLOAT | user u8 | status u16    (flag bits 0-4: unit, then fields)

A cuff that gave up sends NaN in every field and often sets no status bit at all: a failed measurement, not a bad frame.
Reserved flag bits are ignored, as the Bluetooth core specification asks; one that brings a new field shows itself as
trailing bytes and is refused.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import EncodeError, Example, Measurement, Value
from devices.frame import DATE_TIME, FrameWriter, Layout, bits_of, date_time, names_of, sfloat_value
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.2a35", 1, "bp"

_KPA, _TIME, _PULSE, _USER, _STATUS = (1 << bit for bit in range(5))
_USER_UNKNOWN = 255
_STATUS_BITS = ((0, "movement"), (1, "cuff_loose"), (2, "irregular_pulse"), (5, "position"))
_PULSE_RANGE_SHIFT = 3
_PULSE_RANGE = {1: "pulse_above_range", 2: "pulse_below_range"}  # 0 is within, 3 reserved

_LAYOUT = Layout("HHH", ((_TIME, DATE_TIME), (_PULSE, "H"), (_USER, "B"), (_STATUS, "H")))

FLAGS = (*(name for _, name in _STATUS_BITS), *_PULSE_RANGE.values(), "clock_not_set")


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    fields = _LAYOUT.fields(payload)
    flags, place = fields[0], 4
    unit = "kPa" if flags & _KPA else "mm[Hg]"
    said = [
        sfloat_value("sys", fields[1], unit),
        sfloat_value("dia", fields[2], unit),
        sfloat_value("map", fields[3], unit),
    ]
    at, user, status = None, _USER_UNKNOWN, 0
    if flags & _TIME:
        at, place = date_time(*fields[place : place + len(DATE_TIME)]), place + len(DATE_TIME)
    if flags & _PULSE:
        said.append(sfloat_value("pulse", fields[place], "/min"))
        place += 1
    if flags & _USER:
        user, place = fields[place], place + 1
    if flags & _STATUS:
        status = fields[place]

    quality_flags: tuple[str, ...] = ()
    if status:
        quality_flags = names_of(status, _STATUS_BITS)
        if pulse_range := _PULSE_RANGE.get(status >> _PULSE_RANGE_SHIFT & 3):
            quality_flags += (pulse_range,)
    if flags & _TIME and at is None:
        quality_flags += ("clock_not_set",)
    values, orig = canonical(said, profile)
    context = {} if user == _USER_UNKNOWN else {"user_index": user}
    return [Measurement(KIND, values, at, quality_flags, context, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    pressures = [measurement.said(code) for code in ("sys", "dia", "map")]
    pulse = measurement.said("pulse")
    user = measurement.context.get("user_index")
    clock_not_set = "clock_not_set" in measurement.quality_flags
    if clock_not_set and measurement.at is not None:
        raise EncodeError("a cuff says that its clock is not set by sending no date")
    status = bits_of(measurement.quality_flags, _STATUS_BITS)
    for number, name in _PULSE_RANGE.items():
        if name in measurement.quality_flags:
            status |= number << _PULSE_RANGE_SHIFT
    flags = _KPA if any(value is not None and value.unit == "kPa" for value in pressures) else 0
    flags |= _TIME if measurement.at is not None or clock_not_set else 0
    flags |= (_PULSE if pulse else 0) | (_STATUS if status else 0) | (0 if user is None else _USER)

    frame = FrameWriter()
    frame.unsigned(flags, 1)
    for value in pressures:
        frame.sfloat(value.said if value else "not-a-number")  # the three pressures have no flag: absent is NaN
    if flags & _TIME:
        frame.time(measurement.at)
    if pulse:
        frame.sfloat(pulse.said)
    if user is not None:
        frame.unsigned(int(user), 1)
    if status:
        frame.unsigned(status, 2)
    return frame.finish()


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

"""BCM-H10: the serial module inside many kiosks, height and weight of the person on it.

    A5 5A | length u8 | device u8 | function u8 | sex u8 | age u8 | height mm u16 | weight x 0.1 kg u16 | sum u8

Big-endian. `length` counts what follows it; `sum` is the low byte of the sum from `length` on. Function 0x37 alone is
published; others are refused by number. Sex and age name a person: they are read past and not kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from devices.base import DecodeError, EncodeError, Example, Measurement, Value
from devices.fields import Field, Told
from devices.layout import Layout, Part, Quantity
from devices.units import canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "bcm-h10", 1, "weight"
FLAGS: tuple[str, ...] = ()

_HEAD, _DEVICE, _BODY = 0xA55A, 0x08, 0x37
_LENGTH = 9
_MALE = 0x4D


def _hex(raw: int, _flags: int) -> Told:
    return Told(f"0x{raw:X}", f"0x{raw:X}")


def _not_kept(_raw: int, _flags: int) -> Told:
    return Told("不保存", "not kept")


_LAYOUT = Layout(
    "BCM-H10 serial frame",
    (
        Part("head", "u16", role="layout", title=Told("帧头", "Head"), tell=_hex),
        Part("length", "u8", role="layout", title=Told("长度", "Length")),
        Part("device", "u8", role="layout", title=Told("设备", "Device"), tell=_hex),
        Part("function", "u8", role="layout", title=Told("功能", "Function"), tell=_hex),
        Part("sex", "u8", role="identity", title=Told("性别", "Sex"), tell=_not_kept),
        Part("age", "u8", role="identity", title=Told("年龄", "Age"), tell=_not_kept),
        Part("height", "u16", Quantity("height", "mm")),
        Part("weight", "u16", Quantity("weight", "kg", "0.1")),
        Part("sum", "u8", role="layout", title=Told("校验和", "Checksum"), tell=_hex),
    ),
    flags=None,
    order=">",
)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    return _LAYOUT.fields(payload, profile)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _LAYOUT.read(payload)
    for name, meant in (("head", _HEAD), ("length", _LENGTH), ("function", _BODY)):
        if found[name] != meant:
            raise DecodeError("reserved-value", field=name, value=found[name])
    if (total := sum(payload[2:-1]) & 0xFF) != found["sum"]:
        raise DecodeError("bad-checksum", said=found["sum"], sum=total)
    values, orig = canonical([_LAYOUT.value(found, "weight"), _LAYOUT.value(found, "height")], profile)
    return [Measurement(KIND, values, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    weight, height = measurement.said("weight"), measurement.said("height")
    if weight is None or height is None or height.value is None:
        raise EncodeError("this module measures height and weight together")
    if height.unit == "cm":
        height = Value("height", height.value.scaleb(1).quantize(Decimal(1)), "mm")
    said = {"head": _HEAD, "length": _LENGTH, "device": _DEVICE, "function": _BODY, "sex": _MALE, "age": 0, "sum": 0}
    said |= {"height": _LAYOUT.raw("height", height), "weight": _LAYOUT.raw("weight", weight)}
    frame = _LAYOUT.write(said)
    return frame[:-1] + bytes([sum(frame[2:-1]) & 0xFF])


def _stood(kg: str, cm: str, mm: str) -> Measurement:
    values = (Value.of("weight", Decimal(kg), "kg"), Value.of("height", Decimal(cm), "cm"))
    return Measurement(KIND, values, orig=(Value.of("height", Decimal(mm), "mm"),))


EXAMPLES = [
    Example(
        bytes.fromhex("a55a0908374d1d0690026fb9"), (_stood("62.3", "168.0", "1680"),), "published: 1680 mm, 62.3 kg"
    ),
    Example(
        bytes.fromhex("a55a09083746460609022c11"), (_stood("55.6", "154.5", "1545"),), "made after it: 1545 mm, 55.6 kg"
    ),
    Example(bytes.fromhex("a55a09083746000000000000"[:-2] + "8e"), (_stood("0.0", "0.0", "0"),), "an empty platform"),
]
REJECTS = [
    b"",
    bytes.fromhex("a55a0908374d1d0690026fba"),  # a wrong checksum
    bytes.fromhex("a55a0908374d1d0690026f"),  # cut
    bytes.fromhex("5aa50908374d1d0690026fb9"),  # another head
    bytes.fromhex("a55a0908384d1d0690026fba"),  # a function nobody published
]

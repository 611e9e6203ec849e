"""Device Information, GATT service 0x180A: serial number, versions, maker, as a gateway reads them in one go.

    once for each characteristic:  uuid u16 | length u8 | value                           little-endian, in any order

The service has a characteristic for each text; putting them behind one another, each under its own number, is ours.
2A23 (System ID) holds 8 bytes; all others are UTF-8. What has no name here is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from devices.base import DecodeError, EncodeError, Example, Measurement
from devices.fields import Field, Told, covering, unread

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "sig.180a", 1, "info"
FLAGS: tuple[str, ...] = ()

SYSTEM_ID, SYSTEM_ID_BYTES = 0x2A23, 8
TEXT_CHARS_MAX = 64
_NAMES: Mapping[int, tuple[str, Told]] = {
    SYSTEM_ID: ("system_id", Told("系统标识", "System ID")),
    0x2A24: ("model", Told("型号", "Model")),
    0x2A25: ("serial", Told("序列号", "Serial number")),
    0x2A26: ("firmware", Told("固件版本", "Firmware")),
    0x2A27: ("hardware", Told("硬件版本", "Hardware")),
    0x2A28: ("software", Told("软件版本", "Software")),
    0x2A29: ("maker", Told("制造商", "Maker")),
    0x2BFF: ("udi", Told("医疗器械唯一标识", "UDI")),
}
_NUMBERS = {name: number for number, (name, _told) in _NAMES.items()}


def _entries(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(where it begins, uuid, value), as far as whole entries go."""
    at = 0
    while at + 3 <= len(payload):
        end = at + 3 + payload[at + 2]
        if end > len(payload):
            return
        yield at, int.from_bytes(payload[at : at + 2], "little"), payload[at + 3 : end]
        at = end


def fields(payload: bytes, profile: Profile) -> list[Field]:
    found: list[Field] = []
    for at, uuid, value in _entries(payload):
        name, title = _NAMES.get(uuid, ("unknown", Told("未知特征", "Unknown characteristic")))
        clause, head = f"GSS {title.en} 0x{uuid:04X}", at + 3
        number = Told(f"0x{uuid:04X}，{len(value)} 字节", f"0x{uuid:04X}, {len(value)} bytes")
        found.append(
            Field(at, head, f"{name}.head", Told("特征与长度", "Characteristic, length"), clause, "layout", number)
        )
        if value:
            text = value.hex() if uuid == SYSTEM_ID else value.decode("utf-8", "replace")
            found.append(Field(head, head + len(value), name, title, clause, "identity", Told(text, text)))
    end = found[-1].end if found else 0
    if end < len(payload):
        found.append(unread(end, len(payload), cut=True))
    return covering(found, len(payload))


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    context: dict[str, str | int] = {}
    end = 0
    for at, uuid, value in _entries(payload):
        end = at + 3 + len(value)
        if uuid not in _NAMES:
            continue
        name = _NAMES[uuid][0]
        if name in context:
            raise DecodeError("duplicate-key", key=name)
        context[name] = _text(name, uuid, value)
    if not payload or end < len(payload):
        raise DecodeError("truncated", got=len(payload), needs=max(end + 3, len(payload) + 1))
    if not context:
        raise DecodeError("missing-field", field="serial")
    return [Measurement(KIND, (), context=context)]


def _text(name: str, uuid: int, value: bytes) -> str:
    if uuid == SYSTEM_ID:
        if len(value) != SYSTEM_ID_BYTES:
            raise DecodeError("truncated", got=len(value), needs=SYSTEM_ID_BYTES)
        return value.hex()
    try:
        text = value.decode("utf-8").rstrip("\0 ")  # some makers fill their texts up
    except UnicodeDecodeError:
        raise DecodeError("not-utf8") from None
    if not 0 < len(text) <= TEXT_CHARS_MAX or not text.isprintable():
        raise DecodeError("not-text", field=name, limit=TEXT_CHARS_MAX)
    return text


def encode(measurement: Measurement, profile: Profile) -> bytes:
    frame = b""
    for name, said in measurement.context.items():
        if name not in _NUMBERS:
            raise EncodeError(f"device information has no {name}")
        value = bytes.fromhex(str(said)) if name == "system_id" else str(said).encode()
        frame += _NUMBERS[name].to_bytes(2, "little") + bytes([len(value)]) + value
    return frame


def _entry(uuid: int, value: bytes) -> bytes:
    return uuid.to_bytes(2, "little") + bytes([len(value)]) + value


EXAMPLES = [
    Example(
        _entry(0x2A25, b"20240107A00042") + _entry(0x2A26, b"1.0.3"),
        (Measurement(KIND, (), context={"serial": "20240107A00042", "firmware": "1.0.3"}),),
        "a cuff's serial number and firmware",
    ),
    Example(
        _entry(SYSTEM_ID, bytes.fromhex("0102fffffe030405")) + _entry(0x2A29, b"Nonin\0\0"),
        (Measurement(KIND, (), context={"system_id": "0102fffffe030405", "maker": "Nonin"}),),
        "an EUI-64 and a maker padded with zeros",
    ),
    Example(
        _entry(0x2A24, "血压计 U10".encode()) + _entry(0x2A50, b"\x01\x02"),
        (Measurement(KIND, (), context={"model": "血压计 U10"}),),
        "a model in Chinese, and a characteristic without a name here",
    ),
]
REJECTS = [
    b"",
    b"\x25\x2a",
    b"\x25\x2a\x05abc",  # five bytes announced, three sent
    _entry(0x2A25, b"\xff\xfe"),
    _entry(0x2A25, b"A") + _entry(0x2A25, b"B"),
    _entry(SYSTEM_ID, b"\x01"),
]

"""Pack: the envelope a gateway puts its records into (contracts.md 1), read strictly.

    {"boot": "b7", "seq": 17, "sent": "<time>", "records": [{"codec": "sig.2a35", "hex": "16ff07...", "at": "<time>",
     "anchor": "<record number>"}]}                                            `sent`, `at` and `anchor` may be missing

What a lenient reader would guess at (a key that stands twice, NaN, "17" for 17, a time without its zone) is refused
with one sentence: a gateway that sends it must hear so. Unknown fields are ignored, so that the envelope can grow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from devices import json_text
from devices.base import DecodeError, EncodeError
from devices.topics import RESERVED_BELOW_DEVICE, is_codec

VERSION = 1

PAYLOAD_BYTES_MAX = json_text.PAYLOAD_BYTES_MAX
RECORDS_MAX = 1_000  # one group commit
RECORD_BYTES_MAX = 16_384  # the default payload limit of a single device message
DEPTH_MAX = 8  # the envelope needs three; a parser must not be driven into recursion
TEXT_CHARS_MAX = 64
SEQ_MAX = 2**63 - 1  # a signed 64-bit column

_BOOT = re.compile(r"[A-Za-z0-9._-]{1,64}")  # a little wider than we say: no journal is lost for its capitals
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """One payload as the device made it, with what the gateway knows about it."""

    codec: str
    payload: bytes
    at: datetime | None = None  # when the gateway took it; aware
    anchor: str | None = None  # the device's own record number, where the gateway read it


@dataclass(frozen=True, slots=True)
class Envelope:
    boot: str
    seq: int
    sent: datetime | None
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class EnvelopeExample:
    payload: bytes
    envelope: Envelope


def parse(payload: bytes) -> Envelope:
    """The envelope; DecodeError and nothing else for whatever is not one."""
    root = _object(json_text.parse(payload, depth_max=DEPTH_MAX, floats=float), "envelope")
    records = root.get("records", _ABSENT)
    if records is _ABSENT:
        raise DecodeError("missing-field", field="records")
    if not isinstance(records, list) or not 0 < len(records) <= RECORDS_MAX:
        raise DecodeError("not-a-list", field="records", limit=RECORDS_MAX)
    return Envelope(
        boot=_boot(root),
        seq=_integer(root, "seq", "seq"),
        sent=_time(root, "sent", "sent"),
        records=tuple(_record(record, f"records[{index}]") for index, record in enumerate(records)),
    )


def build(boot: str, seq: int, sent: datetime | None, records: Iterable[Record]) -> bytes:
    """The envelope as bytes; EncodeError where `parse` would refuse it."""
    raw: dict[str, Any] = {"boot": boot, "seq": seq}
    if sent is not None:
        raw["sent"] = sent.isoformat()
    raw["records"] = [_raw(record) for record in records]
    payload = json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        parse(payload)
    except DecodeError as refused:
        raise EncodeError(str(refused)) from refused
    return payload


def _raw(record: Record) -> dict[str, str]:
    raw = {"codec": record.codec, "hex": record.payload.hex()}
    if record.at is not None:
        raw["at"] = record.at.isoformat()
    if record.anchor is not None:
        raw["anchor"] = record.anchor
    return raw


_ABSENT = object()


def _object(value: object, field: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise DecodeError("not-an-object", field=field)
    return value


def _record(value: object, field: str) -> Record:
    raw = _object(value, field)
    codec = _text(raw, "codec", f"{field}.codec")
    if codec in RESERVED_BELOW_DEVICE:
        raise DecodeError("unknown-codec", codec=codec)
    if not is_codec(codec):
        raise DecodeError("bad-id", field=f"{field}.codec")
    anchor = _text(raw, "anchor", f"{field}.anchor") if raw.get("anchor") is not None else None
    return Record(codec, _hex(raw, f"{field}.hex"), _time(raw, "at", f"{field}.at"), anchor)


def _boot(raw: dict[str, object]) -> str:
    boot = _text(raw, "boot", "boot")
    if not _BOOT.fullmatch(boot):
        raise DecodeError("bad-id", field="boot")
    return boot


def _text(raw: dict[str, object], name: str, field: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    if name not in raw:
        raise DecodeError("missing-field", field=field)
    value = raw[name]
    # A lone surrogate ("\ud800") is text to JSON and to Python, but cannot be stored or hashed as UTF-8.
    if not isinstance(value, str) or not 0 < len(value) <= chars_max or any("\ud800" <= c <= "\udfff" for c in value):
        raise DecodeError("not-text", field=field, limit=chars_max)
    return value


def _integer(raw: dict[str, object], name: str, field: str) -> int:
    if name not in raw:
        raise DecodeError("missing-field", field=field)
    value = raw[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= SEQ_MAX:
        raise DecodeError("not-an-integer", field=field, least=1, most=SEQ_MAX)
    return value


def _hex(raw: dict[str, object], field: str) -> bytes:
    if "hex" in raw and raw["hex"] == "":
        return b""  # an empty payload is for the codec to judge
    text = _text(raw, "hex", field, chars_max=2 * RECORD_BYTES_MAX)
    if not _HEX.fullmatch(text):
        raise DecodeError("bad-hex", field=field)
    return bytes.fromhex(text)


def _time(raw: dict[str, object], name: str, field: str) -> datetime | None:
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise DecodeError("bad-time", field=field)
    try:
        # In UTC from here on; the year 1 east of Greenwich and the like overflow.
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise DecodeError("bad-time", field=field) from None


_CUFF = bytes.fromhex("008a005800ff07")
_MORNING = datetime(2026, 3, 15, 0, 30, 5, tzinfo=UTC)

EXAMPLES: Sequence[EnvelopeExample] = [
    EnvelopeExample(
        b'{"boot": "b7", "seq": 17, "sent": "2026-03-15T08:30:05+08:00", "records": '
        b'[{"codec": "sig.2a35", "hex": "008a005800ff07", "at": "2026-03-15T00:30:05Z", "anchor": "41"}]}',
        Envelope("b7", 17, _MORNING, (Record("sig.2a35", _CUFF, _MORNING, "41"),)),
    ),
    EnvelopeExample(
        b'{"records":[{"hex":"","codec":"x"},{"hex":"FF","codec":"sig.2a5e","at":null}],"seq":1,"boot":"a","later":[{}]}',
        Envelope("a", 1, None, (Record("x", b""), Record("sig.2a5e", b"\xff"))),
    ),
]

REJECTS: Sequence[bytes] = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",  # a byte order mark
    b"{}",
    b'{"boot":"b7","seq":1}',
    b'{"boot":"b7","seq":1,"records":[]}',
    b'{"boot":"b7","seq":1,"records":{}}',
    b'{"boot":"b7","seq":1,"records":[1]}',
    b'{"boot":"b7","seq":0,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":-1,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":true,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":1.0,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":"1","records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":NaN,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":1,"seq":2,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":9223372036854775808,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":' + b"9" * 5000 + b',"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"","seq":1,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b 7","seq":1,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":7,"seq":1,"records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x"}]}',
    b'{"boot":"b7","seq":1,"records":[{"hex":"00"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"pack","hex":"00"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"../x","hex":"00"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"0"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"0g"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00 11"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00","at":"2026-03-15T08:30:05"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00","at":"2026-02-30T08:30:05Z"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00","at":"0001-01-01T00:00:00+08:00"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00","at":1773534605}]}',
    b'{"boot":"b7","seq":1,"sent":"now","records":[{"codec":"x","hex":"00"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00","anchor":41}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00","anchor":"\\ud800"}]}',
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00"}],"more":' + b"[" * 100_000,
    b'{"boot":"b7","seq":1,"records":[{"codec":"x","hex":"00"}]} ' + b" " * PAYLOAD_BYTES_MAX,
    b'{"boot":"b7","seq":1,"records":[' + b",".join([b'{"codec":"x","hex":"00"}'] * (RECORDS_MAX + 1)) + b"]}",
]

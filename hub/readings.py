"""Readings: immutable, stored once, values sealed as one blob; who they belong to may be bound later.

Written by ingest in batches, a few hundred rows to a statement (bulk.py); read here by pages and the API.
Times are integer milliseconds since 1970 UTC: two columns are compared and indexed for every reading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text, delete, false, or_, select, true, update
from sqlalchemy.sql import ColumnElement
from sqlmodel import Field, SQLModel, col

from devices.codes import CODES
from hub.access import Subject
from hub.db import Read, Tx
from hub.directory import Consent
from hub.errors import NotFound
from hub.events import ReadingBound, ReadingRebound, ReadValue
from hub.i18n import _
from hub.seal import Seal

_VALUES = "reading.values"
_RAW = "raw_frame.payload"
PAGE_MAX = 200
ANONYMOUS_AFTER = timedelta(hours=24)  # devices.md 7.7: after a day nobody remembers who sat there
OPEN_CONTEXT = frozenset({"lot", "sensor"})  # of the device; a meal, a user's number, a visit tell of a person
# Reasons that tell of a body and not of the measuring: "Hi" is as good as a value.
BODILY_REASONS = frozenset(
    {
        *("irregular_pulse", "pulse_above_range", "pulse_below_range"),
        *("result_too_high", "result_too_low", "beyond_range"),
    }
)
SENT_LATER_MS = 10 * 60 * 1000  # a device that repeats itself is done by then; what is older came out of a store


class Reading(SQLModel, table=True):
    __tablename__ = "reading"
    __table_args__ = (
        Index("ix_reading_person_effective", "person", "t_effective_ms"),
        Index("ix_reading_device_received", "device", "t_received_ms"),
        Index("ix_reading_hut_received", "hut", "t_received_ms"),
    )
    id: str = Field(primary_key=True, max_length=36)
    key: str = Field(max_length=32, unique=True)  # devices.md 7.2; unique for ever
    weak_key: bool = Field(default=False)
    kind: str = Field(max_length=16)
    device: str = Field(max_length=64)
    gateway: str = Field(max_length=64)
    hut: str | None = Field(default=None, max_length=64)
    area: str = Field(max_length=12)
    person: str | None = Field(default=None, max_length=64)
    bound_by: str = Field(default="none", max_length=16)  # card | qr | slot | staff | guest | none
    bound_at_ms: int | None = Field(default=None, sa_column=Column(BigInteger))
    session: str | None = Field(default=None, max_length=36)
    quality: str = Field(max_length=8)
    reasons: str = Field(default="", max_length=256)  # blank-separated codes
    sealed_values: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    context: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    t_device: str | None = Field(default=None, max_length=32)
    t_gateway_ms: int | None = Field(default=None, sa_column=Column(BigInteger))
    t_received_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    t_effective_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    t_basis: str = Field(max_length=16)
    late: bool = Field(default=False)
    profile: str = Field(max_length=80)
    codec: str = Field(max_length=80)
    serial: str | None = Field(default=None, max_length=64)
    firmware: str | None = Field(default=None, max_length=64)
    calibration: str | None = Field(default=None, max_length=64)
    boot: str | None = Field(default=None, max_length=64)
    seq: int | None = Field(default=None, sa_column=Column(BigInteger))
    raw_sha256: str = Field(max_length=64)
    cause: str = Field(max_length=36)  # the frame's own id


class RawFrame(SQLModel, table=True):
    """The bytes as they came, sealed, in a cold table of their own with a retention of their own (hub/retention.py)."""

    __tablename__ = "raw_frame"
    reading: str = Field(primary_key=True, max_length=36)
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    t_received_ms: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


def to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


# What ingest writes; the other columns are filled when a reading is bound.
WRITTEN = (
    *("id", "key", "weak_key", "kind", "device", "gateway", "hut", "area", "bound_by", "quality", "reasons"),
    *("sealed_values", "context", "t_device", "t_gateway_ms", "t_received_ms", "t_effective_ms", "t_basis", "late"),
    *("profile", "codec", "serial", "firmware", "calibration", "boot", "seq", "raw_sha256", "cause"),
)
WRITTEN_RAW = ("reading", "payload", "t_received_ms")


def seal_values(seal: Seal, bodies: Iterable[bytes]) -> list[bytes]:
    return seal.close_all(bodies, _VALUES)


def seal_raw(seal: Seal, payloads: Iterable[bytes]) -> list[bytes]:
    return seal.close_all(payloads, _RAW)


def body(values: Sequence[ReadValue], orig: Sequence[ReadValue]) -> bytes:
    """A reading's values as they are sealed: `[[[code, text, unit, absent], ...], [the device's own, same form]]`."""
    now = b",".join([_fragment(value) for value in values])
    return b"[[%b],[%b]]" % (now, b",".join([_fragment(value) for value in orig]) if orig else b"")


FRAGMENTS_MAX = 20_000
# Codecs give the same object for the same number (devices/frame.py), so its text is made once. By id and not by hash,
# which costs as much as the text; the object is kept beside it, so that its id stays its own.
_FRAGMENTS: dict[int, tuple[ReadValue, bytes]] = {}


def _fragment(value: ReadValue) -> bytes:
    known = _FRAGMENTS.get(id(value))
    if known is not None:
        return known[1]
    made = msgspec.json.encode([value.code, value.text, value.unit, value.absent_reason])
    if len(_FRAGMENTS) >= FRAGMENTS_MAX:
        _FRAGMENTS.clear()
    _FRAGMENTS[id(value)] = value, made
    return made


def values(read: Read, row: Reading) -> tuple[ReadValue, ...]:
    """The reading's values, opened. Whoever calls this has asked `visible_to` first."""
    return open_values(read.seal, row.sealed_values)[0]


def open_values(seal: Seal, sealed: bytes) -> tuple[tuple[ReadValue, ...], tuple[ReadValue, ...]]:
    now, orig = msgspec.json.decode(seal.read(sealed, _VALUES))
    return tuple(_value(each) for each in now), tuple(_value(each) for each in orig)


def open_raw(seal: Seal, sealed: bytes) -> bytes:
    return seal.read(sealed, _RAW)


def _value(plain: list[Any]) -> ReadValue:
    code, number, unit, absent = plain
    return ReadValue(code, None if number is None else Decimal(number), unit, absent)


def sent_later(received_ms: int, effective_ms: int) -> bool:
    """补传: it waited in a gateway's outbox while the line or the hub was away. (`late` says more: history.)"""
    return received_ms - effective_ms > SENT_LATER_MS


def get(read: Read, ident: str) -> Reading:
    row = read.session.get(Reading, ident)
    if row is None:
        raise NotFound(_("There is no such reading"))
    return row


def of_person(
    read: Read, person: str, kind: str | None = None, *, since: datetime | None = None, limit: int = 50
) -> list[Reading]:
    """A person's readings, newest first."""
    rule = select(Reading).where(col(Reading.person) == person)
    if kind is not None:
        rule = rule.where(col(Reading.kind) == kind)
    if since is not None:
        rule = rule.where(col(Reading.t_effective_ms) >= to_ms(since))
    rows = read.session.execute(rule.order_by(col(Reading.t_effective_ms).desc()).limit(min(limit, PAGE_MAX)))
    return list(rows.scalars())


def bind(tx: Tx, reading: str, person: str | None, bound_by: str, session: str | None) -> None:
    """Tie an unbound reading to a person or, for ever, to a guest: what was bound once stays as it was."""
    changed = tx.change(
        update(Reading)
        .where(
            col(Reading.id) == reading,
            col(Reading.bound_by) == "none",
            col(Reading.t_received_ms) > to_ms(tx.now() - ANONYMOUS_AFTER),
        )
        .values(
            person=None if bound_by == "guest" else person,
            bound_by=bound_by,
            bound_at_ms=to_ms(tx.now()),
            session=session,
        )
    )
    if changed:
        tx.emit(ReadingBound, cause=reading, reading=reading, person=person, bound_by=bound_by)


def rebind(tx: Tx, reading: str, person: str | None, why: str) -> bool:
    """Put right whose reading it is, within its day; None: nobody's. A guest's was never anybody's and stays so."""
    row = get(tx, reading)
    before = row.person
    if before == person or row.bound_by == "guest":
        return False
    changed = tx.change(
        update(Reading)
        .where(
            col(Reading.id) == reading,
            col(Reading.bound_by) == row.bound_by,
            col(Reading.t_received_ms) > to_ms(tx.now() - ANONYMOUS_AFTER),
        )
        .values(person=person, bound_by="none" if person is None else "staff", bound_at_ms=to_ms(tx.now()))
    )
    if changed:
        tx.emit(ReadingRebound, cause=reading, reading=reading, before=before, person=person, why=why)
        if person is not None:
            tx.emit(ReadingBound, cause=reading, reading=reading, person=person, bound_by="staff")
    return bool(changed)


def drop_raw(tx: Tx, readings: Collection[str]) -> None:
    """Forget the bytes behind these readings: a guest's session ended."""
    if readings:
        tx.session.execute(delete(RawFrame).where(col(RawFrame.reading).in_(list(readings))))


def visible_to(subject: Subject) -> tuple[ColumnElement[bool], bool]:
    """Which readings a subject may list, and whether with their values. Everything else is nobody's business.

    A resident sees their own; a doctor those of residents who agreed to it; whoever holds `readings.state` in a place
    (operator, attendant) sees that there was a reading there, never a value.
    """
    if subject.kind == "resident":
        return col(Reading.person) == subject.id, True
    doctor_paths = subject.paths("readings.doctor")
    if doctor_paths:
        agreed = select(col(Consent.resident)).where(
            col(Consent.purpose) == "doctor", col(Consent.withdrawn_at).is_(None)
        )
        return col(Reading.person).in_(agreed) & _inside(doctor_paths), True
    state_paths = subject.paths("readings.state")
    if state_paths:
        return _inside(state_paths), False
    return false(), False


def _inside(paths: Sequence[str]) -> ColumnElement[bool]:
    from hub.directory import Area

    if "" in paths:
        return true()
    rules = [col(Area.path) == path for path in paths] + [col(Area.path).startswith(path + "/") for path in paths]
    return col(Reading.area).in_(select(col(Area.code)).where(or_(*rules)))


def as_json(read: Read, row: Reading, *, with_values: bool) -> dict[str, Any]:
    """The reading in the form of contracts.md 2."""
    from hub.recall import flags  # recall.py needs Reading; imported late to keep the arrow one way

    now, orig = open_values(read.seal, row.sealed_values) if with_values else ((), ())
    later = flags(read, (row.id,)).get(row.id, ())
    return {
        "id": row.id,
        "kind": row.kind,
        "device": row.device,
        "gateway": row.gateway,
        "area": row.area,
        "person": row.person if with_values else None,
        "bound_by": row.bound_by,
        "quality": row.quality,
        "reasons": [*reasons_of(row.reasons, with_values=with_values), *later],
        "values": [_value_json(value, row.kind) for value in now],
        "orig": [{"code": each.code, "value": _text(each.value), "unit": each.unit} for each in orig],
        "context": _context(row, with_values=with_values),
        "t_device": row.t_device,
        "t_gateway": from_ms(row.t_gateway_ms).isoformat() if row.t_gateway_ms is not None else None,
        "t_received": from_ms(row.t_received_ms).isoformat(),
        "t_effective": from_ms(row.t_effective_ms).isoformat(),
        "t_basis": row.t_basis,
        "late": row.late,
        "device_info": {
            "serial": row.serial,
            "profile": row.profile,
            "firmware": row.firmware,
            "calibration": row.calibration,
        },
        "codec": row.codec,
        "raw_sha256": row.raw_sha256 if with_values else None,  # so few bytes are soon guessed from their hash
    }


def reasons_of(said: str, *, with_values: bool) -> tuple[str, ...]:
    """The reasons of a reading's quality, as far as somebody may know them."""
    return tuple(each for each in said.split() if with_values or each not in BODILY_REASONS)


def _context(row: Reading, *, with_values: bool) -> dict[str, Any]:
    """Around the values; to who may not see them only what is said of the device."""
    said: dict[str, Any] = msgspec.json.decode(row.context)
    if not with_values:
        return {name: value for name, value in said.items() if name in OPEN_CONTEXT}
    return {**({"session": row.session} if row.session else {}), **said}


def _value_json(value: ReadValue, kind: str) -> dict[str, Any]:
    known = CODES.get(value.code)
    return {
        "code": value.code,
        "value": _text(value.value),
        "unit": value.unit,
        "loinc": known.loinc if known else None,
        "mdc": known.mdc_in.get(kind, known.mdc) if known else None,
        "absent_reason": value.absent_reason,
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")

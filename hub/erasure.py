"""Erasure: a reading loses what it says of a body, for ever; that a device once measured there stays countable.

The row keeps its key, so that the same record sent again by a gateway is settled as a duplicate and not taken in anew,
and its quality, which speaks of the device; values, reasons, context, owner, visit and the bytes' hash go. What
slices made of it (words, tasks) they take back themselves when they hear `ReadingsErased`, in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Column, delete, select, update
from sqlmodel import Field, SQLModel, col

from hub import bulk
from hub.db import Read, Tx
from hub.events import ReadingsErased
from hub.quarantine import QuarantineRow
from hub.readings import RawFrame, Reading, body, seal_values
from hub.recall import ReadingFlag
from hub.types import UtcTime

ERASED = "erased"
WHYS = ("self", "desk", "retention")
AT_ONCE_MAX = 500  # readings named in one statement, and in one event


class Erasure(SQLModel, table=True):
    """That there was a reading of this number, for whoever comes back with it (FHIR answers 410). No kind, no value."""

    __tablename__ = "erasure"
    reading: str = Field(primary_key=True, max_length=36)
    person: str | None = Field(default=None, max_length=64, index=True)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    why: str = Field(max_length=16)


def erase(tx: Tx, idents: Collection[str], why: str) -> int:
    """Erase these readings. Who may ask for it is the caller's matter; done twice it does nothing. Gives how many."""
    if why not in WHYS:
        raise ValueError(f"an erasure is one of {WHYS}")
    done = 0
    _overwrite_freed(tx, True)
    try:
        for page in bulk.pages(idents):
            rule = select(Reading).where(col(Reading.id).in_(page), col(Reading.raw_sha256) != "")
            rows = list(tx.session.execute(rule).scalars())
            for part in _of_one_person(rows):
                _empty(tx, part, why)
                done += len(part)
    finally:
        _overwrite_freed(tx, False)
    return done


def erased_of(read: Read, ident: str) -> Erasure | None:
    return read.session.get(Erasure, ident)


def _of_one_person(rows: Sequence[Reading]) -> list[list[Reading]]:
    found: dict[str | None, list[Reading]] = {}
    for row in rows:
        found.setdefault(row.person, []).append(row)
    return list(found.values())


def _empty(tx: Tx, rows: Sequence[Reading], why: str) -> None:
    idents, person = [row.id for row in rows], rows[0].person
    _forget_conflicts(tx, rows)
    tx.session.execute(delete(RawFrame).where(col(RawFrame.reading).in_(idents)))
    tx.session.execute(delete(ReadingFlag).where(col(ReadingFlag.reading).in_(idents)))
    nothing = seal_values(tx.seal, [body((), ())])[0]
    tx.session.execute(
        update(Reading)
        .where(col(Reading.id).in_(idents))
        .values(
            sealed_values=nothing,
            reasons=ERASED,
            context="{}",
            person=None,
            session=None,
            bound_by="guest",  # nobody's for ever: it cannot be tied to anybody again
            bound_at_ms=None,
            t_device=None,
            raw_sha256="",
        )
        .execution_options(synchronize_session=False)
    )
    for row in rows:
        tx.session.expire(row)
    tx.session.add_all(Erasure(reading=ident, person=person, at=tx.now(), why=why) for ident in idents)
    tx.session.flush()
    tx.emit(ReadingsErased, person=person or "", readings=tuple(idents), why=why)


def _forget_conflicts(tx: Tx, rows: Sequence[Reading]) -> None:
    """Frames set aside because they contradicted one of these: they are of the same body."""
    for row in rows:
        rule = select(QuarantineRow).where(
            col(QuarantineRow.device) == row.device, col(QuarantineRow.reason) == "conflict"
        )
        for aside in tx.session.execute(rule).scalars():
            entry = f"conflict|{row.key}|{aside.raw_sha256}"
            if hashlib.sha256(entry.encode()).hexdigest() == aside.entry:
                tx.session.delete(aside)


def _overwrite_freed(tx: Tx, on: bool) -> None:
    """SQLite leaves deleted bytes where they were until the room is used again, unless it is told not to."""
    if tx.session.get_bind().dialect.name == "sqlite":
        tx.session.flush()
        tx.session.connection().exec_driver_sql(f"PRAGMA secure_delete={'ON' if on else 'OFF'}")

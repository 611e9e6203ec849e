"""The audit log: every event but readings and postings, one row each, chained by hash.

Row hash = SHA-256 of the previous row's hash and this row's canonical JSON. Whoever edits, deletes or reorders a row
breaks the chain from there on (`verify`). Readings are their own record; a row each would double every batch. Postings
stand in the ledger's own chain, with more than the event says.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Text, func, insert, select, text
from sqlmodel import Field, SQLModel, col

from hub.events import Event, PointsPosted, ReadingsStored
from hub.types import UtcTime

if TYPE_CHECKING:
    from hub.db import Read, Tx

GENESIS = "0" * 64
_OWN_RECORD = (ReadingsStored, PointsPosted)
_HEAD = {"id", "at", "cause", "actor", "on_behalf_of"}
_POSTGRES_AUDIT_LOCK = 0x4C494E4C  # any fixed number: one writer at a time may extend the chain


class AuditRow(SQLModel, table=True):
    __tablename__ = "audit"
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str = Field(max_length=36, unique=True)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    kind: str = Field(max_length=64, index=True)
    subject: str = Field(max_length=128, index=True)
    actor: str = Field(max_length=128, index=True)
    on_behalf_of: str | None = Field(default=None, max_length=128)
    cause: str | None = Field(default=None, max_length=128, index=True)
    detail: str = Field(sa_column=Column(Text, nullable=False))
    hash: str = Field(max_length=64)


def canonical(event: Event) -> dict[str, str | None]:
    detail = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in _HEAD}
    return {
        "id": event.id,
        "at": event.at.astimezone(UTC).isoformat(),  # as the row gives it back, whatever zone the clock spoke
        "kind": type(event).__name__,
        "subject": event.subject(),
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "cause": event.cause,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str, separators=(",", ":")),
    }


def link(previous: str, row: dict[str, str | None]) -> str:
    body = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def record(tx: Tx) -> None:
    """Append this transaction's events. Called by the Store, last, so that no event escapes."""
    events = [event for event in tx.events if not isinstance(event, _OWN_RECORD)]
    if not events:
        return
    if tx.session.get_bind().dialect.name == "postgresql":
        tx.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_AUDIT_LOCK})
    last = tx.session.execute(
        select(col(AuditRow.seq), col(AuditRow.hash)).order_by(col(AuditRow.seq).desc()).limit(1)
    ).first()
    seq, previous = (last[0], last[1]) if last else (0, GENESIS)
    rows = []
    for event in events:
        row = canonical(event)
        seq, previous = seq + 1, link(previous, row)
        rows.append({**row, "seq": seq, "at": event.at, "hash": previous})
    tx.session.execute(insert(AuditRow), rows)


def verify(read: Read) -> int | None:
    """The first sequence number where the chain breaks, or None when it is whole."""
    previous, expected = GENESIS, 1
    for row in read.session.execute(select(AuditRow).order_by(col(AuditRow.seq))).scalars():
        body = {
            "id": row.id,
            "at": row.at.isoformat(),
            "kind": row.kind,
            "subject": row.subject,
            "actor": row.actor,
            "on_behalf_of": row.on_behalf_of,
            "cause": row.cause,
            "detail": row.detail,
        }
        if row.seq != expected or link(previous, body) != row.hash:
            return expected
        previous, expected = row.hash, expected + 1
    return None


def length(read: Read) -> int:
    return int(read.session.execute(select(func.count()).select_from(AuditRow)).scalar_one())

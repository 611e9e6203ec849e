"""Quarantine: what could not be read or contradicts what is stored, kept with its reason, never blocking the rest.

A row keeps the first 4 KiB of the payload (sealed: it may hold a health value), the reason's code, and the untranslated
sentence with its fields, so that every operator reads it in their own language.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, LargeBinary, Text, delete, func, select, update
from sqlmodel import Field, SQLModel, col

from devices.base import SENTENCES, DecodeError
from hub import bulk, held
from hub.db import Read, Tx
from hub.events import FrameQuarantined
from hub.held import Kept, Origin
from hub.i18n import N_, _
from hub.types import UtcTime

PAYLOAD_KEPT_BYTES = 4_096
ROWS_MAX = 10_000  # a ring: one mad gateway must not fill the disk

# Reasons of the hub's own, beside those of devices.base.SENTENCES.
HUB_SENTENCES = {
    "unknown-topic": N_("The topic is inside the gateway's tree but is none of ours"),
    "unknown-gateway": N_("No gateway is registered under the name {gateway}"),
    "unknown-device": N_("No device is registered under the name {device}; register it or check its name"),
    "other-gateway": N_("The device {device} is registered behind another gateway"),
    "other-area": N_("The gateway is registered in another area than the topic names"),
    "not-active": N_("The device {device} is not in use (state: {state})"),
    "unworkable": N_("The hub failed on this record ({error}) and kept it; tell whoever maintains Linli"),
    "conflict": N_("A reading of this device with this identity but other content is stored already"),
    "unknown-address": N_("No device with the address {address} is registered (message of {vendor})"),
    "no-profile": N_("The device {device} has no profile, so its frames cannot be read; give it one"),
}


class QuarantineRow(SQLModel, table=True):
    __tablename__ = "quarantine"
    id: str = Field(primary_key=True, max_length=36)
    entry: str = Field(max_length=64, unique=True)  # the same entry sent again is no second row
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    gateway: str = Field(max_length=64, index=True)
    device: str = Field(max_length=64)
    area: str = Field(max_length=12)
    codec: str = Field(max_length=64)
    reason: str = Field(max_length=32)
    sentence: str = Field(max_length=200)
    fields: str = Field(sa_column=Column(Text, nullable=False))
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    payload_bytes: int
    raw_sha256: str = Field(max_length=64)
    seen: bool = Field(default=False)


@dataclass(frozen=True, slots=True)
class Poison:
    """One record that cannot become a reading."""

    gateway: str
    device: str
    area: str
    codec: str
    reason: str
    sentence: str
    fields: dict[str, Any]
    payload: bytes
    entry: str  # identifies the sending, so that a redelivery is folded
    frame: str
    origin: Origin | None = None  # of a device that is held back: its frame may become a reading yet


def hub_poison(reason: str, **known: Any) -> dict[str, Any]:
    """Reason, sentence and fields for one of HUB_SENTENCES."""
    return {"reason": reason, "sentence": HUB_SENTENCES[reason], "fields": known}


def decode_poison(error: DecodeError) -> dict[str, Any]:
    return {"reason": error.reason, "sentence": error.sentence, "fields": dict(error.fields)}


def store(tx: Tx, poisons: list[Poison]) -> int:
    """Keep each once. Returns how many were new; the others were redeliveries."""
    by_entry = {hashlib.sha256(poison.entry.encode()).hexdigest(): poison for poison in reversed(poisons)}
    known = bulk.known(tx, "quarantine", "entry", by_entry)
    fresh = {entry: poison for entry, poison in reversed(by_entry.items()) if entry not in known}
    if not fresh:
        return 0
    rows = [_row(tx, entry, poison) for entry, poison in fresh.items()]
    tx.session.add_all(rows)
    tx.session.flush()
    for row, poison in zip(rows, fresh.values(), strict=True):
        tx.emit(
            FrameQuarantined,
            cause=poison.frame,
            quarantine=row.id,
            gateway=poison.gateway,
            device=poison.device,
            reason=poison.reason,
        )
    _keep(tx, zip(rows, fresh.values(), strict=True))
    _trim(tx)
    tx.touch("operations.quarantine", "all")
    return len(fresh)


def _keep(tx: Tx, fresh: Iterable[tuple[QuarantineRow, Poison]]) -> None:
    """The whole frames of devices that are held back, for when they are let back into use."""
    kept = [
        Kept(row.id, each.device, each.gateway, each.codec, each.payload, each.entry, each.frame, each.origin)
        for row, each in fresh
        if each.origin is not None
    ]
    if kept:
        held.keep(tx, kept)


def taken_in(tx: Tx, idents: Collection[str]) -> None:
    """These frames became readings after all: nobody need look at them any more."""
    tx.change(update(QuarantineRow).where(col(QuarantineRow.id).in_(idents)).values(seen=True))
    tx.touch("operations.quarantine", "all")


def judge_again(tx: Tx, ident: str, why: Mapping[str, Any]) -> None:
    """A frame was tried once more and refused for another reason; the row may have gone from the ring."""
    said = json.dumps(why["fields"], ensure_ascii=False, default=str)
    mine = update(QuarantineRow).where(col(QuarantineRow.id) == ident)
    tx.change(mine.values(reason=why["reason"], sentence=why["sentence"], fields=said, seen=False))
    tx.touch("operations.quarantine", "all")


def _row(tx: Tx, entry: str, poison: Poison) -> QuarantineRow:
    return QuarantineRow(
        id=tx.new_id(),
        entry=entry,
        at=tx.now(),
        gateway=poison.gateway,
        device=poison.device,
        area=poison.area,
        codec=poison.codec,
        reason=poison.reason,
        sentence=poison.sentence,
        fields=json.dumps(poison.fields, ensure_ascii=False, default=str),
        payload=tx.seal.close(poison.payload[:PAYLOAD_KEPT_BYTES], "quarantine.payload"),
        payload_bytes=len(poison.payload),
        raw_sha256=hashlib.sha256(poison.payload).hexdigest(),
    )


def _trim(tx: Tx) -> None:
    count = tx.session.execute(select(func.count()).select_from(QuarantineRow)).scalar_one()
    if count > ROWS_MAX:
        oldest = select(col(QuarantineRow.id)).order_by(col(QuarantineRow.at)).limit(count - ROWS_MAX)
        tx.session.execute(delete(QuarantineRow).where(col(QuarantineRow.id).in_(oldest)))


def newest(read: Read, limit: int = 50) -> list[QuarantineRow]:
    rows = read.session.execute(select(QuarantineRow).order_by(col(QuarantineRow.at).desc()).limit(limit))
    return list(rows.scalars())


def sentence(row: QuarantineRow) -> str:
    """The reason as one clear sentence in the reader's language."""
    return _(row.sentence).format(**json.loads(row.fields))


def words(reason: str) -> str:
    """A reason without its particulars, for a count of many."""
    return re.sub(r"\{\w+\}", "…", _(known_reasons().get(reason, reason)))


def known_reasons() -> dict[str, str]:
    return {**SENTENCES, **HUB_SENTENCES}

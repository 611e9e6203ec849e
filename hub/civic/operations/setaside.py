"""Quarantine as the operator sees it: the sentence in their language, and 已处理 once the cause is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import col

from hub import quarantine
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.events import Event
from hub.i18n import _
from hub.quarantine import QuarantineRow

SHOWN_MAX = 12
TOPIC = "operations.quarantine"


@dataclass(frozen=True, kw_only=True)
class QuarantineSeen(Event):
    """Somebody has looked after a frame that could not be read, or after all of them up to it."""

    quarantine: str
    count: int

    def subject(self) -> str:
        return self.quarantine


@dataclass(frozen=True, slots=True)
class Shown:
    row: QuarantineRow
    sentence: str


def view(read: Read, key: str) -> Mapping[str, Any]:
    """Frames nobody has looked after come first."""
    rule = select(QuarantineRow).order_by(col(QuarantineRow.seen), col(QuarantineRow.at).desc()).limit(SHOWN_MAX)
    rows = [Shown(row, quarantine.sentence(row)) for row in read.session.execute(rule).scalars()]
    total = read.session.execute(select(func.count()).select_from(QuarantineRow)).scalar_one()
    return {"rows": rows, "total": total, "unread": _unread(read), "now": read.now()}


def _unread(read: Read) -> int:
    rule = select(func.count()).select_from(QuarantineRow).where(col(QuarantineRow.seen).is_(False))
    return int(read.session.execute(rule).scalar_one())


def see(tx: Tx, ident: str, *, and_before: bool = False) -> int:
    """Mark one frame as dealt with, or it and all before it. Pressed twice, nothing more happens."""
    row = tx.session.get(QuarantineRow, ident)
    if row is None:
        raise NotFound(_("There is no such frame in quarantine"))
    rule = update(QuarantineRow).where(col(QuarantineRow.seen).is_(False)).values(seen=True)
    chosen = col(QuarantineRow.at) <= row.at if and_before else col(QuarantineRow.id) == ident
    count = tx.change(rule.where(chosen))
    if count:
        tx.emit(QuarantineSeen, quarantine=ident, count=count)
        tx.touch(TOPIC, "all")
        tx.touch("operations.work", "all")
    return count

"""Quarantine as the operator sees it: the sentence in their language, and 已处理 once the cause is mended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import col

from hub import quarantine
from hub.access import Subject
from hub.civic.operations import acts, scope
from hub.civic.operations.scope import Scope
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.events import Event
from hub.i18n import _
from hub.quarantine import QuarantineRow

SHOWN_MAX = 12
UNDO_MAX = 1_000  # frames marked by one press that can be taken back; past it nobody pressed by mistake
TOPIC, WORK = "operations.quarantine", "operations.work"


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
    """The frames of a scope; those nobody has looked after come first."""
    within = scope.parse(key).holds(QuarantineRow.area)
    first = (col(QuarantineRow.seen), col(QuarantineRow.at).desc())
    found = read.session.execute(select(QuarantineRow).where(within).order_by(*first).limit(SHOWN_MAX))
    rows = [Shown(row, quarantine.sentence(row)) for row in found.scalars()]
    count = select(func.count()).select_from(QuarantineRow).where(within)
    total = read.session.execute(count).scalar_one()
    unread = read.session.execute(count.where(col(QuarantineRow.seen).is_(False))).scalar_one()
    return {"rows": rows, "total": total, "unread": unread, "now": read.now()}


def see(tx: Tx, within: Scope, ident: str, *, and_before: bool = False, who: Subject | None = None) -> int:
    """Mark one frame of the scope as dealt with, or it and all of the scope before it. Pressed twice, nothing more
    happens; a frame of elsewhere is not there. What somebody marks they can take back for a while (acts.py).
    """
    held = within.holds(QuarantineRow.area)
    at = tx.session.execute(select(col(QuarantineRow.at)).where(col(QuarantineRow.id) == ident, held)).scalar()
    if at is None:
        raise NotFound(_("There is no such frame in quarantine"))
    chosen = col(QuarantineRow.at) <= at if and_before else col(QuarantineRow.id) == ident
    due = (col(QuarantineRow.seen).is_(False), held, chosen)
    areas = tx.session.execute(select(col(QuarantineRow.area)).where(*due).distinct()).scalars().all()
    chosen_ids = list(tx.session.execute(select(col(QuarantineRow.id)).where(*due).limit(UNDO_MAX + 1)).scalars())
    count = tx.change(update(QuarantineRow).where(*due).values(seen=True))
    if who is not None and 0 < len(chosen_ids) <= UNDO_MAX:
        acts.record(tx, who, "quarantine", "", "seen", json.dumps({"ids": chosen_ids}))
    if count:
        tx.emit(QuarantineSeen, quarantine=ident, count=count)
        for area in areas:
            scope.touch(tx, (TOPIC, WORK), area)
    return count


def unread(read: Read, scope: Scope) -> tuple[int, datetime | None]:
    """Quarantined frames of the scope that nobody has looked at, and since when."""
    count, oldest = read.session.execute(
        select(func.count(), func.min(col(QuarantineRow.at))).where(
            col(QuarantineRow.seen).is_(False), scope.holds(QuarantineRow.area)
        )
    ).one()
    return count, oldest

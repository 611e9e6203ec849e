"""Sightings: whoever opens somebody else's values leaves a line, and the person it is about can read it.

The line is an event like any other, so it stands in the audit chain and nobody can take it out again. It holds how many
readings were opened and where, never what stood in them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from hub.access import Subject
from hub.audit import AuditRow
from hub.db import Read, Tx
from hub.directory import Staff
from hub.events import ValuesSeen
from hub.i18n import pick
from hub.readings import Reading

TOPIC = "health.trust"  # drawn on the person's own page
LIST_MAX = 50


@dataclass(frozen=True, slots=True)
class Sighting:
    at: datetime
    who: str  # name and title of a member of staff, or "" for a program
    program: str
    where: str  # triage | hut | api | fhir
    count: int


def leave(tx: Tx, who: Subject, rows: Iterable[Reading], where: str) -> None:
    """One line for each person whose values these are, unless it is that person who looks."""
    counts = Counter(row.person for row in rows if row.person is not None)
    for person, count in sorted(counts.items()):
        if who.kind == "resident" and who.id == person:
            continue
        tx.emit(ValuesSeen, person=person, where=where, count=count)
        tx.touch(TOPIC, person)


def of_person(read: Read, person: str, limit: int = LIST_MAX) -> list[Sighting]:
    """Who has looked, newest first."""
    rule = select(AuditRow).where(col(AuditRow.subject) == person, col(AuditRow.kind) == ValuesSeen.__name__)
    rows = read.session.execute(rule.order_by(col(AuditRow.seq).desc()).limit(limit)).scalars()
    return [_sighting(read, row) for row in rows]


def _sighting(read: Read, row: AuditRow) -> Sighting:
    detail = json.loads(row.detail)
    kind, _colon, ident = row.actor.partition(":")
    staff = read.session.get(Staff, ident) if kind == "staff" else None
    who = f"{staff.name} · {pick(staff.title_zh, staff.title_en)}" if staff is not None else ""
    return Sighting(row.at, who.rstrip(" ·"), "" if staff is not None else ident, detail["where"], detail["count"])

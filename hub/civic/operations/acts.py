"""What operators do with the queue: acknowledge, take or hand over, put off, say something; each undone for 15 s.

A hold belongs to one trouble of one thing (its key in work.py) and goes when that trouble is over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.operations import scope
from hub.civic.operations.models import Act, Hold
from hub.db import Read, Tx
from hub.directory import Area, Staff, StaffRole
from hub.errors import Conflict, NotFound, Refused
from hub.events import Event
from hub.i18n import N_, _, pick
from hub.quarantine import QuarantineRow

UNDO = timedelta(seconds=15)
SNOOZES_MIN = (30, 120, 720)  # a coffee, a drive there, until the next shift
SAID_CHARS_MAX = 500
COLLEAGUES_MAX = 100
TOPIC, UNHELD = "operations.work", "unheld"
KINDS: Mapping[str, str] = {
    "ack": N_("Acknowledged"),
    "assign": N_("Handed to"),
    "snooze": N_("Put off until"),
    "comment": N_("Remark"),
    "seen": N_("Dealt with"),
}
TOOK = N_("Took it on")


@dataclass(frozen=True, kw_only=True)
class WorkActed(Event):
    """An operator did something about a thing in the queue. What they wrote stays in the act."""

    key: str
    act: str
    kind: str
    to: str | None = None

    def subject(self) -> str:
        return self.key[:128]


@dataclass(frozen=True, kw_only=True)
class WorkUndone(Event):
    key: str
    act: str

    def subject(self) -> str:
        return self.key[:128]


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as the queue shows it."""

    acked_by: str
    acked_at: datetime | None
    owner: str
    owned_at: datetime | None
    snoozed_until: datetime | None
    mark: str = ""

    def asleep(self, now: datetime) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > now


@dataclass(frozen=True, slots=True)
class Done:
    """One act as the page lists it."""

    id: str
    kind: str
    word: str  # msgid
    by: str
    at: datetime
    to: str
    until: datetime | None
    said: str | None
    undone: bool


def holds(read: Read) -> dict[str, Held]:
    rows = list(read.session.execute(select(Hold)).scalars())
    names = called(read, {name for row in rows for name in (row.acked_by, row.owner) if name})
    return {
        row.key: Held(
            names.get(row.acked_by or "", row.acked_by or ""),
            row.acked_at,
            names.get(row.owner or "", row.owner or ""),
            row.owned_at,
            row.snoozed_until,
            mark(row),
        )
        for row in rows
    }


def word_of(row: Act) -> str:
    return TOOK if row.kind == "assign" and row.to == row.by else KINDS[row.kind]


def mark(row: Hold | None) -> str:
    """Of what a page showed of a hold, so that nobody acts on what is not so any more."""
    return hashlib.sha256(_plain(row).encode()).hexdigest()[:12] if row is not None else UNHELD


def unchanged(read: Read, key: str, seen: str) -> None:
    """Raises with who was quicker, when the hold is not as the page showed it."""
    row = read.session.get(Hold, key, populate_existing=True)
    if seen == mark(row):
        return
    newest = next((done for done in history(read, key) if not done.undone and done.kind != "comment"), None)
    if newest is None:
        raise Conflict(_("Somebody took their act on it back a moment ago; look again before you act"))
    raise Conflict(
        _("{who} was quicker: {what}. Look again before you act").format(
            who=newest.by, what=f"{_(newest.word)} {newest.to}".strip()
        )
    )


def called(read: Read, idents: Collection[str]) -> dict[str, str]:
    """How colleagues are called here: the title, and the name masked."""
    if not idents:
        return {}
    rows = read.session.execute(select(Staff).where(col(Staff.id).in_(sorted(idents)))).scalars()
    return {row.id: f"{pick(row.title_zh, row.title_en)} {directory.masked(row.name)}".strip() for row in rows}


def colleagues(read: Read, area: str) -> dict[str, str]:
    """Operators whose areas hold this one: to whom something may be handed."""
    found = read.session.get(Area, area) if area else None
    above = found.path.split("/") if found else []
    rule = (
        select(col(Staff.id))
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .where(col(StaffRole.role) == "operator", col(Staff.active))
        .order_by(col(Staff.id))
        .limit(COLLEAGUES_MAX)
    )
    if above:
        rule = rule.where(col(StaffRole.area).in_(above))
    return called(read, set(read.session.execute(rule).scalars()))


def history(read: Read, key: str) -> list[Done]:
    rows = list(
        read.session.execute(select(Act).where(col(Act.key) == key).order_by(col(Act.at).desc()).limit(50)).scalars()
    )
    names = called(read, {name for row in rows for name in (row.by, row.to) if name})
    return [
        Done(
            row.id,
            row.kind,
            word_of(row),
            names.get(row.by, row.by),
            row.at,
            "" if row.to == row.by else names.get(row.to or "", row.to or ""),
            row.until,
            row.said,
            row.undone_at is not None,
        )
        for row in rows
    ]


def acknowledge(tx: Tx, who: Subject, key: str, area: str) -> Act:
    hold, before = _hold(tx, key)
    hold.acked_by, hold.acked_at = who.id, tx.now()
    return record(tx, who, key, area, "ack", before)


def assign(tx: Tx, who: Subject, key: str, area: str, to: str) -> Act:
    if to != who.id and to not in colleagues(tx, area):
        raise NotFound(_("There is no operator of this name for that area"))
    hold, before = _hold(tx, key)
    hold.owner, hold.owned_at = to, tx.now()
    return record(tx, who, key, area, "assign", before, to=to)


def snooze(tx: Tx, who: Subject, key: str, area: str, minutes: int) -> Act:
    if minutes not in SNOOZES_MIN:
        raise Refused(_("It can be put off for half an hour, two hours or until the next shift"))
    hold, before = _hold(tx, key)
    hold.snoozed_until, hold.snoozed_by = tx.now() + timedelta(minutes=minutes), who.id
    return record(tx, who, key, area, "snooze", before, until=hold.snoozed_until)


def comment(tx: Tx, who: Subject, key: str, area: str, said: str) -> Act:
    words = said.strip()
    if not words:
        raise Refused(_("Write what the next shift should know"))
    return record(tx, who, key, area, "comment", _plain(tx.session.get(Hold, key)), said=words[:SAID_CHARS_MAX])


def undo(tx: Tx, who: Subject, ident: str) -> Act:
    """Take one's own last act on a thing back, within 15 s of it."""
    act = tx.session.get(Act, ident)
    if act is None or act.by != who.id:
        raise NotFound(_("There is nothing of yours to take back"))
    if act.undone_at is not None:
        return act
    later = select(Act).where(
        col(Act.key) == act.key, col(Act.at) > act.at, col(Act.undone_at).is_(None), col(Act.kind) != "comment"
    )
    if tx.now() - act.at > UNDO or (act.kind != "comment" and tx.session.execute(later.limit(1)).scalar() is not None):
        raise Conflict(_("It is too late to take that back; do the next thing instead"))
    act.undone_at = tx.now()
    tx.session.add(act)
    if act.kind in ("ack", "assign", "snooze"):
        _restore(tx, act)
    if act.kind == "seen":
        ids = json.loads(act.before)["ids"]
        tx.change(update(QuarantineRow).where(col(QuarantineRow.id).in_(ids)).values(seen=False))
        tx.touch("operations.quarantine", scope.of(who).key)
    tx.emit(WorkUndone, key=act.key, act=act.id)
    _touch(tx, who)
    return act


def newest(read: Read, who: Subject, ident: str) -> Act | None:
    """One's own act that can still be taken back."""
    act = read.session.get(Act, ident) if ident else None
    good = act is not None and act.by == who.id and act.undone_at is None and read.now() - act.at <= UNDO
    return act if good else None


def left_ms(act: Act, now: datetime) -> int:
    """How long it can still be taken back: what is left, not a time of the day, for screens have their own clocks."""
    return max(0, round((act.at + UNDO - now).total_seconds() * 1000))


def forget(tx: Tx, standing: Collection[str]) -> int:
    """Let go of holds whose trouble is over: if it comes again, it is news again."""
    gone = sorted(set(tx.session.execute(select(col(Hold.key))).scalars()) - set(standing))
    return tx.change(delete(Hold).where(col(Hold.key).in_(gone))) if gone else 0


def _hold(tx: Tx, key: str) -> tuple[Hold, str]:
    row = tx.session.get(Hold, key)
    before = _plain(row)
    if row is None:
        row = Hold(key=key)
        tx.session.add(row)
    return row, before


def record(tx: Tx, who: Subject, key: str, area: str, kind: str, before: str, **more: Any) -> Act:
    act = Act(id=tx.new_id(), key=key, kind=kind, by=who.id, at=tx.now(), before=before, **more)
    tx.session.add(act)
    tx.session.flush()
    tx.emit(WorkActed, key=key, act=act.id, kind=kind, to=more.get("to"))
    scope.touch(tx, (TOPIC,), area)
    _touch(tx, who)
    return act


def _touch(tx: Tx, who: Subject) -> None:
    """The actor's own board shows it at once, whatever it was about; other boards find it with their next look."""
    tx.touch(TOPIC, scope.ALL)
    if key := scope.of(who).key:
        tx.touch(TOPIC, key)


def _restore(tx: Tx, act: Act) -> None:
    row = tx.session.get(Hold, act.key)
    if row is None:
        return  # the trouble itself is over
    before: dict[str, Any] = json.loads(act.before)
    for name in ("acked_by", "owner", "snoozed_by"):
        setattr(row, name, before.get(name))
    for name in ("acked_at", "owned_at", "snoozed_until"):
        said = before.get(name)
        setattr(row, name, datetime.fromisoformat(said) if said else None)
    tx.session.add(row)


def _plain(row: Hold | None) -> str:
    if row is None:
        return "{}"
    found: dict[str, Any] = {name: getattr(row, name) for name in ("acked_by", "owner", "snoozed_by")}
    for name in ("acked_at", "owned_at", "snoozed_until"):
        at = getattr(row, name)
        found[name] = at.isoformat() if at else None
    return json.dumps(found, sort_keys=True)

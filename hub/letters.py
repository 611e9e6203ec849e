"""Dead letters (死信): what could not be delivered, why, and sending it again.

Sent again under the same key, so that a provider that had it all along does not send it twice; never once the notice
is over. A list shows no person; who somebody is takes a reason, and both are on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select, true, update
from sqlmodel import col

from hub import bell, directory
from hub.db import Read, Tx
from hub.directory import Area, Building, Household, Resident
from hub.errors import NotFound, Refused
from hub.events import DeliveriesPlanned, Event
from hub.i18n import N_, _, pick
from hub.outbox import Fanout, Outbox
from hub.reach import ReachNotice

REASONS = {
    "tell": N_("To tell this person in another way"),
    "address": N_("To check the address with this person"),
    "asked": N_("This person asked about it"),
}
LISTED_MAX = 200
DEAD = "dead"


@dataclass(frozen=True, kw_only=True)
class LettersReplayed(Event):
    """Somebody had dead letters sent again."""

    notice: str
    channel: str
    count: int

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class LetterOpened(Event):
    """Somebody looked whom a dead letter was meant for, and why."""

    letter: str
    reason: str

    def subject(self) -> str:
        return self.letter


@dataclass(frozen=True, slots=True)
class Pile:
    """Dead letters of one notice on one channel that died of the same thing."""

    channel: str
    notice: str
    title: str
    personal: bool
    why: str
    count: int
    again: int  # of them, how many can still be sent
    since: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    id: str
    why: str
    attempts: int
    recall: bool  # it takes an earlier message back
    again: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Addressee:
    name: str
    door: str


def piles(read: Read, paths: Sequence[str]) -> list[Pile]:
    """What died within these areas, the youngest first."""
    last = func.max(col(Outbox.moved_at))
    rows = read.session.execute(
        _dead(
            paths, col(Outbox.channel), col(Outbox.notice), col(Outbox.why), func.max(col(Outbox.fanout)),
            func.count(), func.sum(case((_again(read.now()), 1), else_=0)), func.min(col(Outbox.moved_at)), last,
        )
        .group_by(col(Outbox.channel), col(Outbox.notice), col(Outbox.why))
        .order_by(last.desc())
        .limit(LISTED_MAX)
    ).all()  # fmt: skip
    about = select(Fanout).where(col(Fanout.id).in_({row[3] for row in rows}))
    words = {each.id: each for each in read.session.execute(about).scalars()}
    return [
        Pile(channel, notice, words[fanout].title, not words[fanout].audience, why, int(count), int(again), since, last)
        for channel, notice, why, fanout, count, again, since, last in rows
    ]


def letters(read: Read, paths: Sequence[str], channel: str, notice: str) -> list[Letter]:
    """One by one and without a person."""
    rows = read.session.execute(
        _dead(
            paths, col(Outbox.id), col(Outbox.why), col(Outbox.attempts), col(Outbox.purpose) == "recall",
            _again(read.now()), col(Outbox.moved_at),
        )
        .where(col(Outbox.channel) == channel, col(Outbox.notice) == notice)
        .order_by(col(Outbox.id))
        .limit(LISTED_MAX)
    )  # fmt: skip
    return [
        Letter(ident, why, attempts, bool(recall), bool(again), at) for ident, why, attempts, recall, again, at in rows
    ]


def replay(tx: Tx, paths: Sequence[str], *, letter: str = "", channel: str = "", notice: str = "") -> int:
    """Send again what may still be sent: one letter, or all of a notice on a channel. Pressed twice it is sent once."""
    chosen = _dead(paths, col(Outbox.id), col(Outbox.channel), col(Outbox.notice)).where(_again(tx.now()))
    if letter:
        chosen = chosen.where(col(Outbox.id) == letter)
    else:
        chosen = chosen.where(col(Outbox.channel) == channel, col(Outbox.notice) == notice)
    found = tx.session.execute(chosen.with_for_update(of=Outbox)).all()
    if not found:
        return 0
    fresh = {"state": "planned", "attempts": 0, "not_before": tx.now(), "moved_at": tx.now(), "why": ""}
    ids = [ident for ident, _channel, _notice in found]
    tx.session.execute(update(Outbox).where(col(Outbox.id).in_(ids), col(Outbox.state) == DEAD).values(fresh))
    _ident, on, of = found[0]
    tx.emit(LettersReplayed, notice=of, channel=on, count=len(found))
    tx.emit(DeliveriesPlanned, channel=on, notice=of, count=len(found))
    bell.pull(tx, on)
    tx.touch("notices.reach", of)
    return len(found)


def addressee(tx: Tx, paths: Sequence[str], letter: str, reason: str) -> Addressee:
    """Whom it was meant for. That somebody looked, and why, is written down first."""
    if reason not in REASONS:
        raise Refused(_("Say why you need to know whom it was meant for"))
    found = tx.session.execute(
        _dead(paths, col(Resident.id)).where(col(Outbox.id) == letter)
    ).scalar_one_or_none()  # fmt: skip
    if found is None:
        raise NotFound(_("There is no such dead letter"))
    tx.emit(LetterOpened, letter=letter, reason=reason)
    person = tx.session.get_one(Resident, found)
    home = tx.session.get_one(Household, person.household)
    building = tx.session.get_one(Building, home.building)
    return Addressee(person.name, directory.door(pick(building.zh, building.en), home.flat))


def _dead(paths: Sequence[str], *columns: Any) -> Select[Any]:
    """Dead deliveries to residents of these areas."""
    below = or_(false(), *[_below(path) for path in paths])
    chosen: Select[Any] = select(*columns)
    return (
        chosen.select_from(Outbox)
        .join(Resident, col(Resident.id) == col(Outbox.resident))
        .join(Area, col(Area.code) == col(Resident.area))
        .outerjoin(ReachNotice, col(ReachNotice.notice) == col(Outbox.notice))
        .where(col(Outbox.state) == DEAD, below)
    )


def _below(path: str) -> ColumnElement[bool]:
    """A grant of the whole tree has no path."""
    return or_(col(Area.path) == path, col(Area.path).startswith(f"{path}/")) if path else true()


def _again(now: datetime) -> ColumnElement[bool]:
    """Not run out; and the notice still in force in these words, or a message of its own: a correction, a reminder."""
    in_time = or_(col(Outbox.expires).is_(None), col(Outbox.expires) > now)
    in_force = and_(col(ReachNotice.open), col(ReachNotice.revision) == col(Outbox.revision))
    return and_(in_time, or_(in_force, col(ReachNotice.notice).is_(None), col(Outbox.purpose) == "recall"))

"""Recall: a device or a strip lot proved wrong, so all it measured between two dates is flagged, and nothing is edited.

A reading stays as it was stored. A flag is a row beside it; `readings.as_json` gives its reason among the others, and
whoever classifies asks `flags` first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Index, func, select
from sqlalchemy.sql import ColumnElement
from sqlmodel import Field, SQLModel, col

from hub import bulk
from hub.db import Read, Tx
from hub.errors import Refused
from hub.events import ReadingsRecalled
from hub.i18n import _
from hub.readings import Reading, to_ms
from hub.types import UtcTime

REASONS = ("recalled", "uncalibrated", "lot_bad")
WORDS_CHARS_MAX = 200
READINGS_MAX = 200_000  # a device's whole life; more at once is a mistake in the dates


class Recall(SQLModel, table=True):
    __tablename__ = "recall"
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(default="", max_length=64, index=True)
    lot: str = Field(default="", max_length=64)
    since: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    until: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    reason: str = Field(max_length=16)
    words: str = Field(max_length=WORDS_CHARS_MAX)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(max_length=128)
    readings: int


class ReadingFlag(SQLModel, table=True):
    """Rows are only added: a triggerless table that no code updates, and the audit log names every recall."""

    __tablename__ = "reading_flag"
    __table_args__ = (Index("ix_reading_flag_recall", "recall"),)
    reading: str = Field(primary_key=True, max_length=36)
    recall: str = Field(primary_key=True, max_length=36)
    reason: str = Field(max_length=16)


@dataclass(frozen=True, slots=True)
class Query:
    """All readings of a device or of a strip lot between two moments."""

    since: datetime
    until: datetime
    device: str = ""
    lot: str = ""

    def rule(self) -> tuple[ColumnElement[bool], ...]:
        if not self.device and not self.lot:
            raise Refused(_("Name a device or a lot"))
        if self.since >= self.until:
            raise Refused(_("The first day must come before the last"))
        when = (col(Reading.t_effective_ms) >= to_ms(self.since), col(Reading.t_effective_ms) < to_ms(self.until))
        device = (col(Reading.device) == self.device,) if self.device else ()
        # As JSON writes it: `lot` is frozen in the reading's context when it is taken.
        lot = (col(Reading.context).contains(f'"lot":"{self.lot}"', autoescape=True),) if self.lot else ()
        return (*when, *device, *lot)


@dataclass(frozen=True, slots=True)
class Found:
    readings: int
    people: int
    first_ms: int | None
    last_ms: int | None


def look(read: Read, query: Query) -> Found:
    """How many readings and how many people a recall would touch. No value is opened."""
    columns = (
        func.count(),
        func.count(func.distinct(col(Reading.person))),
        func.min(col(Reading.t_effective_ms)),
        func.max(col(Reading.t_effective_ms)),
    )
    return Found(*read.session.execute(select(*columns).select_from(Reading).where(*query.rule())).one())


def flag(tx: Tx, query: Query, reason: str, words: str) -> Recall:
    """Flag them all, for ever. Done twice it flags what came in since."""
    if reason not in REASONS:
        raise Refused(_("A recall's reason is one of: {reasons}").format(reasons=", ".join(REASONS)))
    if not words.strip():
        raise Refused(_("Say why: a resident may ask"))
    found = look(tx, query)
    if found.readings > READINGS_MAX:
        raise Refused(_("More than {n} readings; choose fewer days").format(n=READINGS_MAX))
    idents = list(tx.session.execute(select(col(Reading.id)).where(*query.rule())).scalars())
    made = Recall(
        id=tx.new_id(),
        device=query.device,
        lot=query.lot,
        since=query.since,
        until=query.until,
        reason=reason,
        words=words.strip()[:WORDS_CHARS_MAX],
        at=tx.now(),
        by=tx.actor.id,
        readings=len(idents),
    )
    tx.session.add(made)
    tx.session.flush()
    bulk.insert(tx, "reading_flag", ("reading", "recall", "reason"), [(each, made.id, reason) for each in idents])
    tx.emit(ReadingsRecalled, recall=made.id, device=query.device, lot=query.lot, reason=reason, count=len(idents))
    return made


def flags(read: Read, idents: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """The reasons later recalls gave to these readings."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in bulk.pages(idents):
        rule = select(col(ReadingFlag.reading), col(ReadingFlag.reason)).where(col(ReadingFlag.reading).in_(page))
        for reading, reason in read.session.execute(rule.order_by(col(ReadingFlag.recall))):
            if reason not in found[reading]:
                found[reading].append(reason)
    return {reading: tuple(reasons) for reading, reasons in found.items()}


@dataclass(frozen=True, slots=True)
class Flagged:
    """What later recalls said of a reading, and when the last one did."""

    reasons: tuple[str, ...]
    at: datetime


def flagged(read: Read, idents: Collection[str]) -> Mapping[str, Flagged]:
    """The same with its time, for whoever must say when a reading changed."""
    found: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for page in bulk.pages(idents):
        rule = select(col(ReadingFlag.reading), col(ReadingFlag.reason), col(Recall.at))
        rule = rule.join(Recall, col(Recall.id) == col(ReadingFlag.recall)).where(col(ReadingFlag.reading).in_(page))
        for reading, reason, at in read.session.execute(rule.order_by(col(Recall.at))):
            found[reading].append((reason, at))
    return {
        reading: Flagged(tuple(dict.fromkeys(reason for reason, _at in rows)), rows[-1][1])
        for reading, rows in found.items()
    }


def of_device(read: Read, device: str) -> Sequence[Recall]:
    rule = select(Recall).where(col(Recall.device) == device).order_by(col(Recall.at).desc())
    return list(read.session.execute(rule).scalars())

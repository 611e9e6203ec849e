"""The slice's tables: who has what of the queue, what was done there, and what alert rules saw, said and still say."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Text
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime


class Hold(SQLModel, table=True):
    """What a person has said of one thing in the queue. It goes when the thing itself is gone."""

    __tablename__ = "operations_hold"
    key: str = Field(primary_key=True, max_length=160)  # work.py: what it is about, and which trouble of it
    acked_by: str | None = Field(default=None, max_length=64)
    acked_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    owner: str | None = Field(default=None, max_length=64)
    owned_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    snoozed_until: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    snoozed_by: str | None = Field(default=None, max_length=64)


class Act(SQLModel, table=True):
    """One act of an operator, with what stood before it, so that it can be taken back for a while."""

    __tablename__ = "operations_act"
    __table_args__ = (Index("ix_operations_act_key_at", "key", "at"),)
    id: str = Field(primary_key=True, max_length=36)
    key: str = Field(max_length=160)
    kind: str = Field(max_length=16)  # ack | assign | snooze | comment | seen
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    to: str | None = Field(default=None, max_length=64)
    until: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    said: str | None = Field(default=None, sa_column=Column(SealedText("operations_act.said")))  # free words
    before: str = Field(sa_column=Column(Text, nullable=False))  # JSON
    undone_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class Figure(SQLModel, table=True):
    """The last word of a thing about itself: battery, signal, the air of the room. Never of a person."""

    __tablename__ = "operations_figure"
    subject: str = Field(primary_key=True, max_length=96)
    name: str = Field(primary_key=True, max_length=32)
    value: str = Field(max_length=32)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Look(SQLModel, table=True):
    """One entry of the ordered stream that alert rules are judged on: what changed since the last, or all of it."""

    __tablename__ = "operations_look"
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    kind: str = Field(max_length=8)  # full | look | ack
    body: str = Field(sa_column=Column(Text, nullable=False))  # JSON


class RuleSet(SQLModel, table=True):
    """One version of the alert rules: a text that two people have read. The newest that is in force judges."""

    __tablename__ = "operations_ruleset"
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    base: int
    text: str = Field(sa_column=Column(Text, nullable=False))
    why: str = Field(default="", max_length=200)
    state: str = Field(max_length=16)  # proposed | active | replaced | withdrawn
    made_by: str = Field(max_length=64)
    made_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    first_seq: int | None = Field(default=None, sa_type=BigInteger)  # of the stream: where it began to judge
    active_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class Verdict(SQLModel, table=True):
    """One line of what the rules in force have said. Rehearsal must give the same bytes."""

    __tablename__ = "operations_verdict"
    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    ruleset: int = Field(index=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    line: str = Field(sa_column=Column(Text, nullable=False))


class Snapshot(SQLModel, table=True):
    """What the rules remember after an entry of the stream, so that a start need not walk all of it."""

    __tablename__ = "operations_snapshot"
    ruleset: int = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
    body: str = Field(sa_column=Column(Text, nullable=False))


class Alarm(SQLModel, table=True):
    """An alarm a rule has raised, from then until it is over."""

    __tablename__ = "operations_alarm"
    __table_args__ = (Index("ix_operations_alarm_subject_raised", "subject", "raised"),)
    id: str = Field(primary_key=True, max_length=36)
    ruleset: int
    rule: str = Field(max_length=64)
    subject: str = Field(max_length=96)  # gateway:ID | device:ID | hub
    area: str = Field(default="", max_length=12)
    level: str = Field(max_length=8)  # info | warn | bad
    told: bool = Field(default=True)  # False: it waits for the end of the quiet hours
    to: str = Field(default="", max_length=32)  # the role it has climbed to
    raised: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    acked_by: str | None = Field(default=None, max_length=64)
    acked_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    cleared: datetime | None = Field(default=None, sa_column=Column(UtcTime, index=True))


class Summons(SQLModel, table=True):
    """An alarm and a call to a colleague that tells of it: that it began, that it eased, or that it is over."""

    __tablename__ = "operations_summons"
    alarm: str = Field(primary_key=True, max_length=36)
    call: str = Field(primary_key=True, max_length=36, index=True)
    contact: str = Field(max_length=36)
    role: str = Field(max_length=32)
    level: str = Field(max_length=8)
    what: str = Field(max_length=8)  # begun | eased | over
    look: int = Field(sa_type=BigInteger)  # of the stream: by which it was said

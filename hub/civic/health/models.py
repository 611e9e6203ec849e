"""The slice's tables: visits at a kiosk, what was judged of each reading, and what a person should look at."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Index, Text, text
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime


class KioskSession(SQLModel, table=True):
    """One visit at a hut's kiosk. It takes readings from `began` to `closed`; before, it is a card being looked at."""

    __tablename__ = "health_session"
    __table_args__ = (
        # One open session per kiosk, promised by the store itself.
        Index(
            "uq_health_session_open",
            "hut",
            unique=True,
            sqlite_where=text("closed IS NULL"),
            postgresql_where=text("closed IS NULL"),
        ),
        Index("ix_health_session_hut_closed", "hut", "closed"),
    )
    id: str = Field(primary_key=True, max_length=36)
    hut: str = Field(foreign_key="hut.id", max_length=64)
    area: str = Field(max_length=12)
    stage: str = Field(max_length=16)  # card | consent | ready | measuring | rest | result | history | slip
    focus: str = Field(default="", max_length=16)  # the kind being measured
    person: str | None = Field(default=None, max_length=64, index=True)  # only once they agreed
    candidate: str | None = Field(default=None, max_length=64)  # whose card it is, while they read what they agree to
    guest: bool = Field(default=False)
    opened: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    began: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    last_touch: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    hold_until: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # a rest is no absence
    warned: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    closed: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    why: str | None = Field(default=None, max_length=16)  # end | idle | next | tries
    reading: str | None = Field(default=None, max_length=36)  # what the result page shows
    note: str = Field(default="", max_length=32)  # unknown_card | minor | mistimed
    tries: int = Field(default=0)


class ReadingBand(SQLModel, table=True):
    """The word a reading was given, by which rule set. What it says of a body is sealed like the values."""

    __tablename__ = "health_band"
    reading: str = Field(primary_key=True, max_length=36)
    measure: str = Field(primary_key=True, max_length=16)
    verdict: str = Field(sa_column=Column(SealedText("health_band.verdict"), nullable=False))  # level/grade
    ruleset: str = Field(max_length=32)
    version: int
    used: str = Field(
        default="", sa_column=Column(Text, nullable=False, server_default="")
    )  # readings, blank-separated
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class HealthAlert(SQLModel, table=True):
    """Someone should look: an urgent value, or a call from the kiosk. No value and no person stands here."""

    __tablename__ = "health_alert"
    __table_args__ = (Index("ix_health_alert_area_state", "area", "state"),)
    id: str = Field(primary_key=True, max_length=36)
    session: str | None = Field(default=None, max_length=36, index=True)
    reading: str | None = Field(default=None, max_length=36)
    confirmed_by: str | None = Field(default=None, max_length=36)  # the second reading
    level: str = Field(max_length=16)  # first | confirmed | call
    rule: str = Field(max_length=32)
    ruleset: str = Field(default="", max_length=32)
    version: int = Field(default=0)
    hut: str | None = Field(default=None, max_length=64)
    area: str = Field(max_length=12)
    state: str = Field(default="open", max_length=16)  # open | done
    raised: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    due: date | None = Field(default=None)  # follow-up within 14 days (national norms)
    told_doctor: bool | None = Field(default=None)  # None: not asked yet
    taken_by: str | None = Field(default=None, max_length=128)  # who is on the way
    taken_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    done_by: str | None = Field(default=None, max_length=128)
    done_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class HealthTask(SQLModel, table=True):
    """A confirmed urgent value that its owner lets the family doctor know: to be followed up by a day."""

    __tablename__ = "health_task"
    __table_args__ = (
        Index("uq_health_task_alert", "alert", unique=True),
        Index("ix_health_task_area_state", "area", "state"),
    )
    id: str = Field(primary_key=True, max_length=36)
    alert: str = Field(max_length=36)
    person: str = Field(max_length=64, index=True)
    area: str = Field(max_length=12)
    basis: str = Field(max_length=16)  # kiosk | app: agreed to for this once; standing: agreed to beforehand
    state: str = Field(default="open", max_length=16)  # open | done | withdrawn
    opened: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    due: date


class HealthStep(SQLModel, table=True):
    """What the doctor did about a task. Undone or not, the line stays."""

    __tablename__ = "health_step"
    id: str = Field(primary_key=True, max_length=36)
    task: str = Field(max_length=36, index=True)
    what: str = Field(max_length=16)  # called | visited | referred
    by: str = Field(max_length=128)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    undone_by: str | None = Field(default=None, max_length=128)
    undone_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))

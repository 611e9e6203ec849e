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
    # What was said of the last meal, for the glucose that comes next.
    meal: str = Field(default="", max_length=16, sa_column_kwargs={"server_default": ""})


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


class PastBand(SQLModel, table=True):
    """A word that stood until something was put right: the new row stands in `health_band`, this one stays."""

    __tablename__ = "health_band_past"
    id: str = Field(primary_key=True, max_length=36)
    reading: str = Field(max_length=36, index=True)
    measure: str = Field(max_length=16)
    verdict: str = Field(sa_column=Column(SealedText("health_band_past.verdict"), nullable=False))
    ruleset: str = Field(max_length=32)
    version: int
    used: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    until: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    why: str = Field(max_length=16)  # meal


class Meal(SQLModel, table=True):
    """When somebody had last eaten before a glucose. Rows are only added; the newest one speaks."""

    __tablename__ = "health_meal"
    id: str = Field(primary_key=True, max_length=36)
    reading: str = Field(max_length=36, index=True)
    meal: str = Field(max_length=16)  # fasting | before | after | bedtime | casual
    source: str = Field(max_length=16)  # kiosk | skipped | phone
    by: str = Field(max_length=128)
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
    rung: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # 0 doctor | 1 deputy | 2 telephone list
    rung_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # since when it waits there
    held_by: str | None = Field(default=None, max_length=128)  # who has answered; nobody: the time runs
    held_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


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


class Cover(SQLModel, table=True):
    """Who answers for an area's urgent values: its doctor, the deputy, and whom to telephone when neither does."""

    __tablename__ = "health_cover"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    doctor: str = Field(default="", max_length=64)
    deputy: str = Field(default="", max_length=64)
    phones: str = Field(default="", sa_column=Column(Text, nullable=False))  # a line each: who, number
    changed_by: str = Field(max_length=128)
    changed_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Emergency(SQLModel, table=True):
    """Values opened without a yes because a life was in danger: by whom, why, who was informed, and until when."""

    __tablename__ = "health_emergency"
    id: str = Field(primary_key=True, max_length=36)
    alert: str = Field(max_length=36, index=True)
    person: str | None = Field(default=None, max_length=64, index=True)
    area: str = Field(max_length=12)
    by: str = Field(max_length=128)
    reason: str = Field(sa_column=Column(SealedText("health_emergency.reason"), nullable=False))
    second: str = Field(max_length=64, index=True)  # the colleague who was informed
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    until: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    noted_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class ErasureRequest(SQLModel, table=True):
    """Somebody without a phone asked at the desk to have readings erased; a second member of staff witnesses it."""

    __tablename__ = "health_erasure"
    __table_args__ = (Index("ix_health_erasure_area_state", "area", "state"),)
    id: str = Field(primary_key=True, max_length=36)
    person: str = Field(max_length=64)
    area: str = Field(max_length=12)
    day: date | None = Field(default=None)  # one day's readings; None: all of them
    state: str = Field(default="open", max_length=16)  # open | done | dropped
    asked_by: str = Field(max_length=128)
    asked_person: str = Field(max_length=64)  # the natural person behind that account
    asked_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    witness: str | None = Field(default=None, max_length=128)
    done_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    count: int = Field(default=0)

"""Tables of the visits slice: who walks which grid, whom to call on, and each knock at a door."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime


class Round(SQLModel, table=True):
    """Who walks a grid (网格): one person at a time."""

    __tablename__ = "visits_round"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    grid: int = Field(primary_key=True)
    staff: str = Field(foreign_key="staff.id", max_length=64, index=True)


class Visit(SQLModel, table=True):
    """One door to call at, for one reason, until one result stands or nobody need go any more."""

    __tablename__ = "visits_visit"
    id: str = Field(primary_key=True, max_length=36)
    key: str = Field(max_length=160, unique=True)  # notice | revision | household: asked twice is one visit
    area: str = Field(foreign_key="area.code", max_length=12)
    grid: int
    household: str = Field(foreign_key="household.id", max_length=64, index=True)
    whom: str = Field(default=" ", sa_column=Column(Text, nullable=False))  # " r-1 r-2 "; one blank: anybody there
    notice: str = Field(default="", max_length=36)
    revision: int = Field(default=0)
    title: str = Field(default="", max_length=120)
    priority: str = Field(max_length=16)
    rank: int  # the door's risk: the greater, the sooner somebody knocks
    reason: str = Field(max_length=16)  # unseen | no_address | hand
    words: str = Field(default="", sa_column=Column(SealedText("visits_visit.words"), nullable=False))
    opened_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    opened_by: str = Field(max_length=128)
    due: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    overdue: bool = Field(default=False)
    state: str = Field(default="open", max_length=16)  # open | desk | done | cancelled
    worker: str = Field(default="", max_length=64)  # whose it is; empty: the desk's
    holders: str = Field(default=" ", sa_column=Column(Text, nullable=False))  # " s-1 s-2 ": all it was ever given to
    tries: int = Field(default=0)
    tried: str = Field(default=" ", max_length=64)  # the parts of the day nobody was at home in
    again_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    result: str = Field(default="", max_length=16)
    closed_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    why: str = Field(default="", max_length=16)  # cancelled: seen | ended | revised | desk
    __table_args__ = (
        Index("ix_visits_visit_area_state", "area", "state"),
        Index("ix_visits_visit_worker_state", "worker", "state"),
        Index("ix_visits_visit_notice_revision", "notice", "revision"),
        Index("ix_visits_visit_state_due", "state", "due"),
    )


class Knock(SQLModel, table=True):
    """What one knock at the door gave. Rows are only added; of a visit's final ones exactly one stands."""

    __tablename__ = "visits_knock"
    id: str = Field(primary_key=True, max_length=36)
    key: str = Field(max_length=140, unique=True)  # who | the phone's own key: sent twice is one knock
    visit: str = Field(foreign_key="visits_visit.id", max_length=36, index=True)
    result: str = Field(max_length=16)
    person: str = Field(default="", max_length=64)  # who opened: met, or took it for the family
    note: str = Field(default="", sa_column=Column(SealedText("visits_knock.note"), nullable=False))
    signature: str = Field(default="", sa_column=Column(SealedText("visits_knock.signature"), nullable=False))
    way: str = Field(max_length=8)  # phone | paper
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))  # at the door, by the phone's clock
    received_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    late: bool = Field(default=False)  # 补报: came in well after the knock
    clock_off: bool = Field(default=False)  # the phone's clock could not be right; `at` is when it came in
    stands: bool
    why: str = Field(default="", max_length=16)  # why it does not stand: done, or the visit's own reason

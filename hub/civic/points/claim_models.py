"""Tables around a claim: what was declared and what became of it, its photos, objections, reminders, and transfers."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint, false
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime


class Claim(SQLModel, table=True):
    """An act somebody declares (积分申报). Its worth is fixed when it is credited, by the catalogue of its own day."""

    __tablename__ = "points_claim"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    owner_kind: str = Field(max_length=16)
    owner: str = Field(max_length=64)
    home: str = Field(default="", max_length=64)  # the owner's household: one act is not its person's and its home's
    item: str = Field(max_length=16)
    act_date: date
    minutes: int = Field(default=0)  # 0: the item counts no hours
    points: int  # what it will bring before caps; a minus deducts
    about: str = Field(default="", max_length=64)  # the one dwelling or neighbour a cap counts by
    number: str = Field(default="", max_length=64)  # of the document, ticket or activity that proves it
    words: str = Field(sa_column=Column(SealedText("points_claim.words"), nullable=False))
    place: str = Field(default="", max_length=80)
    of_minor: bool = Field(default=False)
    # One act, one key; NULL once it is refused or withdrawn, so that it may be declared anew.
    act: str | None = Field(default=None, max_length=64, unique=True)
    batch: str | None = Field(default=None, max_length=80, unique=True)  # `<file>:<row>` of a bulk import
    state: str = Field(max_length=16)
    held: str = Field(default="", max_length=36)  # the claim whose photo this one's resembles
    forced: bool = Field(default=False)  # a supervisor must sign whatever the item says
    began: int | None = Field(default=None)  # the minute of the day; what tells it apart from duty hours
    peer: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  # of staff: others approve it
    declared_by: str = Field(max_length=64)
    by_staff: bool = Field(default=False)
    declared_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    due: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # when publicity or the time to appeal ends
    settled_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    why: str | None = Field(default=None, sa_column=Column(SealedText("points_claim.why")))
    txn: str | None = Field(default=None, max_length=36, index=True)
    __table_args__ = (
        Index("ix_points_claim_area_state", "area", "state"),
        Index("ix_points_claim_owner", "owner"),
        Index("ix_points_claim_home_item", "home", "item"),
        Index("ix_points_claim_state_due", "state", "due"),
    )


class Photo(SQLModel, table=True):
    """Evidence. The picture goes when it has served; its marks stay, so that it cannot prove a second act."""

    __tablename__ = "points_photo"
    id: str = Field(primary_key=True, max_length=36)
    claim: str = Field(foreign_key="points_claim.id", max_length=36, index=True)
    digest: str = Field(max_length=64, index=True)
    likeness: str = Field(default="", max_length=16)  # near-duplicate hash; empty where a picture has no features
    type: str = Field(max_length=16)
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary))  # sealed
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))


class Objection(SQLModel, table=True):
    """我要申诉: against what is published, against an entry, or against a deduction that has been announced."""

    __tablename__ = "points_objection"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    claim: str | None = Field(default=None, max_length=36, index=True)
    txn: str | None = Field(default=None, max_length=36, index=True)
    by: str = Field(max_length=64)
    words: str = Field(sa_column=Column(SealedText("points_objection.words"), nullable=False))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    state: str = Field(default="open", max_length=16)  # open | upheld | rejected
    answer: str | None = Field(default=None, sa_column=Column(SealedText("points_objection.answer")))
    answered_by: str | None = Field(default=None, max_length=64)
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    __table_args__ = (Index("ix_points_objection_area_state", "area", "state"),)


class Reminder(SQLModel, table=True):
    """劝导: what comes before a deduction, in writing, twice."""

    __tablename__ = "points_reminder"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    account: str = Field(max_length=80, index=True)
    item: str = Field(max_length=16)
    day: date
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (UniqueConstraint("account", "item", "day", name="uq_points_reminder_account"),)


class Transfer(SQLModel, table=True):
    """Points on their way to a neighbour: they rest a day, and whoever sent them may think again."""

    __tablename__ = "points_transfer"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    source: str = Field(max_length=80, index=True)
    destination: str = Field(max_length=80, index=True)
    through: str = Field(max_length=80)  # the account they rest in
    amount: int
    state: str = Field(max_length=16)  # resting | done | cancelled
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    due: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    settled_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    __table_args__ = (Index("ix_points_transfer_state_due", "state", "due"),)


class Check(SQLModel, table=True):
    """抽查: one of the five in a hundred awards that nobody but an attendance sheet approved, and what was found."""

    __tablename__ = "points_check"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    txn: str = Field(primary_key=True, max_length=36)
    verdict: str = Field(max_length=16)  # sound | doubted
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))

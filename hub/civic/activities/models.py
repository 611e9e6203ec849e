"""Tables of the activities slice: what takes place, and who was there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.types import UtcTime


class Activity(SQLModel, table=True):
    __tablename__ = "activities_activity"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    zh: str = Field(max_length=80)
    en: str = Field(default="", max_length=120)
    item: str = Field(max_length=16)  # of the points catalogue
    starts: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    ends: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    place_zh: str = Field(max_length=80)
    place_en: str = Field(default="", max_length=120)
    state: str = Field(default="planned", max_length=16)  # planned | cancelled
    published_by: str = Field(max_length=64)
    published_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    seats: int = Field(default=0)  # 0: as many as like
    number: str | None = Field(default=None, max_length=64, unique=True, index=True)  # of a city-wide activity: once
    __table_args__ = (Index("ix_activities_activity_area_starts", "area", "starts"),)


class Sheet(SQLModel, table=True):
    """An attendance sheet (活动签到表): kept by one person, approved once by another."""

    __tablename__ = "activities_sheet"
    id: str = Field(primary_key=True, max_length=36)
    activity: str = Field(foreign_key="activities_activity.id", max_length=36, index=True)
    area: str = Field(foreign_key="area.code", max_length=12)
    state: str = Field(default="open", max_length=16)  # open | submitted | approved
    opened_by: str = Field(max_length=64)
    opened_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    submitted_by: str | None = Field(default=None, max_length=64)
    submitted_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    approved_by: str | None = Field(default=None, max_length=64)
    approved_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    __table_args__ = (Index("ix_activities_sheet_area_state", "area", "state"),)


class Row(SQLModel, table=True):
    """One account on a sheet, once: a person, a household (also for its children under 14), an organisation."""

    __tablename__ = "activities_row"
    sheet: str = Field(foreign_key="activities_sheet.id", primary_key=True, max_length=36)
    owner_kind: str = Field(primary_key=True, max_length=16)
    owner: str = Field(primary_key=True, max_length=64)
    minutes: int
    of_minor: bool = Field(default=False)
    added_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Signup(SQLModel, table=True):
    """报名."""

    __tablename__ = "activities_signup"
    activity: str = Field(foreign_key="activities_activity.id", primary_key=True, max_length=36)
    resident: str = Field(primary_key=True, max_length=64, index=True)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Presence(SQLModel, table=True):
    """签到、签退: when somebody came and went, by the hub's own clock. One phone signs in one person."""

    __tablename__ = "activities_presence"
    activity: str = Field(foreign_key="activities_activity.id", primary_key=True, max_length=36)
    resident: str = Field(primary_key=True, max_length=64)
    came: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    went: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    device: str | None = Field(default=None, max_length=32)
    by: str = Field(default="", max_length=64)  # who entered it at the counter; empty: the person's own phone
    why: str = Field(default="", max_length=160)
    __table_args__ = (UniqueConstraint("activity", "device", name="uq_activities_presence_activity"),)

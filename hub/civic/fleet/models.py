"""The slice's tables: claim codes, certificates, strip lots and their control checks, and why a device is held back."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Index, Text, text
from sqlmodel import Field, SQLModel

from hub.types import UtcTime

NOTHING_SAID = 1_000  # days; more than any step of a warning


class Claim(SQLModel, table=True):
    """A device that is registered and stands nowhere yet. The code on its label is kept as a hash."""

    __tablename__ = "fleet_claim"
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(max_length=64, unique=True)
    profile: str = Field(max_length=64)
    serial: str | None = Field(default=None, max_length=64)
    area: str = Field(max_length=12)  # it may be set up in any hut below
    code_hash: str = Field(max_length=64, unique=True)
    made: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    made_by: str = Field(max_length=128)
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    used_by: str = Field(default="", max_length=128)


class Try(SQLModel, table=True):
    """Wrong codes of one person: a short code must not be found by trying."""

    __tablename__ = "fleet_try"
    who: str = Field(primary_key=True, max_length=128)
    tries: int = Field(default=0)
    since: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Certificate(SQLModel, table=True):
    """What a metrological institute wrote of a device. Rows are only added; the newest one speaks."""

    __tablename__ = "fleet_certificate"
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(max_length=64, index=True)
    number: str = Field(max_length=64)
    institute: str = Field(max_length=80)
    standard: str = Field(max_length=64)
    issued: date
    due: date = Field(index=True)  # the last day on which it holds
    result: str = Field(max_length=8)  # pass | fail
    file_sha256: str = Field(default="", max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(max_length=128)
    said_days: int = Field(default=NOTHING_SAID)  # the last warning that was given: 30, 7, 1, 0 (it is over)


class StripLot(SQLModel, table=True):
    """Strips in use in a meter, and the range its control solution must fall into."""

    __tablename__ = "fleet_lot"
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(max_length=64, index=True)
    number: str = Field(max_length=64)
    expires: date
    low: str = Field(max_length=16)
    high: str = Field(max_length=16)
    unit: str = Field(max_length=16)
    opened: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    closed: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    by: str = Field(max_length=128)


class ControlCheck(SQLModel, table=True):
    """One measurement of control solution: no person's value."""

    __tablename__ = "fleet_check"
    __table_args__ = (Index("ix_fleet_check_device_at", "device", "at"),)
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(max_length=64)
    lot: str = Field(max_length=64)
    value: str = Field(max_length=16)
    ok: bool
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(max_length=128)
    reading: str | None = Field(default=None, max_length=36)


class Hold(SQLModel, table=True):
    """Why a device is kept out of use, until somebody releases it with a reason."""

    __tablename__ = "fleet_hold"
    __table_args__ = (
        Index(
            "uq_fleet_hold_open",
            "device",
            "rule",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
    )
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(max_length=64)
    gateway: str = Field(default="", max_length=64)
    area: str = Field(max_length=12)
    rule: str = Field(max_length=32)  # of rules.toml
    fields: str = Field(default="{}", sa_column=Column(Text, nullable=False))  # what the sentence is filled with
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    released_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    released_by: str = Field(default="", max_length=128)
    why: str = Field(default="", max_length=200)

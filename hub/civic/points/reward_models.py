"""Tables of the mall and of the money behind it: rewards, redemptions, budgets, PINs, and a community's own caps."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Column, Index, text
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime

_HELD = text("state = 'held'")


class Reward(SQLModel, table=True):
    """What a community gives for points: a service, goods, an honour or a policy benefit."""

    __tablename__ = "points_reward"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    kind: str = Field(max_length=16)  # service | goods | honour | policy
    zh: str = Field(max_length=64)
    en: str = Field(max_length=96)
    price: int  # points of one; 0 for an honour that is reached, not bought
    fen: int  # what one costs the community
    stock: int | None = Field(default=None)  # None: as many as are asked for
    stars: int = Field(default=0)  # the level it takes, 0 for none
    organisations: bool = Field(default=False)
    state: str = Field(default="on", max_length=8)  # on | off
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (
        CheckConstraint("stock >= 0", name="stock"),
        CheckConstraint("price >= 0 AND fen >= 0", name="price"),
        CheckConstraint("kind IN ('service', 'goods', 'honour', 'policy')", name="kind"),
        CheckConstraint("kind <> 'honour' OR fen = 0", name="honour"),
    )


class Slot(SQLModel, table=True):
    """A time at which so many can have a service."""

    __tablename__ = "points_slot"
    id: str = Field(primary_key=True, max_length=36)
    reward: str = Field(foreign_key="points_reward.id", max_length=36, index=True)
    starts: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    places: int
    taken: int = Field(default=0)
    __table_args__ = (CheckConstraint("taken >= 0 AND taken <= places", name="places"),)


class Redemption(SQLModel, table=True):
    """One reward set aside for one account, at the price of that moment. The code itself is kept as a mark only."""

    __tablename__ = "points_redemption"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    reward: str = Field(foreign_key="points_reward.id", max_length=36)
    slot: str | None = Field(default=None, foreign_key="points_slot.id", max_length=36)
    account: str = Field(foreign_key="points_account.id", max_length=80, index=True)
    resident: str | None = Field(default=None, max_length=64)  # who asked; None for an organisation
    price: int
    fen: int
    year: int  # whose money it is
    state: str = Field(max_length=16)  # held | picked | cancelled | unclaimed
    code: str = Field(sa_column=Column(SealedText("points.code"), nullable=False))  # its owner reads it on the phone
    mark: str = Field(max_length=32)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    until: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    entered_by: str | None = Field(default=None, max_length=64)  # staff, when it was asked for at the counter
    witness: str | None = Field(default=None, max_length=64)  # staff who stood beside, when no PIN was given
    settled_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    settled_by: str | None = Field(default=None, max_length=64)
    offline: str | None = Field(default=None, foreign_key="points_offline.id", max_length=36, index=True)
    disputed_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    dispute: str = Field(default="", max_length=200)
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    answer: str = Field(default="", max_length=200, sa_column_kwargs={"server_default": ""})
    witness_said: str = Field(default="", max_length=8, sa_column_kwargs={"server_default": ""})  # yes | no
    __table_args__ = (
        Index("uq_points_redemption_code", "area", "mark", unique=True, sqlite_where=_HELD, postgresql_where=_HELD),
        Index("ix_points_redemption_state", "state", "until"),
        Index("ix_points_redemption_area_at", "area", "at"),
    )


class Offline(SQLModel, table=True):
    """A counter that works without a line: what it took along can be handed over there and nowhere else."""

    __tablename__ = "points_offline"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    name: str = Field(default="", max_length=40, sa_column_kwargs={"server_default": ""})  # as it stands on its table
    until: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # what it took along is free again then


class Pin(SQLModel, table=True):
    """Four digits a resident keys in at the counter, as Argon2 keeps them."""

    __tablename__ = "points_pin"
    resident: str = Field(primary_key=True, foreign_key="resident.id", max_length=64)
    phc: str = Field(max_length=128)
    tries: int = Field(default=0)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Budget(SQLModel, table=True):
    """A community's money of one year. The figures are accounts of the ledger; here stands how they were granted."""

    __tablename__ = "points_budget"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    year: int = Field(primary_key=True)
    residents: int  # on the first of January
    rate_fen: int
    city_percent: int
    alerted: int = Field(default=0)  # the highest of 70, 85, 95 and 100 that was told
    closed_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class LocalItem(SQLModel, table=True):
    """What a community changed of the catalogue from a day on: switched off, or with lower caps. Never edited."""

    __tablename__ = "points_local_item"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    item: str = Field(max_length=16)
    since: date
    off: bool
    limits: str = Field(max_length=64)  # of the item's caps in their order, `20,60`
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (Index("ix_points_local_item_area", "area", "item", "since"),)


class OfflineLine(SQLModel, table=True):
    """How a line of a counter that was away was settled: once, however often it is sent. Refused, it is a conflict."""

    __tablename__ = "points_offline_line"
    offline: str = Field(foreign_key="points_offline.id", primary_key=True, max_length=36)
    redemption: str = Field(primary_key=True, max_length=36)
    state: str = Field(max_length=16)  # picked | refused
    why: str = Field(default="", max_length=160)
    handed_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # as the counter's own clock says
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(max_length=64)
    seen_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # somebody looked into the conflict


class Duty(SQLModel, table=True):
    """Weekly duty hours of somebody on the staff: in them no points are earned."""

    __tablename__ = "points_duty"
    staff: str = Field(foreign_key="staff.id", primary_key=True, max_length=64)
    weekday: int = Field(primary_key=True)  # 0 is Monday
    starts: int = Field(primary_key=True)  # minutes of the day, in the community's zone
    ends: int
    by: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("starts >= 0 AND starts < ends AND ends <= 1440", name="hours"),
    )


class Certificate(SQLModel, table=True):
    """What a certificate says, under a number by which a stranger can check it. It is issued, never edited."""

    __tablename__ = "points_certificate"
    id: str = Field(primary_key=True, max_length=36)
    code: str = Field(max_length=24, unique=True)
    resident: str = Field(foreign_key="resident.id", max_length=64, index=True)
    area: str = Field(foreign_key="area.code", max_length=12)
    kind: str = Field(max_length=16)  # honour | service
    stars: int = Field(default=0)
    earned: int = Field(default=0)
    minutes: int = Field(default=0)
    first: date | None = Field(default=None)
    last: date | None = Field(default=None)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(max_length=64)

"""The ledger's three tables. What they promise is enforced by the database itself: see guards.py."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, UniqueConstraint
from sqlalchemy.dialects import sqlite
from sqlmodel import Field, SQLModel

from hub.types import UtcTime


class Account(SQLModel, table=True):
    """Who may hold points, and how many there are: the sum of its postings, kept by the database (guards.py)."""

    __tablename__ = "points_account"
    id: str = Field(primary_key=True, max_length=80)  # `<kind>-<owner>`: known before it is opened
    area: str = Field(foreign_key="area.code", max_length=12)
    kind: str = Field(max_length=16)  # person household organisation | issue redeem deduct pool hold suspense
    owner: str = Field(max_length=64)  # a resident, household or organisation; for the house's own, `<area>-<year>`
    balance: int = Field(default=0, sa_type=BigInteger)
    earned: int = Field(default=0, sa_type=BigInteger)  # lifetime awards: the level. Spending never lowers it
    floor: int | None = Field(default=0, sa_type=BigInteger)  # NULL only for issue
    at_posting: int = Field(default=0, sa_type=BigInteger)  # the last posting this balance holds
    opened: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (
        UniqueConstraint("kind", "owner"),
        CheckConstraint("balance >= floor", name="covered"),
        CheckConstraint("floor <= 0", name="floor"),
        CheckConstraint("(kind = 'issue') = (floor IS NULL)", name="issue"),
        Index("ix_points_account_area_kind", "area", "kind"),
        Index("ix_points_account_owner", "owner"),
    )


class Txn(SQLModel, table=True):
    """Why points moved: what for, by which catalogue, who signed. Written once, never changed."""

    __tablename__ = "points_txn"
    id: str = Field(primary_key=True, max_length=36)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    reason: str = Field(max_length=16)  # award share reversal false_claim
    reference: str = Field(max_length=160, unique=True)  # at most once, for ever
    item: str | None = Field(default=None, max_length=16)
    catalogue: str | None = Field(default=None, max_length=32)  # its version on the date of the act
    act_date: date | None = Field(default=None)
    about: str | None = Field(default=None, max_length=64)  # the one dwelling or neighbour a cap counts by
    proposer: str | None = Field(default=None, max_length=64)
    verifier: str | None = Field(default=None, max_length=64)
    approver: str | None = Field(default=None, max_length=64)
    third: str | None = Field(default=None, max_length=64)  # 三瓣章
    evidence: str | None = Field(default=None, max_length=160, index=True)  # a reference or a hash, never a name
    cause: str | None = Field(default=None, max_length=128)
    actor: str = Field(max_length=128)
    on_behalf_of: str | None = Field(default=None, max_length=128)
    reverses: str | None = Field(default=None, foreign_key="points_txn.id", max_length=36, unique=True)


class Posting(SQLModel, table=True):
    """`amount` points from `source` to `destination`: a sum of zero, because nothing else can be said."""

    __tablename__ = "points_posting"
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(sqlite.INTEGER(), "sqlite"), primary_key=True, autoincrement=True),
    )
    txn: str = Field(foreign_key="points_txn.id", max_length=36, index=True)
    source: str = Field(foreign_key="points_account.id", max_length=80, index=True)
    destination: str = Field(foreign_key="points_account.id", max_length=80, index=True)
    amount: int = Field(sa_type=BigInteger)
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("source <> destination", name="ends"),
    )

"""The ledger's tables, for points and for money (fen). What they promise the database itself enforces: guards.py."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, UniqueConstraint, text
from sqlalchemy.dialects import sqlite
from sqlmodel import Field, SQLModel

from hub.types import UtcTime

POINTS, FEN = "points", "fen"  # two ledgers in one set of tables; no posting has one end in each


class Account(SQLModel, table=True):
    """Who may hold points or money, and how much there is: the sum of its postings, kept by the database itself."""

    __tablename__ = "points_account"
    id: str = Field(primary_key=True, max_length=80)  # `<kind>-<owner>`: known before it is opened
    area: str = Field(foreign_key="area.code", max_length=12)
    # person household organisation | issue redeem deduct pool hold suspense | in fen: issue available encumbered spent
    kind: str = Field(max_length=16)
    owner: str = Field(max_length=64)  # a resident, household or organisation; for the house's own, `<area>-<year>`
    balance: int = Field(default=0, sa_type=BigInteger)
    earned: int = Field(default=0, sa_type=BigInteger)  # lifetime awards: the level. Spending never lowers it
    floor: int | None = Field(default=0, sa_type=BigInteger)  # NULL only for issue
    at_posting: int = Field(default=0, sa_type=BigInteger)  # the last posting this balance holds
    opened: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    unit: str = Field(default=POINTS, max_length=8, sa_column_kwargs={"server_default": POINTS})
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
    reason: str = Field(max_length=16)  # award share reversal false_claim hold void ...
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
    # Added later, so nullable as columns; the triggers ask for area, rule and link in every new row.
    area: str | None = Field(default=None, max_length=12)  # the community in whose chain it stands
    rule: str | None = Field(default=None, max_length=64)  # `<rule>@<version>` by which it was decided
    until: datetime | None = Field(default=None, sa_column=Column(UtcTime, nullable=True))  # of a hold
    settles: str | None = Field(default=None, max_length=36)  # the hold that this posts or voids, once
    link: int | None = Field(default=None, sa_type=BigInteger)
    __table_args__ = (
        Index(
            "uq_points_txn_settles", "settles", unique=True,
            sqlite_where=text("settles IS NOT NULL"), postgresql_where=text("settles IS NOT NULL"),
        ),
        Index(
            "ix_points_txn_until", "until",
            sqlite_where=text("until IS NOT NULL"), postgresql_where=text("until IS NOT NULL"),
        ),
        Index("ix_points_txn_link", "link"),
    )  # fmt: skip


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


class Link(SQLModel, table=True):
    """One link of a community's hash chain: all that one transaction of the store wrote in it (chain.py)."""

    __tablename__ = "points_link"
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(sqlite.INTEGER(), "sqlite"), primary_key=True, autoincrement=True),
    )
    area: str = Field(max_length=12)
    month: str = Field(max_length=7)  # `2026-11`, in the community's own zone
    seq: int  # in its month, from 1
    entries: int
    prev: str = Field(max_length=64)
    hash: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (UniqueConstraint("area", "month", "seq"),)


class Checked(SQLModel, table=True):
    """How far a community's chain was recomputed from its first link on, and what was found then (proof.py)."""

    __tablename__ = "points_checked"
    area: str = Field(primary_key=True, max_length=12)
    month: str = Field(max_length=7)  # of the last link that was checked
    seq: int
    head: str = Field(max_length=64)
    link: int = Field(sa_type=BigInteger)  # the newest of all links then; what is newer is the tail
    posting: int = Field(sa_type=BigInteger)
    links: int = Field(sa_type=BigInteger)
    entries: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    broken: str = Field(default="", max_length=64)  # the first place that did not hold, `2026-11 #7`

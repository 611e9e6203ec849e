"""Two ledgers, reservations, a rule on every entry, and a hash chain for each community.

Entries from before get their community's first link, made from the rows as they stand on the day of the upgrade. The
guards are put in place here only, in their newest form: before this version they could not name these columns.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from hub.civic.points import chain, guards

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def _of_a_txn() -> list[sa.Column[Any]]:
    return [
        sa.Column("area", sa.String(12), nullable=True),
        sa.Column("rule", sa.String(64), nullable=True),
        sa.Column("until", _TIME, nullable=True),
        sa.Column("settles", sa.String(36), nullable=True),
        sa.Column("link", sa.BigInteger(), nullable=True),
    ]


def upgrade() -> None:
    guards.remove(op.get_bind())
    op.create_table(
        "points_link",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_link")),
        sa.UniqueConstraint("area", "month", "seq", name=op.f("uq_points_link_area_month_seq")),
    )
    op.add_column("points_account", sa.Column("unit", sa.String(8), nullable=False, server_default="points"))
    for column in _of_a_txn():
        op.add_column("points_txn", column)
    _seal_what_stands()
    for name, asked, unique in (
        ("uq_points_txn_settles", "settles", True),
        ("ix_points_txn_until", "until", False),
    ):
        some = sa.text(f"{asked} IS NOT NULL")
        op.create_index(name, "points_txn", [asked], unique=unique, sqlite_where=some, postgresql_where=some)
    op.create_index("ix_points_txn_link", "points_txn", ["link"])
    guards.install(op.get_bind())


def _seal_what_stands() -> None:
    bind = op.get_bind()
    bind.execute(
        sa.text(
            "UPDATE points_txn SET"
            " rule = CASE WHEN reason = 'award' THEN item || '@' || catalogue ELSE reason || '@1' END,"
            " area = (SELECT a.area FROM points_posting p JOIN points_account a ON a.id = p.source"
            " WHERE p.txn = points_txn.id)"
        )
    )
    kept = [name for name in chain.COLUMNS if name not in ("unit", "source", "destination", "amount")]
    typed: dict[str, Any] = {"at": _TIME, "until": _TIME, "act_date": sa.Date()}
    txn = sa.table("points_txn", *(sa.column(name, typed.get(name, sa.String())) for name in [*kept, "link"]))
    posting = sa.table(
        "points_posting", *(sa.column(name) for name in ("id", "txn", "source", "destination", "amount"))
    )
    query = (
        sa.select(txn, posting.c.source, posting.c.destination, posting.c.amount)
        .join(posting, posting.c.txn == txn.c.id)
        .order_by(txn.c.area, posting.c.id)
    )
    rows = [_aware(dict(row)) for row in bind.execute(query).mappings()]
    for area, mine in groupby(rows, key=lambda row: str(row["area"])):
        _first_link(bind, area, list(mine))


def _aware(row: dict[str, Any]) -> dict[str, Any]:
    """SQLite gives times without their zone, which is UTC."""
    row["unit"], at = "points", row["at"]
    row["at"] = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return row


def _first_link(bind: sa.Connection, area: str, rows: list[dict[str, Any]]) -> None:
    hashes = [chain.entry_hash(chain.cells(row)) for row in rows]
    last: datetime = rows[-1]["at"]
    month = last.strftime("%Y-%m")
    found = chain.link_hash(chain.GENESIS, area, month, 1, hashes)
    link = sa.table(
        "points_link",
        *(sa.column(name) for name in ("id", "area", "month", "seq", "entries", "prev", "hash")),
        sa.column("at", _TIME),
    )
    made = bind.execute(
        sa.insert(link)
        .values(area=area, month=month, seq=1, entries=len(rows), prev=chain.GENESIS, hash=found, at=last)
        .returning(link.c.id)
    ).scalar_one()
    bind.execute(sa.text("UPDATE points_txn SET link = :link WHERE area = :area"), {"link": made, "area": area})


def downgrade() -> None:
    guards.remove(op.get_bind())
    for name in ("ix_points_txn_link", "ix_points_txn_until", "uq_points_txn_settles"):
        op.drop_index(name, "points_txn")
    for gone in reversed(_of_a_txn()):
        op.drop_column("points_txn", str(gone.name))
    op.drop_column("points_account", "unit")
    op.drop_table("points_link")

"""Tables of the points slice. The triggers that guard them come with 0022, whose columns they name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.civic.points import guards

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _account()
    _txn()
    _posting()


def _account() -> None:
    op.create_table(
        "points_account",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=True),
        sa.Column("at_posting", sa.BigInteger(), nullable=False),
        sa.Column("opened", _TIME, nullable=False),
        sa.CheckConstraint("balance >= floor", name=op.f("ck_points_account_covered")),
        sa.CheckConstraint("floor <= 0", name=op.f("ck_points_account_floor")),
        sa.CheckConstraint("(kind = 'issue') = (floor IS NULL)", name=op.f("ck_points_account_issue")),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_points_account_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_account")),
        sa.UniqueConstraint("kind", "owner", name=op.f("uq_points_account_kind_owner")),
    )
    op.create_index("ix_points_account_area_kind", "points_account", ["area", "kind"])
    op.create_index("ix_points_account_owner", "points_account", ["owner"])


def _txn() -> None:
    op.create_table(
        "points_txn",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(160), nullable=False),
        sa.Column("item", sa.String(16), nullable=True),
        sa.Column("catalogue", sa.String(32), nullable=True),
        sa.Column("act_date", sa.Date(), nullable=True),
        sa.Column("about", sa.String(64), nullable=True),
        sa.Column("proposer", sa.String(64), nullable=True),
        sa.Column("verifier", sa.String(64), nullable=True),
        sa.Column("approver", sa.String(64), nullable=True),
        sa.Column("third", sa.String(64), nullable=True),
        sa.Column("evidence", sa.String(160), nullable=True),
        sa.Column("cause", sa.String(128), nullable=True),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("on_behalf_of", sa.String(128), nullable=True),
        sa.Column("reverses", sa.String(36), nullable=True),
        sa.ForeignKeyConstraint(["reverses"], ["points_txn.id"], name=op.f("fk_points_txn_reverses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_txn")),
        sa.UniqueConstraint("reference", name=op.f("uq_points_txn_reference")),
        sa.UniqueConstraint("reverses", name=op.f("uq_points_txn_reverses")),
    )
    op.create_index(op.f("ix_points_txn_at"), "points_txn", ["at"])
    op.create_index(op.f("ix_points_txn_evidence"), "points_txn", ["evidence"])


def _posting() -> None:
    op.create_table(
        "points_posting",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("txn", sa.String(36), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("destination", sa.String(80), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_points_posting_amount")),
        sa.CheckConstraint("source <> destination", name=op.f("ck_points_posting_ends")),
        sa.ForeignKeyConstraint(["txn"], ["points_txn.id"], name=op.f("fk_points_posting_txn")),
        sa.ForeignKeyConstraint(["source"], ["points_account.id"], name=op.f("fk_points_posting_source")),
        sa.ForeignKeyConstraint(["destination"], ["points_account.id"], name=op.f("fk_points_posting_destination")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_posting")),
    )
    for column in ("txn", "source", "destination"):
        op.create_index(op.f(f"ix_points_posting_{column}"), "points_posting", [column])


def downgrade() -> None:
    guards.remove(op.get_bind())
    for table in ("points_posting", "points_txn", "points_account"):
        op.drop_table(table)

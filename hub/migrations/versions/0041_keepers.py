"""Who acts for an organisation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None
_STANDS = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "points_keeper",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("organisation", sa.String(64), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_points_keeper"),
        sa.ForeignKeyConstraint(["organisation"], ["organisation.id"], name="fk_points_keeper_organisation"),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_points_keeper_resident"),
        sa.CheckConstraint("role IN ('keeper', 'contact')", name="role"),
    )
    op.create_index("ix_points_keeper_resident", "points_keeper", ["resident"])
    op.create_index(
        "uq_points_keeper_standing", "points_keeper", ["organisation", "resident"], unique=True,
        sqlite_where=_STANDS, postgresql_where=_STANDS,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("points_keeper")

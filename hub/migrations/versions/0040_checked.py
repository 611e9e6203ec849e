"""How far each community's chain was recomputed, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "points_checked",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("link", sa.BigInteger(), nullable=False),
        sa.Column("posting", sa.BigInteger(), nullable=False),
        sa.Column("links", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("broken", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("area", name="pk_points_checked"),
    )


def downgrade() -> None:
    op.drop_table("points_checked")

"""Whose television a box is, and how much is new for that home."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("household", sa.String(64), nullable=True))
    op.add_column("session", sa.Column("person", sa.String(64), nullable=True))
    op.add_column("session", sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_session_household", "session", ["household"])
    op.create_table(
        "boxes_news",
        sa.Column("household", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("household", name="pk_boxes_news"),
    )


def downgrade() -> None:
    op.drop_table("boxes_news")
    op.drop_index("ix_session_household", "session")
    op.drop_column("session", "bound_at")
    op.drop_column("session", "person")
    op.drop_column("session", "household")

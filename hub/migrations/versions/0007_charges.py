"""What messages cost, by notice and channel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_charge",
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("fen", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notice", "channel", name="pk_message_charge"),
    )


def downgrade() -> None:
    op.drop_table("message_charge")

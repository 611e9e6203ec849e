"""What a day allows on each channel, how each provider does, and counters for deliveries that are over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_quota",
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("fen", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "day", name="pk_channel_quota"),
    )
    op.create_table(
        "channel_state",
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("messages_max", sa.Integer(), nullable=True),
        sa.Column("fen_max", sa.Integer(), nullable=True),
        sa.Column("reserve_percent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_state"),
    )
    op.create_table(
        "outbox_fold",
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notice", "channel", "purpose", "state", name="pk_outbox_fold"),
    )
    op.add_column("outbox", sa.Column("counted_day", sa.Date(), nullable=True))
    op.add_column("outbox", sa.Column("counted_fen", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("fanout", sa.Column("folded", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_outbox_tried", "outbox", ["channel", "rank", "not_before"],
        sqlite_where=sa.text("counted_day IS NOT NULL"), postgresql_where=sa.text("counted_day IS NOT NULL"),
    )  # fmt: skip
    op.create_index("ix_fanout_folded", "fanout", ["folded"])


def downgrade() -> None:
    op.drop_index("ix_fanout_folded", "fanout")
    op.drop_index("ix_outbox_tried", "outbox")
    op.drop_column("fanout", "folded")
    op.drop_column("outbox", "counted_fen")
    op.drop_column("outbox", "counted_day")
    for table in ("outbox_fold", "channel_state", "channel_quota"):
        op.drop_table(table)

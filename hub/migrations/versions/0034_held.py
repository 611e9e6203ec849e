"""Frames of a device that was held back, kept whole; what other rooms ask of an operator, as lines of the queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held_frame",
        sa.Column("quarantine", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("codec", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("anchor", sa.String(128), nullable=True),
        sa.Column("boot", sa.String(64), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("entry", sa.String(256), nullable=False),
        sa.Column("frame", sa.String(36), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("quarantine", name="pk_held_frame"),
    )
    op.create_index("ix_held_frame_state_device", "held_frame", ["state", "device"])
    op.create_index("ix_held_frame_received", "held_frame", ["received"])
    op.create_table(
        "operations_matter",
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_operations_matter"),
    )
    op.create_index("ix_operations_matter_device", "operations_matter", ["device"])
    # What is held back already is in the queue from the first look on; its own page says why.
    op.execute(
        """INSERT INTO operations_matter (key, device, area, level, zh, en, at)
        SELECT 'device/' || device || '/held-' || rule, device, area,
        CASE WHEN rule IN ('unknown-device', 'other-serial') THEN 'look' ELSE 'held' END,
        '原因见设备页', 'its page says why', at FROM fleet_hold WHERE released_at IS NULL"""
    )


def downgrade() -> None:
    op.drop_table("operations_matter")
    op.drop_table("held_frame")

"""How far a notice is followed up: its ladder, each step once, and whom a fan-out could leave out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fanout", sa.Column("seen", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "notices_ladder",
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("edition", sa.String(16), nullable=False),
        sa.Column("rungs", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("notice", "revision", name="pk_notices_ladder"),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_ladder_notice_notices_notice"),
    )
    op.create_index("ix_notices_ladder_state", "notices_ladder", ["state"])
    op.create_table(
        "notices_ladder_step",
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("cursor", sa.String(80), nullable=False),
        sa.Column("met", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("notice", "revision", "rung", "way", name="pk_notices_ladder_step"),
    )
    op.create_index("ix_notices_ladder_step_state", "notices_ladder_step", ["state"])


def downgrade() -> None:
    op.drop_table("notices_ladder_step")
    op.drop_table("notices_ladder")
    with op.batch_alter_table("fanout") as table:
        table.drop_column("seen")

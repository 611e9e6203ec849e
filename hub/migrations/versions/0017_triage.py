"""Health: the doctor's tasks with their steps, who is on the way to a call, which readings a word leans on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("health_band", sa.Column("used", sa.Text(), nullable=False, server_default=""))
    op.add_column("health_alert", sa.Column("taken_by", sa.String(128), nullable=True))
    op.add_column("health_alert", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "health_task",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("alert", sa.String(36), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("basis", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_health_task"),
    )
    op.create_index("uq_health_task_alert", "health_task", ["alert"], unique=True)
    op.create_index("ix_health_task_person", "health_task", ["person"])
    op.create_index("ix_health_task_area_state", "health_task", ["area", "state"])
    op.create_table(
        "health_step",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("task", sa.String(36), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_by", sa.String(128), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_health_step"),
    )
    op.create_index("ix_health_step_task", "health_step", ["task"])


def downgrade() -> None:
    op.drop_table("health_step")
    op.drop_table("health_task")
    op.drop_column("health_alert", "taken_at")
    op.drop_column("health_alert", "taken_by")
    op.drop_column("health_band", "used")

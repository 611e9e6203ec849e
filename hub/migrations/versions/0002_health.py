"""Tables of the health slice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_session",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("hut", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("focus", sa.String(16), nullable=False),
        sa.Column("person", sa.String(64), nullable=True),
        sa.Column("candidate", sa.String(64), nullable=True),
        sa.Column("guest", sa.Boolean(), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_touch", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warned", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.String(16), nullable=True),
        sa.Column("reading", sa.String(36), nullable=True),
        sa.Column("note", sa.String(32), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["hut"], ["hut.id"], name="fk_health_session_hut"),
        sa.PrimaryKeyConstraint("id", name="pk_health_session"),
    )
    op.create_index(
        "uq_health_session_open",
        "health_session",
        ["hut"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_index("ix_health_session_hut_closed", "health_session", ["hut", "closed"])
    op.create_index("ix_health_session_person", "health_session", ["person"])
    op.create_table(
        "health_band",
        sa.Column("reading", sa.String(36), nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("verdict", sa.LargeBinary(), nullable=False),
        sa.Column("ruleset", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reading", "measure", name="pk_health_band"),
    )
    op.create_table(
        "health_alert",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("session", sa.String(36), nullable=True),
        sa.Column("reading", sa.String(36), nullable=True),
        sa.Column("confirmed_by", sa.String(36), nullable=True),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("ruleset", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hut", sa.String(64), nullable=True),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("raised", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.Date(), nullable=True),
        sa.Column("told_doctor", sa.Boolean(), nullable=True),
        sa.Column("done_by", sa.String(128), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_health_alert"),
    )
    op.create_index("ix_health_alert_area_state", "health_alert", ["area", "state"])
    op.create_index("ix_health_alert_session", "health_alert", ["session"])


def downgrade() -> None:
    op.drop_table("health_alert")
    op.drop_table("health_band")
    op.drop_table("health_session")

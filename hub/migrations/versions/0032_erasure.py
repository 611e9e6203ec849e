"""Health: what was erased, meals, earlier words, who covers for the doctor, and acts in danger of life."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _erasure()
    _words()
    _cover()


def _erasure() -> None:
    op.create_table(
        "erasure",
        sa.Column("reading", sa.String(36), nullable=False),
        sa.Column("person", sa.String(64), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("reading", name="pk_erasure"),
    )
    op.create_index("ix_erasure_person", "erasure", ["person"])
    op.create_table(
        "health_erasure",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_by", sa.String(128), nullable=False),
        sa.Column("asked_person", sa.String(64), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("witness", sa.String(128), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_health_erasure"),
    )
    op.create_index("ix_health_erasure_area_state", "health_erasure", ["area", "state"])


def _words() -> None:
    op.create_table(
        "health_meal",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("reading", sa.String(36), nullable=False),
        sa.Column("meal", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_health_meal"),
    )
    op.create_index("ix_health_meal_reading", "health_meal", ["reading"])
    op.create_table(
        "health_band_past",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("reading", sa.String(36), nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("verdict", sa.LargeBinary(), nullable=False),
        sa.Column("ruleset", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("used", sa.Text(), nullable=False, server_default=""),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_health_band_past"),
    )
    op.create_index("ix_health_band_past_reading", "health_band_past", ["reading"])
    op.add_column("health_session", sa.Column("meal", sa.String(16), nullable=False, server_default=""))


def _cover() -> None:
    op.add_column("health_task", sa.Column("rung", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("health_task", sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("health_task", sa.Column("held_by", sa.String(128), nullable=True))
    op.add_column("health_task", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "health_cover",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("doctor", sa.String(64), nullable=False),
        sa.Column("deputy", sa.String(64), nullable=False),
        sa.Column("phones", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(128), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("area", name="pk_health_cover"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_health_cover_area_area"),
    )
    op.create_table(
        "health_emergency",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("alert", sa.String(36), nullable=False),
        sa.Column("person", sa.String(64), nullable=True),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("second", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_health_emergency"),
    )
    op.create_index("ix_health_emergency_alert", "health_emergency", ["alert"])
    op.create_index("ix_health_emergency_person", "health_emergency", ["person"])
    op.create_index("ix_health_emergency_second", "health_emergency", ["second"])


def downgrade() -> None:
    for table in ("health_emergency", "health_cover", "health_band_past", "health_meal", "health_erasure", "erasure"):
        op.drop_table(table)
    for column in ("held_at", "held_by", "rung_at", "rung"):
        op.drop_column("health_task", column)
    op.drop_column("health_session", "meal")

"""Who walks which grid, whom to call on, and what each knock at a door gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rounds()
    _visits()
    _knocks()


def _rounds() -> None:
    op.create_table(
        "visits_round",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("grid", sa.Integer(), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("area", "grid", name="pk_visits_round"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_visits_round_area_area"),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_visits_round_staff_staff"),
    )
    op.create_index("ix_visits_round_staff", "visits_round", ["staff"])


def _visits() -> None:
    op.create_table(
        "visits_visit",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("grid", sa.Integer(), nullable=False),
        sa.Column("household", sa.String(64), nullable=False),
        sa.Column("whom", sa.Text(), nullable=False),
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.String(128), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("worker", sa.String(64), nullable=False),
        sa.Column("holders", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tried", sa.String(64), nullable=False),
        sa.Column("again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visits_visit"),
        sa.UniqueConstraint("key", name="uq_visits_visit_key"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_visits_visit_area_area"),
        sa.ForeignKeyConstraint(["household"], ["household.id"], name="fk_visits_visit_household_household"),
    )
    op.create_index("ix_visits_visit_household", "visits_visit", ["household"])
    op.create_index("ix_visits_visit_area_state", "visits_visit", ["area", "state"])
    op.create_index("ix_visits_visit_worker_state", "visits_visit", ["worker", "state"])
    op.create_index("ix_visits_visit_notice_revision", "visits_visit", ["notice", "revision"])
    op.create_index("ix_visits_visit_state_due", "visits_visit", ["state", "due"])


def _knocks() -> None:
    op.create_table(
        "visits_knock",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(140), nullable=False),
        sa.Column("visit", sa.String(36), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("way", sa.String(8), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("clock_off", sa.Boolean(), nullable=False),
        sa.Column("stands", sa.Boolean(), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visits_knock"),
        sa.UniqueConstraint("key", name="uq_visits_knock_key"),
        sa.ForeignKeyConstraint(["visit"], ["visits_visit.id"], name="fk_visits_knock_visit_visits_visit"),
    )
    op.create_index("ix_visits_knock_visit", "visits_knock", ["visit"])


def downgrade() -> None:
    op.drop_table("visits_knock")
    op.drop_table("visits_visit")
    op.drop_table("visits_round")

"""Claims with photos, objections and reminders; transfers that rest; signing up, in and out of an activity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _claims()
    _beside_claims()
    _transfers()
    _activities()


def _claims() -> None:
    op.create_table(
        "points_claim",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("owner_kind", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("home", sa.String(64), nullable=False),
        sa.Column("item", sa.String(16), nullable=False),
        sa.Column("act_date", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("about", sa.String(64), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.String(80), nullable=False),
        sa.Column("of_minor", sa.Boolean(), nullable=False),
        sa.Column("act", sa.String(64), nullable=True),
        sa.Column("batch", sa.String(80), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("held", sa.String(36), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("declared_by", sa.String(64), nullable=False),
        sa.Column("by_staff", sa.Boolean(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.LargeBinary(), nullable=True),
        sa.Column("txn", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_points_claim"),
        sa.UniqueConstraint("act", name="uq_points_claim_act"),
        sa.UniqueConstraint("batch", name="uq_points_claim_batch"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_points_claim_area_area"),
    )
    for columns in (["area", "state"], ["owner"], ["home", "item"], ["state", "due"], ["txn"]):
        op.create_index("ix_points_claim_" + "_".join(columns), "points_claim", columns)


def _beside_claims() -> None:
    op.create_table(
        "points_photo",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("claim", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("likeness", sa.String(16), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_points_photo"),
        sa.ForeignKeyConstraint(["claim"], ["points_claim.id"], name="fk_points_photo_claim_points_claim"),
    )
    for column in ("claim", "digest", "at"):
        op.create_index(f"ix_points_photo_{column}", "points_photo", [column])
    op.create_table(
        "points_objection",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("claim", sa.String(36), nullable=True),
        sa.Column("txn", sa.String(36), nullable=True),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("answered_by", sa.String(64), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_points_objection"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_points_objection_area_area"),
    )
    for columns in (["claim"], ["txn"], ["area", "state"]):
        op.create_index("ix_points_objection_" + "_".join(columns), "points_objection", columns)
    op.create_table(
        "points_reminder",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("item", sa.String(16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_points_reminder"),
        sa.UniqueConstraint("account", "item", "day", name="uq_points_reminder_account"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_points_reminder_area_area"),
    )
    op.create_index("ix_points_reminder_account", "points_reminder", ["account"])


def _transfers() -> None:
    op.create_table(
        "points_transfer",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("destination", sa.String(80), nullable=False),
        sa.Column("through", sa.String(80), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_points_transfer"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_points_transfer_area_area"),
    )
    for columns in (["source"], ["destination"], ["state", "due"]):
        op.create_index("ix_points_transfer_" + "_".join(columns), "points_transfer", columns)
    op.create_table(
        "points_check",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("txn", sa.String(36), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("area", "txn", name="pk_points_check"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_points_check_area_area"),
    )


def _activities() -> None:
    op.add_column("activities_activity", sa.Column("seats", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("activities_activity", sa.Column("number", sa.String(64), nullable=True))
    op.create_index("ix_activities_activity_number", "activities_activity", ["number"], unique=True)
    op.create_table(
        "activities_signup",
        sa.Column("activity", sa.String(36), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("activity", "resident", name="pk_activities_signup"),
        sa.ForeignKeyConstraint(
            ["activity"], ["activities_activity.id"], name="fk_activities_signup_activity_activities_activity"
        ),
    )
    op.create_index("ix_activities_signup_resident", "activities_signup", ["resident"])
    op.create_table(
        "activities_presence",
        sa.Column("activity", sa.String(36), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("came", sa.DateTime(timezone=True), nullable=False),
        sa.Column("went", sa.DateTime(timezone=True), nullable=True),
        sa.Column("device", sa.String(32), nullable=True),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("why", sa.String(160), nullable=False),
        sa.PrimaryKeyConstraint("activity", "resident", name="pk_activities_presence"),
        sa.UniqueConstraint("activity", "device", name="uq_activities_presence_activity"),
        sa.ForeignKeyConstraint(
            ["activity"], ["activities_activity.id"], name="fk_activities_presence_activity_activities_activity"
        ),
    )


def downgrade() -> None:
    op.drop_table("activities_presence")
    op.drop_table("activities_signup")
    op.drop_index("ix_activities_activity_number", "activities_activity")
    op.drop_column("activities_activity", "number")
    op.drop_column("activities_activity", "seats")
    for table in ("check", "transfer", "reminder", "objection", "photo", "claim"):
        op.drop_table(f"points_{table}")

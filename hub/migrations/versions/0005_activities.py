"""Tables of the activities slice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "activities_activity",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("zh", sa.String(80), nullable=False),
        sa.Column("en", sa.String(120), nullable=False),
        sa.Column("item", sa.String(16), nullable=False),
        sa.Column("starts", _TIME, nullable=False),
        sa.Column("ends", _TIME, nullable=False),
        sa.Column("place_zh", sa.String(80), nullable=False),
        sa.Column("place_en", sa.String(120), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("published_by", sa.String(64), nullable=False),
        sa.Column("published_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_activities_activity_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities_activity")),
    )
    op.create_index("ix_activities_activity_area_starts", "activities_activity", ["area", "starts"])
    _sheet()


def _sheet() -> None:
    op.create_table(
        "activities_sheet",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("activity", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_by", sa.String(64), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("submitted_by", sa.String(64), nullable=True),
        sa.Column("submitted_at", _TIME, nullable=True),
        sa.Column("approved_by", sa.String(64), nullable=True),
        sa.Column("approved_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["activity"], ["activities_activity.id"], name=op.f("fk_activities_sheet_activity")),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_activities_sheet_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities_sheet")),
    )
    op.create_index(op.f("ix_activities_sheet_activity"), "activities_sheet", ["activity"])
    op.create_index("ix_activities_sheet_area_state", "activities_sheet", ["area", "state"])
    op.create_table(
        "activities_row",
        sa.Column("sheet", sa.String(36), nullable=False),
        sa.Column("owner_kind", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("of_minor", sa.Boolean(), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["sheet"], ["activities_sheet.id"], name=op.f("fk_activities_row_sheet")),
        sa.PrimaryKeyConstraint("sheet", "owner_kind", "owner", name=op.f("pk_activities_row")),
    )


def downgrade() -> None:
    for table in ("activities_row", "activities_sheet", "activities_activity"):
        op.drop_table(table)

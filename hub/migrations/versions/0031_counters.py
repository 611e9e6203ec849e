"""Counters with leases that end, duty hours of staff, certificates that a stranger can check."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("points_offline", sa.Column("name", sa.String(40), nullable=False, server_default=""))
    op.add_column("points_offline", sa.Column("until", _TIME, nullable=True))
    op.create_table(
        "points_offline_line",
        sa.Column("offline", sa.String(36), nullable=False),
        sa.Column("redemption", sa.String(36), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String(160), nullable=False),
        sa.Column("handed_at", _TIME, nullable=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("seen_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("offline", "redemption", name="pk_points_offline_line"),
        sa.ForeignKeyConstraint(["offline"], ["points_offline.id"], name="fk_points_offline_line_offline"),
    )
    op.add_column("points_claim", sa.Column("began", sa.Integer(), nullable=True))
    op.add_column("points_claim", sa.Column("peer", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "points_duty",
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("ends", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("staff", "weekday", "starts", name="pk_points_duty"),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_points_duty_staff"),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        sa.CheckConstraint("starts >= 0 AND starts < ends AND ends <= 1440", name="hours"),
    )
    op.create_table(
        "points_certificate",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(24), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("earned", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("first", sa.Date(), nullable=True),
        sa.Column("last", sa.Date(), nullable=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_points_certificate"),
        sa.UniqueConstraint("code", name="uq_points_certificate_code"),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_points_certificate_resident"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_points_certificate_area"),
    )
    op.create_index("ix_points_certificate_resident", "points_certificate", ["resident"])


def downgrade() -> None:
    op.drop_table("points_certificate")
    op.drop_table("points_duty")
    op.drop_column("points_claim", "peer")
    op.drop_column("points_claim", "began")
    op.drop_table("points_offline_line")
    op.drop_column("points_offline", "until")
    op.drop_column("points_offline", "name")

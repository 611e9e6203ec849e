"""Whom to call: public telephone numbers of offices and services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guides_contact",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("zh", sa.String(60), nullable=False),
        sa.Column("en", sa.String(120), nullable=False),
        sa.Column("phone", sa.String(40), nullable=False),
        sa.Column("hours_zh", sa.String(120), nullable=False),
        sa.Column("hours_en", sa.String(240), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_guides_contact"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_guides_contact_area"),
    )
    op.create_index("ix_guides_contact_area", "guides_contact", ["area"])


def downgrade() -> None:
    op.drop_table("guides_contact")

"""Guides: what one must bring, do and pay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TEXTS = ("steps_zh", "steps_en", "papers_zh", "papers_en")


def upgrade() -> None:
    op.create_table(
        "guides_guide",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("zh", sa.String(60), nullable=False),
        sa.Column("en", sa.String(120), nullable=False),
        sa.Column("who_zh", sa.String(200), nullable=False),
        sa.Column("who_en", sa.String(400), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in TEXTS),
        sa.Column("fee_fen", sa.Integer(), nullable=False),
        sa.Column("fee_note_zh", sa.String(120), nullable=False),
        sa.Column("fee_note_en", sa.String(240), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("hours_zh", sa.String(120), nullable=False),
        sa.Column("hours_en", sa.String(240), nullable=False),
        sa.Column("place_zh", sa.String(120), nullable=False),
        sa.Column("place_en", sa.String(240), nullable=False),
        sa.Column("phone", sa.String(40), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_guides_guide"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_guides_guide_area"),
    )
    op.create_index("ix_guides_guide_area_state", "guides_guide", ["area", "state"])


def downgrade() -> None:
    op.drop_table("guides_guide")

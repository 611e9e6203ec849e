"""What the loudspeakers of a place are to say, whose recorded voice says it, and which of them have said it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices_speech",
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("wanted_by", sa.String(128), nullable=False),
        sa.Column("wanted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notice", "revision", "area", name="pk_notices_speech"),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_speech_notice_notices_notice"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_notices_speech_area_area"),
    )
    op.create_index("ix_notices_speech_area", "notices_speech", ["area"])
    op.create_table(
        "notices_played",
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("voice", sa.String(8), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notice", "revision", "round", "speaker", name="pk_notices_played"),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_played_notice_notices_notice"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_notices_played_area_area"),
    )
    op.create_table(
        "notices_clip",
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.Column("level_db", sa.Integer(), nullable=False),
        sa.Column("kept_by", sa.String(128), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notice", "revision", name="pk_notices_clip"),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_clip_notice_notices_notice"),
    )
    op.create_index("ix_notices_clip_sha256", "notices_clip", ["sha256"])


def downgrade() -> None:
    op.drop_table("notices_clip")
    op.drop_table("notices_played")
    op.drop_table("notices_speech")

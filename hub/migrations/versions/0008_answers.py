"""What residents ask back about a notice, and who answers it by when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices_answer",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("replied_by", sa.String(64), nullable=False),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notices_answer"),
        sa.UniqueConstraint("key", name="uq_notices_answer_key"),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_answer_notice_notices_notice"),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_notices_answer_resident_resident"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_notices_answer_area_area"),
    )
    for column in ("notice", "resident", "area", "due", "replied_at"):
        op.create_index(f"ix_notices_answer_{column}", "notices_answer", [column])


def downgrade() -> None:
    op.drop_table("notices_answer")

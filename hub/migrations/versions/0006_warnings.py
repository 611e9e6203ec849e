"""Warnings of other offices as they came (CAP), and what an all-clear needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notices_notice", sa.Column("warning", sa.String(36), nullable=False, server_default=""))
    op.add_column("notices_notice", sa.Column("cover_until", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "notices_cap",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("sender", sa.String(200), nullable=False),
        sa.Column("paths", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_by", sa.String(128), nullable=False),
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("put_aside_by", sa.String(128), nullable=False),
        sa.Column("put_aside_why", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices_cap"),
        sa.UniqueConstraint("identity", name="uq_notices_cap_identity"),
    )
    op.create_index("ix_notices_cap_sender", "notices_cap", ["sender"])
    op.create_index("ix_notices_cap_received_at", "notices_cap", ["received_at"])


def downgrade() -> None:
    op.drop_table("notices_cap")
    op.drop_column("notices_notice", "cover_until")
    op.drop_column("notices_notice", "warning")

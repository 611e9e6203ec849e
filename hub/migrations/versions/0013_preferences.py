"""What residents want of messages: switches, quiet hours, the daily overview; and when a proof of reading was known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preference",
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("own_quiet", sa.Boolean(), nullable=False),
        sa.Column("quiet_start", sa.Integer(), nullable=False),
        sa.Column("quiet_end", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("digest_at", sa.Integer(), nullable=True),
        sa.Column("digest_channel", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("resident", name="pk_preference"),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_preference_resident_resident"),
    )
    op.create_table(
        "opt_out",
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("topic", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("resident", "channel", "topic", name="pk_opt_out"),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_opt_out_resident_resident"),
    )
    op.create_table(
        "digest_item",
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("outbox", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("resident", "notice", name="pk_digest_item"),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_digest_item_resident_resident"),
    )
    op.create_index("ix_digest_item_due", "digest_item", ["state", "due"])
    op.create_index("ix_digest_item_outbox", "digest_item", ["outbox"])
    for column in ("declined", "digested"):
        op.add_column("fanout", sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("reach", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE reach SET seen_at = at WHERE level >= 4")


def downgrade() -> None:
    op.drop_column("reach", "seen_at")
    for column in ("digested", "declined"):
        op.drop_column("fanout", column)
    for table in ("digest_item", "opt_out", "preference"):
        op.drop_table(table)

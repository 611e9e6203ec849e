"""Who has what of the operators' queue, and the alert rules: their versions, the stream they judge, what they said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _queue()
    _stream()
    op.create_table(
        "operations_alarm",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("ruleset", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(96), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("to", sa.String(32), nullable=False),
        sa.Column("raised", TIME, nullable=False),
        sa.Column("acked_by", sa.String(64), nullable=True),
        sa.Column("acked_at", TIME, nullable=True),
        sa.Column("cleared", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operations_alarm"),
    )
    op.create_index("ix_operations_alarm_subject_raised", "operations_alarm", ["subject", "raised"])
    op.create_index("ix_operations_alarm_cleared", "operations_alarm", ["cleared"])


def _queue() -> None:
    op.create_table(
        "operations_hold",
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("acked_by", sa.String(64), nullable=True),
        sa.Column("acked_at", TIME, nullable=True),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("owned_at", TIME, nullable=True),
        sa.Column("snoozed_until", TIME, nullable=True),
        sa.Column("snoozed_by", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_operations_hold"),
    )
    op.create_table(
        "operations_act",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("to", sa.String(64), nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("said", sa.LargeBinary(), nullable=True),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("undone_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operations_act"),
    )
    op.create_index("ix_operations_act_key_at", "operations_act", ["key", "at"])
    op.create_index("ix_operations_act_at", "operations_act", ["at"])
    op.create_table(
        "operations_figure",
        sa.Column("subject", sa.String(96), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.String(32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject", "name", name="pk_operations_figure"),
    )


def _stream() -> None:
    op.create_table(
        "operations_look",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_operations_look"),
    )
    op.create_index("ix_operations_look_at", "operations_look", ["at"])
    op.create_table(
        "operations_ruleset",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=True),
        sa.Column("active_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("version", name="pk_operations_ruleset"),
    )
    op.create_table(
        "operations_verdict",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ruleset", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operations_verdict"),
    )
    op.create_index("ix_operations_verdict_ruleset", "operations_verdict", ["ruleset"])
    op.create_index("ix_operations_verdict_seq", "operations_verdict", ["seq"])
    op.create_table(
        "operations_snapshot",
        sa.Column("ruleset", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ruleset", name="pk_operations_snapshot"),
    )


def downgrade() -> None:
    for table in ("alarm", "snapshot", "verdict", "ruleset", "look", "figure", "act", "hold"):
        op.drop_table(f"operations_{table}")

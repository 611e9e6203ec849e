"""How colleagues are reached, the calls to them, and which alarms a call tells of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _contacts()
    op.create_table(
        "staff_call",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("contact", sa.String(36), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("area_name", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(36), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("provider_id", sa.String(128), nullable=True),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("moved_at", TIME, nullable=False),
        sa.Column("cause", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff_call"),
    )
    op.create_index("ix_staff_call_channel_state", "staff_call", ["channel", "state"])
    op.create_index("ix_staff_call_channel_provider_id", "staff_call", ["channel", "provider_id"])
    op.create_index("ix_staff_call_contact_made_at", "staff_call", ["contact", "made_at"])
    op.create_table(
        "operations_summons",
        sa.Column("alarm", sa.String(36), nullable=False),
        sa.Column("call", sa.String(36), nullable=False),
        sa.Column("contact", sa.String(36), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("what", sa.String(8), nullable=False),
        sa.Column("look", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("alarm", "call", name="pk_operations_summons"),
    )
    op.create_index("ix_operations_summons_call", "operations_summons", ["call"])


def _contacts() -> None:
    op.create_table(
        "staff_contact",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("address_mark", sa.String(32), nullable=False),
        sa.Column("least", sa.String(16), nullable=False),
        sa.Column("quiet_start", sa.Integer(), nullable=False),
        sa.Column("quiet_end", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("lang", sa.String(8), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("proved_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff_contact"),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_staff_contact_staff_staff"),
        sa.UniqueConstraint("staff", "channel", name="uq_staff_contact_staff_channel"),
    )
    op.create_index("ix_staff_contact_address_mark", "staff_contact", ["address_mark"])
    op.create_table(
        "staff_contact_token",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_staff_contact_token"),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_staff_contact_token_staff_staff"),
    )


def downgrade() -> None:
    for table in ("operations_summons", "staff_call", "staff_contact_token", "staff_contact"):
        op.drop_table(table)

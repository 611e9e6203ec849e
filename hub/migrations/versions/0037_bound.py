"""On which channels anybody can be reached at all, without reading every address."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_channel_binding_channel_resident", "channel_binding", ["channel", "resident"])


def downgrade() -> None:
    op.drop_index("ix_channel_binding_channel_resident", "channel_binding")

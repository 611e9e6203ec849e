"""How the menu of a channel does, as its worker last said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel_state", sa.Column("menu", sa.String(200), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("channel_state", "menu")

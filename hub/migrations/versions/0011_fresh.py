"""When a session last proved its password, and which API tokens may sign an emergency."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("proved", sa.DateTime(timezone=True), nullable=True))
    op.add_column("session", sa.Column("emergencies", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("session", "emergencies")
    op.drop_column("session", "proved")

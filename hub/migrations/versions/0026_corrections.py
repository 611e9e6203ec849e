"""A correction that waits for its signatures, and a ladder that the author chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notices_notice", sa.Column("corrects", sa.String(36), nullable=False, server_default=""))
    op.add_column("notices_notice", sa.Column("ladder", sa.String(16), nullable=False, server_default=""))


def downgrade() -> None:
    for column in ("ladder", "corrects"):
        op.drop_column("notices_notice", column)

"""An all-clear knows what it ends and goes where that had gone; a ladder knows the event that began it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notices_notice", sa.Column("clears", sa.String(36), nullable=False, server_default=""))
    op.add_column("notices_ladder", sa.Column("cause", sa.String(36), nullable=False, server_default=""))
    op.add_column("fanout", sa.Column("follows", sa.String(64), nullable=False, server_default=""))
    op.add_column("fanout", sa.Column("untold", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for column in ("untold", "follows"):
        op.drop_column("fanout", column)
    op.drop_column("notices_ladder", "cause")
    op.drop_column("notices_notice", "clears")

"""What a witness at the counter says, and what was answered to whoever disputed a hand-over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("points_redemption", sa.Column("witness_said", sa.String(8), nullable=False, server_default=""))
    op.add_column("points_redemption", sa.Column("answer", sa.String(200), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("points_redemption", "answer")
    op.drop_column("points_redemption", "witness_said")

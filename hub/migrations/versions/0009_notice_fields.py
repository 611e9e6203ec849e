"""How a notice was composed (its kind's fields) and what is attached to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notices_notice", sa.Column("template", sa.String(48), nullable=False, server_default=""))
    op.add_column("notices_notice", sa.Column("fields", sa.Text(), nullable=False, server_default=""))
    op.add_column("notices_notice", sa.Column("attachments", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    for column in ("attachments", "fields", "template"):
        op.drop_column("notices_notice", column)

"""A message in two languages, and in which of them each delivery is written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("title_en", "text_en"):
        op.add_column("fanout", sa.Column(column, sa.LargeBinary(), nullable=True))
    for column in ("area_en", "issuer_en"):
        op.add_column("fanout", sa.Column(column, sa.String(64), nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("lang", sa.String(8), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("outbox", "lang")
    for column in ("issuer_en", "area_en", "text_en", "title_en"):
        op.drop_column("fanout", column)

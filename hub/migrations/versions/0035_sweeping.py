"""Messages that have ended and are swept in pages, and a queue in which what has ended stands together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

DUE = ["channel", "state", "rank", "not_before"]


def upgrade() -> None:
    op.add_column("fanout", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("fanout", sa.Column("ended", sa.String(200), nullable=False, server_default=""))
    op.add_column("fanout", sa.Column("ends_as", sa.String(16), nullable=False, server_default="cancelled"))
    for column in ("recalls", "spares_held", "sweeping"):
        op.add_column("fanout", sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("fanout", sa.Column("swept_to", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_fanout_sweeping", "fanout", ["sweeping"])
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index("ix_outbox_due", "outbox", [*DUE, "fanout"])


def downgrade() -> None:
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index("ix_outbox_due", "outbox", DUE)
    op.drop_index("ix_fanout_sweeping", "fanout")
    for column in ("swept_to", "sweeping", "spares_held", "recalls", "ends_as", "ended", "ended_at"):
        op.drop_column("fanout", column)

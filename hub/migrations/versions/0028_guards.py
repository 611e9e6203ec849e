"""The ledger's guards in a quicker form: one look at three rows for each posting, one trigger for each entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.civic.points import guards

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_GONE = {
    "points_txn_once": ("points_txn", ""),
    "points_txn_explained": ("points_txn", ""),
    "points_posting_kept_apart": ("points_posting", "points_apart"),
}


def upgrade() -> None:
    bind = op.get_bind()
    for name, (table, function) in _GONE.items():
        if bind.dialect.name == "postgresql":
            bind.execute(sa.text(f"DROP TRIGGER IF EXISTS {name} ON {table}"))
            if function:
                bind.execute(sa.text(f"DROP FUNCTION IF EXISTS {function}()"))
        else:
            bind.execute(sa.text(f"DROP TRIGGER IF EXISTS {name}"))
    guards.install(bind)


def downgrade() -> None:
    """The guards of the version before are these: they name no column that it lacks."""

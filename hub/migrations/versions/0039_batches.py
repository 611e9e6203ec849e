"""The ledger's guards look at a batch at once on PostgreSQL, and at two names less for each posting on SQLite."""

from __future__ import annotations

from alembic import op

from hub.civic.points import guards

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    guards.install(op.get_bind())


def downgrade() -> None:
    """The guards of the version before are these: they name no column that it lacks."""

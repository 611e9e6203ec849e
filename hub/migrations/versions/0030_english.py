"""In which language a resident is written to, and which places' loudspeakers speak English too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("preference", sa.Column("lang", sa.String(8), nullable=False, server_default=""))
    op.create_table(
        "notices_aloud",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("english", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("area", name="pk_notices_aloud"),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_notices_aloud_area_area"),
    )


def downgrade() -> None:
    op.drop_table("notices_aloud")
    op.drop_column("preference", "lang")

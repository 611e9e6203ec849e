"""A device knows on which day it was calibrated: FHIR's DeviceMetric says it beside the state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("device", sa.Column("calibrated_on", sa.Date(), nullable=True))
    op.execute(
        "UPDATE device SET calibrated_on = (SELECT max(paper.issued) FROM fleet_certificate AS paper"
        " WHERE paper.device = device.id AND paper.number = device.calibration AND paper.result = 'pass')"
        " WHERE calibration IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("device", "calibrated_on")

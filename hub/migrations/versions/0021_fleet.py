"""A device's whole life: claims, certificates, strip lots, holds, twin, commands, recalls; rotation with an overlap."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = (
    "fleet_hold", "fleet_check", "fleet_lot", "fleet_certificate", "fleet_try", "fleet_claim",
    "reading_flag", "recall", "command", "twin", "presence_sighting",
)  # fmt: skip


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.add_column("device", sa.Column("place", sa.String(64), nullable=False, server_default=""))
    op.add_column("device", sa.Column("lot", sa.String(64), nullable=True))
    op.add_column("credential", sa.Column("old_hash", sa.String(64), nullable=True))
    op.add_column("credential", _moment("old_until", nullable=True))
    op.create_table(
        "presence_sighting",
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(64), nullable=True),
        sa.Column("firmware", sa.String(64), nullable=True),
        _moment("at"),
        sa.PrimaryKeyConstraint("gateway", "device", name="pk_presence_sighting"),
    )
    op.create_index("ix_presence_sighting_serial", "presence_sighting", ["serial"])
    _orders()
    _recalls()
    _papers()
    _holds()


def _orders() -> None:
    op.create_table(
        "twin",
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("reported", sa.Text(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        _moment("reported_at", nullable=True),
        sa.PrimaryKeyConstraint("device", name="pk_twin"),
    )
    op.create_table(
        "command",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("args", sa.LargeBinary(), nullable=False),
        _moment("made"),
        sa.Column("made_by", sa.String(128), nullable=False),
        _moment("expires"),
        sa.Column("state", sa.String(16), nullable=False),
        _moment("sent_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.Column("answer", sa.String(400), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_command"),
    )
    op.create_index("ix_command_device", "command", ["device"])
    op.create_index("ix_command_state_expires", "command", ["state", "expires"])


def _recalls() -> None:
    op.create_table(
        "recall",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("lot", sa.String(64), nullable=False),
        _moment("since"),
        _moment("until"),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("words", sa.String(200), nullable=False),
        _moment("at"),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recall"),
    )
    op.create_index("ix_recall_device", "recall", ["device"])
    op.create_table(
        "reading_flag",
        sa.Column("reading", sa.String(36), nullable=False),
        sa.Column("recall", sa.String(36), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("reading", "recall", name="pk_reading_flag"),
    )
    op.create_index("ix_reading_flag_recall", "reading_flag", ["recall"])


def _papers() -> None:
    op.create_table(
        "fleet_claim",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(64), nullable=True),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        _moment("made"),
        sa.Column("made_by", sa.String(128), nullable=False),
        _moment("expires"),
        _moment("used_at", nullable=True),
        sa.Column("used_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fleet_claim"),
        sa.UniqueConstraint("device", name="uq_fleet_claim_device"),
        sa.UniqueConstraint("code_hash", name="uq_fleet_claim_code_hash"),
    )
    op.create_table(
        "fleet_try",
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        _moment("since"),
        sa.PrimaryKeyConstraint("who", name="pk_fleet_try"),
    )
    op.create_table(
        "fleet_certificate",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("institute", sa.String(80), nullable=False),
        sa.Column("standard", sa.String(64), nullable=False),
        sa.Column("issued", sa.Date(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("result", sa.String(8), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        _moment("at"),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("said_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fleet_certificate"),
    )
    op.create_index("ix_fleet_certificate_device", "fleet_certificate", ["device"])
    op.create_index("ix_fleet_certificate_due", "fleet_certificate", ["due"])
    op.create_table(
        "fleet_lot",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("expires", sa.Date(), nullable=False),
        sa.Column("low", sa.String(16), nullable=False),
        sa.Column("high", sa.String(16), nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        _moment("opened"),
        _moment("closed", nullable=True),
        sa.Column("by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fleet_lot"),
    )
    op.create_index("ix_fleet_lot_device", "fleet_lot", ["device"])


def _holds() -> None:
    op.create_table(
        "fleet_check",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("lot", sa.String(64), nullable=False),
        sa.Column("value", sa.String(16), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        _moment("at"),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("reading", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_fleet_check"),
    )
    op.create_index("ix_fleet_check_device_at", "fleet_check", ["device", "at"])
    op.create_table(
        "fleet_hold",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        _moment("at"),
        _moment("released_at", nullable=True),
        sa.Column("released_by", sa.String(128), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fleet_hold"),
    )
    op.create_index(
        "uq_fleet_hold_open", "fleet_hold", ["device", "rule"], unique=True,
        sqlite_where=sa.text("released_at IS NULL"), postgresql_where=sa.text("released_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("credential", "old_until")
    op.drop_column("credential", "old_hash")
    op.drop_column("device", "lot")
    op.drop_column("device", "place")

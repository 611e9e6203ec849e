"""Tables of notices: audience, outbox, reach ledger, idempotency keys and the notices slice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _addresses()
    _fanout()
    _outbox()
    _reach()
    _notices()
    _doors()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


TABLES = (
    "channel_binding",
    "idempotency_key",
    "fanout",
    "outbox",
    "orphan_receipt",
    "reach_notice",
    "reach",
    "reach_count",
    "notices_notice",
    "notices_area",
    "notices_release",
    "notices_board",
    "notices_seen",
    "notices_binding_token",
)


def _addresses() -> None:
    """Addresses of people on channels, and the memory of repeated commands."""
    op.create_table(
        "channel_binding",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("address_mark", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_channel_binding_resident"),
        sa.PrimaryKeyConstraint("id", name="pk_channel_binding"),
        sa.UniqueConstraint("address_mark", name="uq_channel_binding_address_mark"),
    )
    op.create_index("ix_channel_binding_resident", "channel_binding", ["resident"])
    op.create_table(
        "idempotency_key",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("for_ever", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_idempotency_key"),
    )
    op.create_index("ix_idempotency_key_at", "idempotency_key", ["at"])


def _fanout() -> None:
    """Messages to many, each once."""
    op.create_table(
        "fanout",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("cursor", sa.String(80), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("unreachable", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("area_name", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.Column("url", sa.String(200), nullable=False),
        sa.Column("lang", sa.String(8), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("cause", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_fanout"),
    )
    op.create_index("ix_fanout_done", "fanout", ["done"])
    op.create_index("ix_fanout_notice", "fanout", ["notice"])


def _outbox() -> None:
    """What must leave the house."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("fanout", sa.String(36), nullable=False),
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("binding", sa.String(36), nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(36), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_id", sa.String(128), nullable=True),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("cause", sa.String(36), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["binding"], ["channel_binding.id"], name="fk_outbox_binding"),
        sa.ForeignKeyConstraint(["fanout"], ["fanout.id"], name="fk_outbox_fanout"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
    )
    op.create_index("ix_outbox_channel_provider_id", "outbox", ["channel", "provider_id"])
    op.create_index("ix_outbox_due", "outbox", ["channel", "state", "rank", "not_before"])
    op.create_index("ix_outbox_notice_resident", "outbox", ["notice", "resident"])
    op.create_table(
        "orphan_receipt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("provider_id", sa.String(128), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.String(80), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orphan_receipt"),
    )
    op.create_index("ix_orphan_receipt_provider_id", "orphan_receipt", ["provider_id"])


def _reach() -> None:
    """Who has been reached."""
    op.create_table(
        "reach_notice",
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("paths", sa.Text(), nullable=False),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("notice", name="pk_reach_notice"),
    )
    op.create_table(
        "reach",
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("viewer", sa.String(80), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("notice", "revision", "viewer", "channel", name="pk_reach"),
    )
    op.create_table(
        "reach_count",
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(24), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notice", "channel", "level", name="pk_reach_count"),
    )


def _notices() -> None:
    """The notices themselves."""
    op.create_table(
        "notices_notice",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("title", sa.String(60), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("title_en", sa.String(120), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("issuer", sa.String(60), nullable=False),
        sa.Column("contact", sa.String(60), nullable=False),
        sa.Column("place", sa.String(12), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("everybody", sa.Boolean(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drafted_by", sa.String(128), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.String(128), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices_notice"),
    )
    op.create_index("ix_notices_notice_released_at", "notices_notice", ["released_at"])
    op.create_index("ix_notices_notice_state", "notices_notice", ["state"])
    op.create_table(
        "notices_area",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("path", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_notices_area_area"),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_area_notice"),
        sa.PrimaryKeyConstraint("area", "notice", name="pk_notices_area"),
    )
    op.create_index("ix_notices_area_notice", "notices_area", ["notice"])
    op.create_table(
        "notices_release",
        sa.Column("notice", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("signed_by", sa.String(300), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["notice"], ["notices_notice.id"], name="fk_notices_release_notice"),
        sa.PrimaryKeyConstraint("notice", "revision", name="pk_notices_release"),
    )


def _doors() -> None:
    """Boards that go out, callbacks that come in."""
    op.create_table(
        "notices_board",
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name="fk_notices_board_area"),
        sa.PrimaryKeyConstraint("area", name="pk_notices_board"),
    )
    op.create_index("ix_notices_board_wanted", "notices_board", ["wanted"])
    op.create_table(
        "notices_seen",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_notices_seen"),
    )
    op.create_index("ix_notices_seen_until", "notices_seen", ["until"])
    op.create_table(
        "notices_binding_token",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("resident", sa.String(64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name="fk_notices_binding_token_resident"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_notices_binding_token"),
    )
    op.create_index("ix_notices_binding_token_expires", "notices_binding_token", ["expires"])

"""The core: directory, logins, registry, readings, quarantine, receipts, presence, signatures, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _area()
    _audit()
    _credential()
    _login()
    _one_time_code()
    _presence_device()
    _presence_gateway()
    _quarantine()
    _raw_frame()
    _reading()
    _receipt()
    _session()
    _signature()
    _staff()
    _stamp()
    _building()
    _hut()
    _organisation()
    _staff_role()
    _gateway()
    _household()
    _device()
    _resident()
    _consent()
    op.bulk_insert(
        sa.table("stamp", sa.column("name", sa.String), sa.column("version", sa.Integer)),
        [{"name": "registry", "version": 0}, {"name": "probe", "version": 0}],
    )


def _area() -> None:
    op.create_table(
        "area",
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("zh", sa.String(length=64), nullable=False),
        sa.Column("en", sa.String(length=64), nullable=False),
        sa.Column("parent", sa.String(length=12), nullable=True),
        sa.Column("path", sa.String(length=128), nullable=False),
        sa.Column("tz", sa.String(length=64), nullable=False),
        sa.Column("profile", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_area")),
    )
    op.create_index(op.f("ix_area_parent"), "area", ["parent"], unique=False)
    op.create_index(op.f("ix_area_path"), "area", ["path"], unique=False)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=128), nullable=True),
        sa.Column("cause", sa.String(length=128), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_id")),
    )
    op.create_index(op.f("ix_audit_actor"), "audit", ["actor"], unique=False)
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_index(op.f("ix_audit_cause"), "audit", ["cause"], unique=False)
    op.create_index(op.f("ix_audit_kind"), "audit", ["kind"], unique=False)
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)


def _credential() -> None:
    op.create_table(
        "credential",
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("allow", sa.Text(), nullable=False),
        sa.Column("deny", sa.Text(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user", name=op.f("pk_credential")),
    )


def _login() -> None:
    op.create_table(
        "login",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tries_from", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_login")),
    )
    op.create_index(op.f("ix_login_subject"), "login", ["subject"], unique=False)


def _one_time_code() -> None:
    op.create_table(
        "one_time_code",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("surface", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_one_time_code")),
    )


def _presence_device() -> None:
    op.create_table(
        "presence_device",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("failed_in_a_row", sa.Integer(), nullable=False),
        sa.Column("clock_offset_s", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_presence_device")),
    )


def _presence_gateway() -> None:
    op.create_table(
        "presence_gateway",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=True),
        sa.Column("firmware", sa.String(length=64), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_presence_gateway")),
    )


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("entry", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("codec", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("sentence", sa.String(length=200), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("raw_sha256", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("entry", name=op.f("uq_quarantine_entry")),
    )
    op.create_index(op.f("ix_quarantine_at"), "quarantine", ["at"], unique=False)
    op.create_index(op.f("ix_quarantine_gateway"), "quarantine", ["gateway"], unique=False)


def _raw_frame() -> None:
    op.create_table(
        "raw_frame",
        sa.Column("reading", sa.String(length=36), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("t_received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reading", name=op.f("pk_raw_frame")),
    )
    op.create_index(op.f("ix_raw_frame_t_received_ms"), "raw_frame", ["t_received_ms"], unique=False)


def _reading() -> None:
    op.create_table(
        "reading",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("weak_key", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("hut", sa.String(length=64), nullable=True),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("bound_by", sa.String(length=16), nullable=False),
        sa.Column("bound_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("session", sa.String(length=36), nullable=True),
        sa.Column("quality", sa.String(length=8), nullable=False),
        sa.Column("reasons", sa.String(length=256), nullable=False),
        sa.Column("sealed_values", sa.LargeBinary(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("t_device", sa.String(length=32), nullable=True),
        sa.Column("t_gateway_ms", sa.BigInteger(), nullable=True),
        sa.Column("t_received_ms", sa.BigInteger(), nullable=False),
        sa.Column("t_effective_ms", sa.BigInteger(), nullable=False),
        sa.Column("t_basis", sa.String(length=16), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("profile", sa.String(length=80), nullable=False),
        sa.Column("codec", sa.String(length=80), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=True),
        sa.Column("firmware", sa.String(length=64), nullable=True),
        sa.Column("calibration", sa.String(length=64), nullable=True),
        sa.Column("boot", sa.String(length=64), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("raw_sha256", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading")),
        sa.UniqueConstraint("key", name=op.f("uq_reading_key")),
    )
    op.create_index("ix_reading_device_received", "reading", ["device", "t_received_ms"], unique=False)
    op.create_index("ix_reading_hut_received", "reading", ["hut", "t_received_ms"], unique=False)
    op.create_index("ix_reading_person_effective", "reading", ["person", "t_effective_ms"], unique=False)


def _receipt() -> None:
    op.create_table(
        "receipt",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("contiguous", sa.BigInteger(), nullable=False),
        sa.Column("ahead", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "boot", name=op.f("pk_receipt")),
    )


def _session() -> None:
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("surface", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_subject"), "session", ["subject"], unique=False)


def _signature() -> None:
    op.create_table(
        "signature",
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("part", sa.String(length=32), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", "part", name=op.f("pk_signature")),
    )


def _staff() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("title_zh", sa.String(length=32), nullable=False),
        sa.Column("title_en", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("household", sa.String(length=64), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("person", name=op.f("uq_staff_person")),
    )


def _stamp() -> None:
    op.create_table(
        "stamp",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stamp")),
    )


def _building() -> None:
    op.create_table(
        "building",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("zh", sa.String(length=64), nullable=False),
        sa.Column("en", sa.String(length=64), nullable=False),
        sa.Column("grid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_building_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_building")),
    )
    op.create_index(op.f("ix_building_area"), "building", ["area"], unique=False)


def _hut() -> None:
    op.create_table(
        "hut",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("zh", sa.String(length=64), nullable=False),
        sa.Column("en", sa.String(length=64), nullable=False),
        sa.Column("place_zh", sa.String(length=64), nullable=False),
        sa.Column("place_en", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_hut_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hut")),
    )
    op.create_index(op.f("ix_hut_area"), "hut", ["area"], unique=False)


def _organisation() -> None:
    op.create_table(
        "organisation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("zh", sa.String(length=64), nullable=False),
        sa.Column("en", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_organisation_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
    )
    op.create_index(op.f("ix_organisation_area"), "organisation", ["area"], unique=False)


def _staff_role() -> None:
    op.create_table(
        "staff_role",
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_staff_role_area")),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name=op.f("fk_staff_role_staff")),
        sa.PrimaryKeyConstraint("staff", "role", "area", name=op.f("pk_staff_role")),
    )


def _gateway() -> None:
    op.create_table(
        "gateway",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("hut", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_gateway_area")),
        sa.ForeignKeyConstraint(["hut"], ["hut.id"], name=op.f("fk_gateway_hut")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway")),
    )
    op.create_index(op.f("ix_gateway_area"), "gateway", ["area"], unique=False)


def _household() -> None:
    op.create_table(
        "household",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("building", sa.String(length=64), nullable=False),
        sa.Column("flat", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("tags", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_household_area")),
        sa.ForeignKeyConstraint(["building"], ["building.id"], name=op.f("fk_household_building")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household")),
    )
    op.create_index(op.f("ix_household_area"), "household", ["area"], unique=False)
    op.create_index(op.f("ix_household_building"), "household", ["building"], unique=False)


def _device() -> None:
    op.create_table(
        "device",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("hut", sa.String(length=64), nullable=True),
        sa.Column("profile", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("zh", sa.String(length=64), nullable=False),
        sa.Column("en", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=True),
        sa.Column("firmware", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("upkeep", sa.String(length=32), nullable=True),
        sa.Column("calibration", sa.String(length=64), nullable=True),
        sa.Column("calibration_due", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_device_gateway")),
        sa.ForeignKeyConstraint(["hut"], ["hut.id"], name=op.f("fk_device_hut")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
    )
    op.create_index(op.f("ix_device_gateway"), "device", ["gateway"], unique=False)
    op.create_index(op.f("ix_device_hut"), "device", ["hut"], unique=False)


def _resident() -> None:
    op.create_table(
        "resident",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("household", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=12), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("phone_mark", sa.String(length=32), nullable=True),
        sa.Column("card_mark", sa.String(length=32), nullable=True),
        sa.Column("sex", sa.String(length=1), nullable=False),
        sa.Column("born", sa.Date(), nullable=False),
        sa.Column("tags", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["area"], ["area.code"], name=op.f("fk_resident_area")),
        sa.ForeignKeyConstraint(["household"], ["household.id"], name=op.f("fk_resident_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident")),
        sa.UniqueConstraint("card_mark", name=op.f("uq_resident_card_mark")),
    )
    op.create_index(op.f("ix_resident_area"), "resident", ["area"], unique=False)
    op.create_index(op.f("ix_resident_household"), "resident", ["household"], unique=False)
    op.create_index(op.f("ix_resident_phone_mark"), "resident", ["phone_mark"], unique=False)


def _consent() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], name=op.f("fk_consent_resident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_resident"), "consent", ["resident"], unique=False)


def downgrade() -> None:
    for table in (
        "consent",
        "resident",
        "device",
        "household",
        "gateway",
        "staff_role",
        "organisation",
        "hut",
        "building",
        "stamp",
        "staff",
        "signature",
        "session",
        "receipt",
        "reading",
        "raw_frame",
        "quarantine",
        "presence_gateway",
        "presence_device",
        "one_time_code",
        "login",
        "credential",
        "audit",
        "area",
    ):
        op.drop_table(table)

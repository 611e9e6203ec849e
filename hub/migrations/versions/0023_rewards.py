"""The mall: rewards, slots, redemptions, counters without a line, PINs, budgets, a community's own caps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_HELD = sa.text("state = 'held'")
_TABLES = (
    "points_redemption", "points_slot", "points_reward", "points_offline", "points_pin", "points_budget",
    "points_local_item",
)  # fmt: skip


def upgrade() -> None:
    _shelf()
    _counter()
    op.create_table(
        "points_budget",
        sa.Column("area", sa.String(12), sa.ForeignKey("area.code", name="fk_points_budget_area"), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("residents", sa.Integer(), nullable=False),
        sa.Column("rate_fen", sa.Integer(), nullable=False),
        sa.Column("city_percent", sa.Integer(), nullable=False),
        sa.Column("alerted", sa.Integer(), nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("area", "year", name="pk_points_budget"),
    )
    op.create_table(
        "points_local_item",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), sa.ForeignKey("area.code", name="fk_points_local_item_area"), nullable=False),
        sa.Column("item", sa.String(16), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("limits", sa.String(64), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_points_local_item"),
    )
    op.create_index("ix_points_local_item_area", "points_local_item", ["area", "item", "since"])


def _shelf() -> None:
    op.create_table(
        "points_reward",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), sa.ForeignKey("area.code", name="fk_points_reward_area"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("zh", sa.String(64), nullable=False),
        sa.Column("en", sa.String(96), nullable=False),
        sa.Column("price", sa.Integer(), nullable=False),
        sa.Column("fen", sa.Integer(), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=True),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("organisations", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.CheckConstraint("stock >= 0", name="ck_points_reward_stock"),
        sa.CheckConstraint("price >= 0 AND fen >= 0", name="ck_points_reward_price"),
        sa.CheckConstraint("kind IN ('service', 'goods', 'honour', 'policy')", name="ck_points_reward_kind"),
        sa.CheckConstraint("kind <> 'honour' OR fen = 0", name="ck_points_reward_honour"),
        sa.PrimaryKeyConstraint("id", name="pk_points_reward"),
    )
    op.create_index("ix_points_reward_area", "points_reward", ["area"])
    op.create_table(
        "points_slot",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column(
            "reward", sa.String(36), sa.ForeignKey("points_reward.id", name="fk_points_slot_reward"), nullable=False
        ),
        sa.Column("starts", _TIME, nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken >= 0 AND taken <= places", name="ck_points_slot_places"),
        sa.PrimaryKeyConstraint("id", name="pk_points_slot"),
    )
    op.create_index("ix_points_slot_reward", "points_slot", ["reward"])


def _counter() -> None:
    op.create_table(
        "points_offline",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), sa.ForeignKey("area.code", name="fk_points_offline_area"), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_points_offline"),
    )
    op.create_index("ix_points_offline_area", "points_offline", ["area"])
    op.create_table(
        "points_pin",
        sa.Column(
            "resident", sa.String(64), sa.ForeignKey("resident.id", name="fk_points_pin_resident"), nullable=False
        ),
        sa.Column("phc", sa.String(128), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("resident", name="pk_points_pin"),
    )
    references = {
        "area": "area.code", "reward": "points_reward.id", "slot": "points_slot.id", "account": "points_account.id",
        "offline": "points_offline.id",
    }  # fmt: skip
    op.create_table(
        "points_redemption",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("reward", sa.String(36), nullable=False),
        sa.Column("slot", sa.String(36), nullable=True),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("resident", sa.String(64), nullable=True),
        sa.Column("price", sa.Integer(), nullable=False),
        sa.Column("fen", sa.Integer(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("mark", sa.String(32), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("entered_by", sa.String(64), nullable=True),
        sa.Column("witness", sa.String(64), nullable=True),
        sa.Column("settled_at", _TIME, nullable=True),
        sa.Column("settled_by", sa.String(64), nullable=True),
        sa.Column("offline", sa.String(36), nullable=True),
        sa.Column("disputed_at", _TIME, nullable=True),
        sa.Column("dispute", sa.String(200), nullable=False),
        sa.Column("answered_at", _TIME, nullable=True),
        *(
            sa.ForeignKeyConstraint([column], [target], name=f"fk_points_redemption_{column}")
            for column, target in references.items()
        ),
        sa.PrimaryKeyConstraint("id", name="pk_points_redemption"),
    )
    op.create_index(
        "uq_points_redemption_code", "points_redemption", ["area", "mark"],
        unique=True, sqlite_where=_HELD, postgresql_where=_HELD,
    )  # fmt: skip
    op.create_index("ix_points_redemption_state", "points_redemption", ["state", "until"])
    op.create_index("ix_points_redemption_area_at", "points_redemption", ["area", "at"])
    op.create_index("ix_points_redemption_account", "points_redemption", ["account"])
    op.create_index("ix_points_redemption_offline", "points_redemption", ["offline"])


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)

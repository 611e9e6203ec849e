"""Who wants to hear of events by webhook, what happened, and how each telling stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks_subscription",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("url", sa.LargeBinary(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("path", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks_subscription"),
    )
    op.create_table(
        "webhooks_happening",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks_happening"),
    )
    op.create_index("ix_webhooks_happening_at", "webhooks_happening", ["at"])
    op.create_table(
        "webhooks_telling",
        sa.Column("happening", sa.String(36), nullable=False),
        sa.Column("subscription", sa.String(36), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("why", sa.String(120), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("happening", "subscription", name="pk_webhooks_telling"),
        sa.ForeignKeyConstraint(
            ["happening"], ["webhooks_happening.id"], name="fk_webhooks_telling_happening_webhooks_happening"
        ),
        sa.ForeignKeyConstraint(
            ["subscription"],
            ["webhooks_subscription.id"],
            name="fk_webhooks_telling_subscription_webhooks_subscription",
        ),
    )
    op.create_index("ix_webhooks_telling_state_due", "webhooks_telling", ["state", "due"])


def downgrade() -> None:
    op.drop_table("webhooks_telling")
    op.drop_table("webhooks_happening")
    op.drop_table("webhooks_subscription")

"""Alembic's entry: runs on the connection it is handed, on SQLite in batch mode."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from hub.module import load_tables

load_tables()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
context.run_migrations()

"""The INSERT that knows ON CONFLICT: both stores have it, SQLAlchemy keeps one in each dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.db import Tx


def insert_for(tx: Tx) -> Callable[..., Any]:
    """The `insert` of the store this transaction is in. Only that dialect is imported: the other costs 0.03 s."""
    if tx.session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert

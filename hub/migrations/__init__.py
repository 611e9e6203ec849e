"""The store's history, from the first table on: Alembic without an ini file, inside the package.

`upgrade(store)` brings a store to the newest version; `difference(store)` says where tables and models disagree;
`head()` is the version this code needs, and code refuses a store that is newer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from hub.db import Store
from hub.errors import Unavailable
from hub.i18n import _
from hub.module import load_tables


def config(connection: Any = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def head() -> str:
    revision = ScriptDirectory.from_config(config()).get_current_head()
    return revision or ""


def current(store: Store) -> str:
    with store.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(store: Store) -> None:
    """Bring the store to `head()`. One transaction: killed half-way, it is as it was."""
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    now = current(store)
    if now and now not in known:
        raise Unavailable(
            _("This data was written by a newer Linli ({version}); update the program, the data is untouched").format(
                version=now
            )
        )
    with store.writer_connection() as connection:
        command.upgrade(config(connection), "head")


def difference(store: Store) -> list[Any]:
    load_tables()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))

"""The store's history, from the first table on: Alembic without an ini file, inside the package.

`upgrade(store)` brings a store to the newest version; `difference(store)` says where tables and models disagree;
`head()` is the version this code needs, and code refuses a store that is newer.

Alembic itself is imported only when there is something to do: a store at its newest version, which is every start but
one, is recognised by one SELECT and the files' names, and starts 0.25 s of CPU time earlier.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from hub.db import Store
from hub.errors import Unavailable
from hub.i18n import _
from hub.module import load_tables

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent


def config(connection: Any = None) -> Config:
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def versions() -> list[str]:
    """All there are, oldest first. A version's file begins with its number; a test asks Alembic whether that is so."""
    return sorted(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*_*.py"))


def head() -> str:
    return versions()[-1]


def current(store: Store) -> str:
    with store.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def upgrade(store: Store) -> None:
    """Bring the store to `head()`. One transaction: killed half-way, it is as it was."""
    now = current(store)
    if now == head():
        return
    if now and now not in versions():
        raise Unavailable(
            _("This data was written by a newer Linli ({version}); update the program, the data is untouched").format(
                version=now
            )
        )
    from alembic import command

    with store.writer_connection() as connection:
        command.upgrade(config(connection), "head")


def difference(store: Store) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    load_tables()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))

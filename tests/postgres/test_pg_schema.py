"""The same migrations on PostgreSQL: tables as the models say, triggers as the ledger declares them."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.engine import URL

from hub import migrations
from hub.civic.points import guards
from tests.conftest import needs
from tests.postgres.cluster import MakeStore, open_store

pytestmark = needs("postgresql")


def test_an_empty_database_reaches_the_newest_version_and_agrees_with_the_models(database: URL) -> None:
    store = open_store(database)
    migrations.upgrade(store)
    assert migrations.current(store) == migrations.head()
    assert migrations.difference(store) == []
    migrations.upgrade(store)  # again changes nothing
    assert migrations.difference(store) == []
    store.close()


def test_the_triggers_are_exactly_the_declared_ones(make_store: MakeStore) -> None:
    store = make_store()
    with store.engine.begin() as connection:
        assert guards.missing(connection) == []
        found = connection.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"))
        assert list(found.scalars()) == sorted(guards.DECLARED["postgresql"])


def test_every_migration_can_be_taken_back_and_leaves_nothing(database: URL) -> None:
    store = open_store(database)
    migrations.upgrade(store)
    with store.writer_connection() as connection:
        command.downgrade(migrations.config(connection), "base")
    with store.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        left = connection.execute(text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"))
        assert list(left.scalars()) == []
    migrations.upgrade(store)
    assert migrations.difference(store) == []
    store.close()


def test_an_upgrade_that_dies_half_way_leaves_the_store_as_it_was(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(database)

    def broken(*_: object) -> None:
        raise OSError("the machine went away")

    with monkeypatch.context() as patch:
        patch.setattr(guards, "install", broken)  # the points migration ends with it
        with pytest.raises(OSError, match="went away"):
            migrations.upgrade(store)
    with store.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    migrations.upgrade(store)
    assert migrations.difference(store) == []
    store.close()

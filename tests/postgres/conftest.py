"""One cluster a run, one migrated template, a database of its own for each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import URL

from hub import migrations
from hub.bus import Bus
from hub.clock import Clock
from hub.db import Store
from tests.postgres.cluster import MakeStore, a_cluster, a_database, open_store


@pytest.fixture(scope="session")
def cluster() -> Iterator[URL]:
    with a_cluster() as url:
        yield url


@pytest.fixture
def database(cluster: URL) -> Iterator[URL]:
    """An empty one."""
    with a_database(cluster) as url:
        yield url


@pytest.fixture(scope="session")
def template(cluster: URL) -> Iterator[str]:
    with a_database(cluster) as url:
        store = open_store(url)
        migrations.upgrade(store)
        store.close()
        yield str(url.database)


@pytest.fixture
def make_store(cluster: URL, template: str) -> Iterator[MakeStore]:
    """`make_store(seed=...)` opens the store of one more hub on this test's database; all are closed at the end."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(a_database(cluster, template))

        def make(clock: Clock | None = None, bus: Bus | None = None, seed: str = "linli-test") -> Store:
            store = open_store(url, clock=clock, bus=bus, seed=seed)
            stack.callback(store.close)
            return store

        yield make

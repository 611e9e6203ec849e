"""A PostgreSQL of our own: made in a temporary folder, on a socket in it, gone after the run."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache

from hub import db, migrations
from hub.bus import Bus
from hub.clock import Clock, ManualClock
from hub.db import Store
from hub.rng import SeededRng
from hub.seal import Seal
from tests.conftest import program
from tests.world import KEY, START

CONNECTIONS_MAX = 200  # a property test opens a store for each example
MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 2 * 1024**3  # noqa: S108 - mkdtemp makes the folder in it
MakeStore = Callable[..., Store]


@contextlib.contextmanager
def a_cluster() -> Iterator[URL]:
    """A fresh cluster's address. PostgreSQL refuses to run as root, so root hands it to the account of the package."""
    initdb = program("postgresql")
    assert initdb is not None
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="linli-pg-", dir=_roomy_memory()))
    if as_user:
        shutil.chown(folder, "postgres")
    folder.chmod(0o755)
    control = [*as_user, str(Path(initdb).parent / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c max_connections={CONNECTIONS_MAX}"
    options += " -c fsync=off -c full_page_writes=off"  # nobody pulls its plug; making a database is 3x quicker
    try:
        _run([*as_user, initdb, "-D", str(folder / "data"), "-U", "linli", "-A", "trust", "-E", "UTF8"], folder)
        _run([*control, "-l", str(folder / "log"), "-o", options, "start"], folder)
        try:
            yield URL.create("postgresql+psycopg", "linli", database="postgres", query={"host": str(folder)})
        finally:
            _run([*control, "-m", "immediate", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy_memory() -> Path | None:
    """Each test copies a database of 8 MB; on a busy disk that costs more than the test."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN else None


def _run(words: list[str], folder: Path) -> None:
    # Into a file: the server keeps its standard output open, and a pipe would never end.
    with (folder / f"said-{uuid.uuid4().hex}").open("w+") as said:
        done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
        said.seek(0)
        assert done.returncode == 0, said.read()


@contextlib.contextmanager
def a_database(cluster: URL, template: str = "template0") -> Iterator[URL]:
    name = f"linli_{uuid.uuid4().hex[:12]}"
    # Nothing kept open: a test may have killed the server since, and CONNECTIONS_MAX is for the tests.
    admin = create_engine(cluster, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        yield cluster.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()


@cache
def template_of(cluster: URL) -> str:
    """The migrated database that a run's others are copies of; dropped at the end of a run that did not start it."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    url = stack.enter_context(a_database(cluster))
    with contextlib.closing(open_store(url)) as empty:
        migrations.upgrade(empty)
    return str(url.database)


def open_store(
    url: URL,
    *,
    clock: Clock | None = None,
    bus: Bus | None = None,
    seed: str = "linli-test",
    inline: bool = False,
) -> Store:
    store = Store(
        url.render_as_string(hide_password=False),
        seal=Seal(KEY),
        clock=clock or ManualClock(START),
        rng=SeededRng(seed),
        bus=bus or Bus(),
        inline=inline,
    )
    return _share_statements(store)


_shared: list[tuple[Dialect, LRUCache[Any, Any]]] = []


def _share_statements(store: Store) -> Store:
    """Let it find what stores before it have compiled, as hub/db.py does for SQLite, where a hub has two engines.

    The key of sealed columns hangs on the dialect, and is one for all of these.
    """
    if not _shared:
        store.engine.connect().close()  # a dialect asks its first connection what it speaks to
        _shared.append((store.engine.dialect, LRUCache(db.STATEMENTS_MAX)))
    store.engine.dialect, store.engine._compiled_cache = _shared[0]
    return store

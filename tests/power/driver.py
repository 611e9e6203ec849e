"""apsw as a DBAPI module, so that the hub's own Store runs on a disk of the tests (disk.py): same SQL, same pragmas.

    Store(url, ..., driver=Driver(disk))

apsw's file layer has no shared memory, so a connection here holds its file alone (`locking_mode=exclusive`, which must
be said before WAL). Nothing else is set here: what makes an acknowledged row durable is for `hub.db` to say.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

from tests.power.disk import Disk

CORRUPTED = (apsw.CorruptError, apsw.NotADBError)


class Driver:
    """What SQLAlchemy asks of a DBAPI module."""

    apilevel, paramstyle, threadsafety = "2.0", "qmark", 1
    sqlite_version_info = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    sqlite_version = apsw.sqlite_lib_version()
    Error, Warning, InterfaceError = sqlite3.Error, sqlite3.Warning, sqlite3.InterfaceError
    DatabaseError, OperationalError = sqlite3.DatabaseError, sqlite3.OperationalError
    IntegrityError, ProgrammingError = sqlite3.IntegrityError, sqlite3.ProgrammingError
    DataError, NotSupportedError = sqlite3.DataError, sqlite3.NotSupportedError
    InternalError, Binary = sqlite3.InternalError, memoryview

    def __init__(self, disk: Disk, *, checkpoint_pages: int = 1_000) -> None:
        self._disk, self._checkpoint_pages = disk, checkpoint_pages

    def connect(self, name: str, **_ignored: object) -> Connection:
        with _as_sqlite3():
            opened = apsw.Connection(name, vfs=self._disk.vfs_name)
            # A check-point every so many pages, or a short test would never see one.
            opened.wal_autocheckpoint(self._checkpoint_pages)
            opened.execute("PRAGMA locking_mode=exclusive")
        return Connection(opened)


class Connection:
    isolation_level: str | None = None

    def __init__(self, opened: apsw.Connection) -> None:
        self._opened = opened

    def cursor(self) -> Cursor:
        return Cursor(self._opened)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        return self.cursor().execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Cursor:
        return self.cursor().executemany(sql, rows)

    def create_function(self, name: str, count: int, work: Callable[..., Any], *, deterministic: bool = False) -> None:
        self._opened.create_scalar_function(name, work, count, deterministic=deterministic)

    @property
    def in_transaction(self) -> bool:
        return bool(self._opened.in_transaction)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        # The connection is closed even so; that the disk refused the last check-point is no news in SQLite itself.
        with contextlib.suppress(apsw.Error):
            self._opened.close()


class Cursor:
    arraysize = 1

    def __init__(self, opened: apsw.Connection) -> None:
        self._opened, self._cursor = opened, opened.cursor()
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount, self._rows = -1, iter(())
        self._cursor.exec_trace = self._describe

    @property
    def lastrowid(self) -> int:
        return int(self._opened.last_insert_rowid())

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        return self._run(lambda: self._cursor.execute(sql, tuple(values)))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Cursor:
        return self._run(lambda: self._cursor.executemany(sql, [tuple(row) for row in rows]))

    def _run(self, start: Callable[[], Any]) -> Cursor:
        before, self.description = self._opened.total_changes(), None
        with _as_sqlite3():
            rows = list(start())
        self._rows = iter(rows)
        self.rowcount = -1 if self.description and not rows else self._opened.total_changes() - before
        return self

    def _describe(self, cursor: apsw.Cursor, _sql: str, _values: object) -> bool:
        """Called before each statement runs: a result without rows has a description only then."""
        self.description = tuple((name, *[None] * 6) for name, *_ in cursor.get_description()) or None
        return True

    def fetchone(self) -> Any:
        return next(self._rows, None)  # type: ignore[call-overload]

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [row for row, _ in zip(self._rows, range(size or self.arraysize), strict=False)]

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Any:
        return self._rows

    def close(self) -> None:
        with _as_sqlite3():
            self._cursor.close()


@contextlib.contextmanager
def _as_sqlite3() -> Any:
    """apsw's errors under the names that the hub meets in life, with the same code."""
    try:
        yield
    except apsw.Error as error:
        kind: type[sqlite3.Error] = sqlite3.OperationalError
        if isinstance(error, apsw.ConstraintError):
            kind = sqlite3.IntegrityError
        elif isinstance(error, CORRUPTED):
            kind = sqlite3.DatabaseError
        named = kind(str(error))
        named.sqlite_errorcode = getattr(error, "extendedresult", 0)  # type: ignore[misc]
        raise named from error

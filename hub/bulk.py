"""Bulk: many rows in few statements, past the ORM and past SQLAlchemy's row-by-row parameters.

One multi-row INSERT enters the driver once. With `executemany` SQLite gives the interpreter's lock away at every row,
and beside a busy event loop each row then waits for it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from hub.db import Read, Tx

T = TypeVar("T")

# Few sizes, so that the driver finds the statement it has prepared before. 256 rows of 40 columns stay below the
# 32,766 parameters of SQLite and the 65,535 of PostgreSQL.
_ROWS = (256, 64, 16, 4, 1)
COPIED_MIN = 16  # rows of one insert; fewer cost less as values
NAMES_MAX = 500  # in one IN (...)


def insert(tx: Tx, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], tail: str = "") -> int:
    """Insert rows, each in the order of `columns`; the number that were. `tail` is ON CONFLICT and what follows."""
    if not rows:
        return 0
    tx.session.flush()  # what the ORM still holds back must not come after this
    connection = tx.session.connection()
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    if mark == "%s" and not tail and len(rows) >= COPIED_MIN:
        return _copy(connection, table, columns, rows)
    written = 0
    for part in _parts(rows):
        statement = _statement(table, columns, len(part), mark, tail)
        written += connection.exec_driver_sql(statement, tuple(chain.from_iterable(part))).rowcount
    return written


def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
    """PostgreSQL's own way for many rows: nothing to parse, one statement for its triggers, errors as everywhere."""
    driver: Any = connection.connection.driver_connection
    words = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    failed: type[Exception] = connection.dialect.dbapi.Error  # type: ignore[union-attr]
    try:
        with driver.cursor() as cursor:
            with cursor.copy(words) as copy:
                for row in rows:
                    copy.write_row(row)
            return int(cursor.rowcount)
    except failed as error:
        raise DBAPIError.instance(words, None, error, failed, hide_parameters=True) from error


def insert_new(
    tx: Tx, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], unique: str
) -> set[str] | None:
    """Insert rows where nothing stands under their `unique` column yet, and say which those were; None: all of them."""
    connection = tx.session.connection()
    tail = f"ON CONFLICT ({unique}) DO NOTHING"
    if connection.dialect.name != "sqlite":
        return _insert_returning(tx, table, columns, rows, f"{tail} RETURNING {unique}")
    # Nearly always all are new, and their number says so. RETURNING would step through every row of every batch.
    last = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608 - names of our own code
    before = connection.exec_driver_sql(last).scalar_one()
    if insert(tx, table, columns, rows, tail) == len(rows):
        return None
    added = f"SELECT {unique} FROM {table} WHERE rowid > ?"  # noqa: S608 - names of our own code
    return set(connection.exec_driver_sql(added, (before,)).scalars())


def _insert_returning(
    tx: Tx, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], tail: str
) -> set[str]:
    connection = tx.session.connection()
    found: set[str] = set()
    for part in _parts(rows):
        statement = _statement(table, columns, len(part), "%s", tail)
        found.update(connection.exec_driver_sql(statement, tuple(chain.from_iterable(part))).scalars())
    return found


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    start = 0
    for size in _ROWS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def moment(tx: Tx, at: datetime) -> datetime | str:
    """A time in the form that types.UtcTime keeps it in."""
    if tx.session.get_bind().dialect.name != "sqlite":
        return at
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def pages(of: Iterable[T]) -> Iterator[list[T]]:
    """The same in lists that fit into one IN (...)."""
    listed = list(of)
    for start in range(0, len(listed), NAMES_MAX):
        yield listed[start : start + NAMES_MAX]


def among(read: Read, query: str, names: Iterable[str]) -> Sequence[Any]:
    """The rows of a query whose `{names}` stands for all of them, as one parameter: `... WHERE id {names}`."""
    connection, listed = read.session.connection(), list(names)
    if connection.dialect.paramstyle == "qmark":
        rule = query.format(names="IN (SELECT value FROM json_each(?))")
        return connection.exec_driver_sql(rule, (json.dumps(listed),)).fetchall()
    return connection.exec_driver_sql(query.format(names="= ANY(%s)"), (listed,)).fetchall()


def known(read: Read, table: str, column: str, names: Iterable[str]) -> set[str]:
    """Which of these names stand in the column."""
    connection = read.session.connection()
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    found: set[str] = set()
    for page in pages(names):
        marks = ", ".join([mark] * len(page))
        rule = f"SELECT {column} FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - names of our own code
        found.update(row[0] for row in connection.exec_driver_sql(rule, tuple(page)))
    return found


@cache
def _statement(table: str, columns: tuple[str, ...], rows: int, mark: str, tail: str) -> str:
    one = "(" + ", ".join([mark] * len(columns)) + ")"
    values = ", ".join([one] * rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {tail}"  # noqa: S608 - names of our own code

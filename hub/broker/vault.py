"""The broker's own file: SQLite in WAL with `synchronous=FULL`, the pair that lost nothing in 300 power cuts.

It stands apart from the hub's store since it lives at the door: with PostgreSQL behind the hub it is still a file here,
and no page's transaction waits for it. Messages are sealed like the readings they may be; the other rows carry a
checksum, since SQLite has none. What cannot be read is kept aside under another name and never deleted.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from hub.broker.journal import Changes, Rows
from hub.broker.records import KINDS, Key, Record, Table
from hub.disk import firm_log
from hub.errors import LinliError, Unavailable
from hub.i18n import _
from hub.seal import Seal

log = logging.getLogger(__name__)
VERSION = 1
BUSY_S = 5.0
SEALED = {Table.MESSAGE, Table.RETAINED, Table.WILL}
_KEYS = {
    Table.SESSION: "number INTEGER PRIMARY KEY",
    Table.SUBSCRIPTION: "session INTEGER, filter TEXT",
    Table.MESSAGE: "number INTEGER PRIMARY KEY",
    Table.OWED: "number INTEGER PRIMARY KEY",
    Table.RECEIVED: "session INTEGER, packet INTEGER",
    Table.RETAINED: "topic TEXT PRIMARY KEY",
    Table.WILL: "connection TEXT PRIMARY KEY",
}
_PAIRS = {Table.SUBSCRIPTION: ("session", "filter"), Table.RECEIVED: ("session", "packet")}


class Damaged(Exception):
    """A row that does not say what was written."""


class Vault:
    def __init__(self, path: Path, seal: Seal) -> None:
        self._path, self._seal = path, seal
        self._connection: sqlite3.Connection | None = None
        self._encoder = msgspec.msgpack.Encoder()
        self._decoders = {table: msgspec.msgpack.Decoder(kind) for table, kind in KINDS.items()}
        self._last_alive_s = 0.0

    def open(self, now_s: float) -> Rows:
        """The rows of the file. A file that is damaged is kept aside, and what could be read goes into a new one."""
        self._last_alive_s = self._path.stat().st_mtime if self._path.exists() else now_s
        rows: dict[Table, dict[Key, Record]] = {table: {} for table in Table}
        try:
            self._connection = _connect(self._path)
            whole = self._read(self._connection, rows)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise Unavailable(_("Another hub has opened broker.db in this data folder")) from None
            raise
        except sqlite3.DatabaseError:
            whole = False
        if not whole:
            self._start_anew(rows, now_s)
        return rows

    def last_alive_s(self) -> float:
        return self._last_alive_s

    def alive(self, now_s: float) -> None:
        # The file's own time: a second's precision without a commit a second.
        if self._connection is not None:
            with suppress(OSError):  # a failing disk shows at the next commit; this costs precision alone
                os.utime(self._path, (now_s, now_s))

    def write(self, changes: Changes) -> None:
        """One transaction. After an error the same connection goes on: it knows how far the log was good (disk.py);
        writing the same rows twice does no harm."""
        if self._connection is None:
            self._connection = _connect(self._path)
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for session in changes.ended:
                connection.execute("DELETE FROM subscription WHERE session = ?", (session,))
                connection.execute("DELETE FROM received WHERE session = ?", (session,))
            for table, rows in changes.rows.items():
                self._write_table(connection, table, rows)
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError):
            with suppress(sqlite3.Error):
                connection.rollback()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write_table(self, connection: sqlite3.Connection, table: Table, rows: dict[Key, Record | None]) -> None:
        kept = [(*_columns(key), self._body(table, record)) for key, record in rows.items() if record is not None]
        gone = [_columns(key) for key, record in rows.items() if record is None]
        if kept:
            marks = ", ".join("?" * len(kept[0]))
            connection.executemany(f"INSERT OR REPLACE INTO {table.value} VALUES ({marks})", kept)  # noqa: S608
        if gone:
            where = " AND ".join(f"{name} = ?" for name in _key_names(table))
            connection.executemany(f"DELETE FROM {table.value} WHERE {where}", gone)  # noqa: S608

    def _body(self, table: Table, record: Record) -> bytes:
        plain = self._encoder.encode(record)
        if table in SEALED:
            return self._seal.close(plain, f"broker.{table.value}")
        return zlib.crc32(plain).to_bytes(4, "big") + plain

    def _read(self, connection: sqlite3.Connection, rows: dict[Table, dict[Key, Record]]) -> bool:
        whole = [row[0] for row in connection.execute("PRAGMA quick_check")] == ["ok"]
        for table in Table:
            for *key, body in connection.execute(f"SELECT * FROM {table.value}"):  # noqa: S608
                try:
                    rows[table][_key(key)] = self._record(table, body)
                except (Damaged, LinliError, msgspec.MsgspecError, ValueError, IndexError):
                    whole = False
        return whole

    def _record(self, table: Table, body: bytes) -> Record:
        if table in SEALED:
            plain = self._seal.read(body, f"broker.{table.value}")
        else:
            plain = body[4:]
            if zlib.crc32(plain).to_bytes(4, "big") != body[:4]:
                raise Damaged
        record: Record = self._decoders[table].decode(plain)
        return record

    def _start_anew(self, rows: Rows, now_s: float) -> None:
        self.close()
        aside = _free_name(self._path, now_s)
        for ending in ("", "-wal", "-shm"):
            part = Path(f"{self._path}{ending}")
            if part.exists():
                part.rename(f"{aside}{ending}")
        rescued = sum(map(len, rows.values()))
        log.error("broker.db is damaged and kept aside", extra={"file": aside.name, "rows_rescued": rescued})
        self._connection = _connect(self._path)
        changes = Changes()
        for table, found in rows.items():
            changes.rows[table].update(found)
        self.write(changes)


def _connect(path: Path) -> sqlite3.Connection:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)  # sqlite would make it readable for everybody
    os.close(handle)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        # One process owns the file: two brokers over one set of queues would give one message to both.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN EXCLUSIVE")
        log_path = Path(f"{path}-wal")
        if log_path.exists() and log_path.stat().st_size:
            firm_log(log_path)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise Unavailable(_("broker.db was written by a newer Linli; start that one, or put the file aside"))
        if version < VERSION:  # else nothing is written: a damaged file is to be kept as it was found
            _make_tables(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    for table, key in _KEYS.items():
        pair = _PAIRS.get(table)
        tail = f", PRIMARY KEY ({', '.join(pair)})) WITHOUT ROWID" if pair else ")"
        connection.execute(f"CREATE TABLE {table.value} ({key}, body BLOB NOT NULL{tail}")
    connection.execute(f"PRAGMA user_version={VERSION}")


def _free_name(path: Path, now_s: float) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{int(now_s)}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{int(now_s)}-{number}")
    return aside


def _key_names(table: Table) -> Iterable[str]:
    return _PAIRS.get(table) or (_KEYS[table].split()[0],)


def _columns(key: Key) -> tuple[int | str, ...]:
    return key if isinstance(key, tuple) else (key,)


def _key(columns: list[int | str]) -> Key:
    match columns:
        case [key]:
            return key
        case [int(session), str(name)]:
            return (session, name)
        case [int(session), int(packet_id)]:
            return (session, packet_id)
    raise Damaged

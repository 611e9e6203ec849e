"""What lies below SQLite: what its errors mean, and what must be true of its log before we believe it.

After a crash or a failed fsync the write-ahead log may show frames that are not on the disk: the kernel still has them,
or has even given them up and only remembers them. SQLite reads them, a device's repetition would count as a duplicate
and be acknowledged, and the next power cut would take it. So whoever opens the store to write first writes the log
over itself and syncs it. Same bytes, so no cut can tear it; a clean stop leaves no log at all.

After an error a connection is kept, not opened anew: SQLite still knows how far the log was good and writes the failed
frames again, while a new connection would take them for committed.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from hub.i18n import N_

FULL = N_("The disk is full")
FAILING = N_("The disk reports errors")
LOCKED = N_("Somebody else holds the database")
DAMAGED = N_("The database is damaged")
AWAY = N_("The database cannot be reached")

_BY_CODE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_IOERR: FAILING,
    sqlite3.SQLITE_CANTOPEN: FAILING,
    sqlite3.SQLITE_READONLY: FAILING,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}


class DiskFull(OSError):
    """There is only the reserve left, and that is not for what may wait."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC))


def firm_log(log: Path) -> None:
    """Bring the write-ahead log to the disk, whatever the kernel believes is there already."""
    with log.open("r+b", buffering=0) as file:
        content = file.read()
        file.seek(0)
        written = 0
        while written < len(content):
            written += file.write(content[written:])
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class Disk:
    """The DBAPI module and the way to firm a log; the power tests put a disk of their own here."""

    driver: Any = sqlite3
    firm: Callable[[Path], None] = firm_log


REAL = Disk()


def why(error: BaseException) -> str:
    """Why nothing can be written, as a msgid for the operator."""
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is None:
            return FULL if getattr(error.orig, "sqlstate", None) == "53100" else AWAY
        return _BY_CODE.get(code & 0xFF, FAILING)
    if isinstance(error, OSError):
        return FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FAILING
    return AWAY

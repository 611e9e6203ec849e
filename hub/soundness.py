"""Whether a SQLite store is whole, and what to do when it is not: nothing is ever deleted, and a person decides.

SQLite pages carry no checksum. What holds instead: the structure (`integrity_check`), the seal of every reading's
values and frame (it opens only as it was written), the frame's digest beside it, and the chain of the audit log. A
damaged store stops the start with one sentence; `linli db setaside` keeps it under another name, and only then does a
start make a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlmodel import col

from hub import audit
from hub.db import Read
from hub.disk import DAMAGED, why
from hub.errors import Unavailable
from hub.i18n import _
from hub.readings import RawFrame, Reading, open_raw, open_values

FAULTS_MAX = 20  # more would say no more
PARTS = ("", "-wal", "-shm")


class Damaged(Unavailable):
    def __init__(self, database: Path) -> None:
        super().__init__(
            _(
                "The store {name} is damaged and was left as it is: bring a backup back with `linli db restore FILE`, "
                "or keep it aside with `linli db setaside` and start anew"
            ).format(name=database.name)
        )


def set_aside(database: Path, now: datetime, why: str = "damaged") -> Path:
    """Give the store, its log and its index another name, together: the log is part of it."""
    kept = database.with_name(f"{database.name}.{why}-{now:%Y%m%dT%H%M%S}")
    for part in PARTS:
        old = database.with_name(database.name + part)
        if old.exists():
            old.rename(kept.with_name(kept.name + part))
    return kept


def faults(read: Read) -> Iterator[str]:
    """Everything that is not as it was written, one sentence each, FAULTS_MAX at the most."""
    try:
        for number, sentence in enumerate(_faults(read)):
            if number == FAULTS_MAX:
                return
            yield sentence
    except (DBAPIError, StatementError, ValueError) as error:
        if isinstance(error, DBAPIError) and why(error) is not DAMAGED:
            raise
        yield _("The store cannot be read to its end")


def _faults(read: Read) -> Iterator[str]:
    if read.session.get_bind().dialect.name == "sqlite":
        for (line,) in read.session.execute(text(f"PRAGMA integrity_check({FAULTS_MAX})")):
            if line != "ok":
                yield _("The structure of the file is broken: {line}").format(line=str(line)[:200])
    columns = (col(Reading.id), col(Reading.sealed_values), col(Reading.raw_sha256), col(RawFrame.payload))
    rows = select(*columns).outerjoin(RawFrame, col(RawFrame.reading) == col(Reading.id))
    for ident, sealed, digest, frame in read.session.execute(rows.execution_options(yield_per=1_000)):
        try:
            open_values(read.seal, sealed)
            whole = frame is None or hashlib.sha256(open_raw(read.seal, frame)).hexdigest() == digest
        except Unavailable:
            whole = False
        if not whole:
            yield _("Reading {id} is not as it was written").format(id=str(ident)[:36])
    broken = audit.verify(read)
    if broken is not None:
        yield _("The audit log breaks at entry {number}; someone changed it").format(number=broken)

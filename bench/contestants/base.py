"""What a contestant is: somewhere to publish to, a count of what it has taken for good, and programs that cost CPU."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.rig.process import Program


@dataclass(slots=True)
class Opened:
    """A contestant at work."""

    port: int
    accounts: Mapping[str, str]
    programs: list[Program] = field(default_factory=list)
    count: Count | None = None  # None: its PUBACK says that the reading is committed
    records: int = 1  # readings in a message

    def close(self) -> None:
        for program in reversed(self.programs):
            program.stop()
        if self.count is not None:
            self.count.close()


class Count(Protocol):
    """How many are committed by now, read from outside."""

    def now(self) -> int: ...
    def close(self) -> None: ...


class Contestant(Protocol):
    name: str
    what: str

    def open(self, folder: Path) -> Opened: ...


class LeftOut(Exception):
    """This contestant cannot run here; the sentence says why and stands in the output."""


class RowCount:
    """Rows of a table that only grows, by its highest rowid: a look of some microseconds."""

    def __init__(self, database: Path, table: str) -> None:
        self._store = sqlite3.connect(
            f"file:{database}?mode=ro", uri=True, isolation_level=None, timeout=10, check_same_thread=False
        )
        self._question = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608 - a name of our own

    def now(self) -> int:
        return int(self._store.execute(self._question).fetchone()[0])

    def close(self) -> None:
        self._store.close()

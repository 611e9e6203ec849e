"""The broker's word to the disk: changes are gathered while the last ones are written, and committed together.

    mark = journal.mark
    ...keep and drop rows...
    journal.then(acknowledge)        # once all of it is on disk; at once when nothing is under way

Two kinds of callers wait. Acknowledgements wait for the disk whatever happens. Deliveries do as well, or a crash could
forget their packet identifiers; but while the disk refuses, they go on: an emergency must not wait for a full disk.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

from hub.broker import records
from hub.broker.message import Message
from hub.broker.records import Key, Record, Table
from hub.clock import Clock
from hub.disk import why

log = logging.getLogger(__name__)
RETRY_S = 0.5  # disk full or failing: nothing is acknowledged, and the same rows are tried again
CLOSE_S = 0.5  # of the second within which a stop must be over
T = TypeVar("T")

Rows = Mapping[Table, Mapping[Key, Record]]


class Changes:
    """The rows touched since the last commit as they stand now; None is a row that is to go."""

    def __init__(self) -> None:
        self.rows: dict[Table, dict[Key, Record | None]] = {table: {} for table in Table}
        self.ended: list[int] = []  # sessions of which everything goes
        self._fresh: set[tuple[Table, Key]] = set()

    def keep(self, table: Table, key: Key, record: Record, fresh: bool) -> None:
        self.rows[table][key] = record
        if fresh:
            self._fresh.add((table, key))

    def drop(self, table: Table, key: Key) -> None:
        if (table, key) in self._fresh:  # it came and went between two commits: the disk need not know
            self._fresh.discard((table, key))
            del self.rows[table][key]
        else:
            self.rows[table][key] = None

    def end(self, session: int) -> None:
        self.ended.append(session)
        for table in (Table.SUBSCRIPTION, Table.RECEIVED):
            rows = self.rows[table]
            for key in [key for key in rows if isinstance(key, tuple) and key[0] == session]:
                del rows[key]
                self._fresh.discard((table, key))
        self.drop(Table.SESSION, session)


class Disk(Protocol):
    """Where the rows lie: a file (vault.py), or whatever a test puts there. Its calls block."""

    def open(self, now_s: float) -> Rows: ...
    def write(self, changes: Changes) -> None: ...
    def alive(self, now_s: float) -> None: ...
    def last_alive_s(self) -> float: ...
    def close(self) -> None: ...


class Runner(Protocol):
    """Where blocking work runs: a thread of its own in life, inline in the simulation (hub/db.py has both)."""

    def run(self, work: Callable[[], T]) -> Awaitable[T]: ...
    def close(self) -> None: ...


class _Batch:
    def __init__(self) -> None:
        self.changes = Changes()
        self.touched = False
        self.waiters: list[tuple[Callable[[], None], bool]] = []  # the call, and whether it may go without the disk


class Journal:
    def __init__(self, disk: Disk, runner: Runner, clock: Clock) -> None:
        self.mark = 0  # grows with each change, so that a caller sees whether it has made any
        self.commits = 0
        self.trouble: str | None = None  # why nothing is written at the moment
        self.fault: Callable[[str, Exception], None] = lambda where, error: None
        self._disk, self._runner, self._clock = disk, runner, clock
        self._pending = _Batch()
        self._writing: _Batch | None = None
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._open = False

    async def open(self) -> Rows:
        """What a former run has left."""
        rows = await self._runner.run(partial(self._disk.open, self._clock.now().timestamp()))
        for table in (Table.SESSION, Table.MESSAGE, Table.OWED):
            self._number = max(self._number, *(key for key in rows[table] if isinstance(key, int)), 0)
        self._open = True
        return rows

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def alive(self) -> None:
        """Says that the broker lives, so that after a crash we know when its connections ended."""
        self._disk.alive(self._clock.now().timestamp())

    def last_alive_s(self) -> float:
        return self._disk.last_alive_s()

    def keep(self, table: Table, key: Key, record: Record, *, fresh: bool = False) -> None:
        """`fresh`: the key was never used before."""
        self._pending.changes.keep(table, key, record, fresh)
        self._touch()

    def drop(self, table: Table, key: Key) -> None:
        self._pending.changes.drop(table, key)
        self._touch()

    def keep_message(self, number: int, message: Message) -> None:
        self.keep(Table.MESSAGE, number, records.of_message(message, self._clock), fresh=True)

    def drop_message(self, number: int) -> None:
        self.drop(Table.MESSAGE, number)

    def end(self, session: int) -> None:
        """The session with its subscriptions and identifiers; what it is owed has been dropped one by one."""
        self._pending.changes.end(session)
        self._touch()

    def then(self, call: Callable[[], None], *, patient: bool = True) -> None:
        """Calls once all changes so far are on disk. An impatient call does not wait while the disk refuses."""
        batch = self._pending if self._pending.touched else self._writing
        if batch is None or (self.trouble is not None and not patient):
            call()
        else:
            batch.waiters.append((call, not patient))

    async def settled(self) -> None:
        """The impatient wait, for a coroutine."""
        done = asyncio.Event()
        self.then(done.set, patient=False)
        await done.wait()

    async def drained(self, timeout_s: float) -> None:
        """Until nothing is under way, but no longer than this."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_s)

    async def close(self) -> None:
        """Writes what is left, unless the disk refuses."""
        await self.drained(CLOSE_S)
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._open:
            self._open = False
            await self._runner.run(self._disk.close)
        self._runner.close()

    def _touch(self) -> None:
        self.mark += 1
        self._pending.touched = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="broker-journal")

    async def _run(self) -> None:
        try:
            while self._pending.touched:
                batch, self._pending = self._pending, _Batch()
                self._writing = batch
                await self._commit(batch)
                self._writing = None
                self._call(batch.waiters)
        finally:
            self._task = None

    async def _commit(self, batch: _Batch) -> None:
        while True:
            try:
                await self._runner.run(partial(self._disk.write, batch.changes))
            except Exception as error:  # whatever it is: nobody may be told that it was written
                reason = why(DBAPIError(None, None, error) if isinstance(error, sqlite3.Error) else error)
                if self.trouble is None:
                    said = {"why": reason, "error": type(error).__name__}
                    log.error("the broker's queues are not written, trying again", extra=said)
                self.trouble = reason
                for each in (batch, self._pending):
                    impatient = [waiter for waiter in each.waiters if waiter[1]]
                    each.waiters = [waiter for waiter in each.waiters if not waiter[1]]
                    self._call(impatient)
                await self._clock.sleep(RETRY_S)
            else:
                self.trouble = None
                self.commits += 1
                return

    def _call(self, waiters: list[tuple[Callable[[], None], bool]]) -> None:
        for call, _ in waiters:
            try:
                call()
            except Exception as error:  # one line's fault must not keep the others waiting for ever
                self.fault("journal", error)

"""The Store: one transaction per request, batch or job, at the edge. Code takes a transaction and never commits.

SQLite: WAL, `synchronous=FULL`, one writer connection on one writer thread, a few read-only connections. PostgreSQL:
psycopg 3, the same calls. After a commit the bus tells the observers (feed, trail) which topics to draw anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import CursorResult, Engine, Executable, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from hub.bus import Bus
from hub.clock import Clock
from hub.disk import DAMAGED, FULL, REAL, Disk, DiskFull, why
from hub.errors import LinliError
from hub.events import Event, SignatureRefused
from hub.reserve import Reserve
from hub.rng import Rng, uuid7, uuid7s
from hub.seal import Seal

# Set before any table class is made: without names, SQLite cannot drop what Alembic wants to change later.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# A table never validates, so Pydantic shall not build its validator when the class is made: 0.1 s of every start.
SQLModel.model_config["defer_build"] = True

READERS_MAX = 4  # pages are short reads; more threads only fight for the two cores of the smallest machine
LOG_BUSY_MS = 50  # emptying the log waits this long for readers; the next one tries again
STATEMENTS_MAX = 1_000  # twice SQLAlchemy's own: the writer's and the readers' in one
SQLITE_BUSY_MS = 5_000  # the command line may write while the hub runs; it waits this long for the file

T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, on whose behalf, and because of which event."""

    id: str = "hub"
    on_behalf_of: str | None = None
    cause: str | None = None


HUB = Actor()


@dataclass
class Read:
    """A read-only look at one instant of the store."""

    session: Session
    clock: Clock
    seal: Seal

    def now(self) -> datetime:
        return self.clock.now()


@dataclass
class Tx(Read):
    """One transaction that may write. What it emits and touches is told to the screens only after the commit."""

    rng: Rng
    bus: Bus
    actor: Actor = HUB
    events: list[Event] = field(default_factory=list)
    touched: set[tuple[str, str]] = field(default_factory=set)
    _cause: str | None = None

    def new_id(self) -> str:
        return uuid7(self.clock.now(), self.rng)

    def new_ids(self, count: int) -> list[str]:
        return uuid7s(self.clock.now(), count, self.rng)

    def emit(self, kind: type[E], /, *, cause: str | None = None, **fields: Any) -> E:
        """Make an event with its head filled in, and let its listeners act in this same transaction.

        What a listener emits has this event as its cause unless it names another.
        """
        made = kind(
            id=self.new_id(),
            at=self.clock.now(),
            cause=cause or self._cause or self.actor.cause,
            actor=self.actor.id,
            on_behalf_of=self.actor.on_behalf_of,
            **fields,
        )
        self.events.append(made)
        before, self._cause = self._cause, made.id
        try:
            for listener in self.bus.listeners(kind):
                listener(self, made)
        finally:
            self._cause = before
        return made

    def change(self, statement: Executable) -> int:
        """Run an UPDATE or DELETE; gives the number of rows it met."""
        return cast("CursorResult[Any]", self.session.execute(statement)).rowcount

    def touch(self, topic: str, key: str) -> None:
        """The fragment `topic:key` shows something this transaction changed."""
        self.touched.add((topic, key))


class Runner(Protocol):
    """Where blocking database work runs: threads in life, inline in the simulation."""

    def run(self, work: Callable[[], T]) -> Awaitable[T]: ...
    def close(self) -> None: ...


class ThreadRunner:
    def __init__(self, name: str, threads_max: int) -> None:
        self._pool: Executor = ThreadPoolExecutor(threads_max, thread_name_prefix=name)

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        # With the caller's context: sentences made inside a transaction are in the caller's language.
        return asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, work)

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class InlineRunner:
    async def run(self, work: Callable[[], T]) -> T:
        return work()

    def close(self) -> None:
        return None


class Store:
    def __init__(
        self,
        url: str,
        *,
        seal: Seal,
        clock: Clock,
        rng: Rng,
        bus: Bus | None = None,
        inline: bool = False,
        disk: Disk = REAL,
    ) -> None:
        self.url, self.seal, self.clock, self.rng = make_url(url), seal, clock, rng
        self.bus = bus or Bus()
        self.reserve: Reserve | None = None  # given by who runs a hub; a command or a test needs none
        self.dialect = self.url.get_backend_name()
        self.name = rng.token(8).hex() if self.dialect == "postgresql" else ""  # among the processes on one store
        if self.dialect == "sqlite":
            self.engine = _sqlite_engine(self.url, seal, disk, writer=True)
            # A disk of the tests lets one connection in; then the writer's serves for reading as well.
            self._readers = _sqlite_engine(self.url, seal, disk, writer=False) if disk is REAL else self.engine
        else:
            self.engine = create_engine(self.url, hide_parameters=True, pool_size=2 * READERS_MAX, pool_pre_ping=True)
            self.engine.dialect.linli_seal = seal  # type: ignore[attr-defined]
            self._readers = self.engine
        writers_max = 1 if self.dialect == "sqlite" else READERS_MAX
        self._write_runner: Runner = InlineRunner() if inline else ThreadRunner("linli-write", writers_max)
        self._read_runner: Runner = InlineRunner() if inline else ThreadRunner("linli-read", READERS_MAX)

    async def write(self, work: Callable[[Tx], T], actor: Actor = HUB, *, can_wait: bool = False) -> T:
        """Run `work` in one transaction and commit it; then tell the observers. An exception rolls all of it back.

        While the disk is full, what `can_wait` is refused and leaves the reserve to what cannot.
        """
        if can_wait and self.reserve is not None and not self.reserve.held():
            raise DiskFull
        try:
            result, tx = await self._write_runner.run(lambda: self._transact(work, actor, can_wait))
        except LinliError as error:
            tried = error.kept()
            if tried is not None:
                await self._write_runner.run(lambda: self._keep(tried, actor))
            raise
        self.bus.committed(tx.events, frozenset(tx.touched))
        return result

    async def read(self, work: Callable[[Read], T]) -> T:
        return await self._read_runner.run(lambda: self.read_now(work))

    def write_now(self, work: Callable[[Tx], T], actor: Actor = HUB) -> T:
        """The same for the command line, migrations and tests, which have no loop."""
        try:
            result, tx = self._transact(work, actor)
        except LinliError as error:
            tried = error.kept()
            if tried is not None:
                self._keep(tried, actor)
            raise
        self.bus.committed(tx.events, frozenset(tx.touched))
        return result

    def read_now(self, work: Callable[[Read], T]) -> T:
        with Session(self._readers, expire_on_commit=False) as session:
            return work(Read(session, self.clock, self.seal))

    def _transact(self, work: Callable[[Tx], T], actor: Actor, can_wait: bool = False) -> tuple[T, Tx]:
        try:
            return self._attempt(work, actor)
        except DBAPIError as error:
            if why(error) is DAMAGED:
                self._reopen()  # perhaps somebody has put a whole one in its place
            full = why(error) is FULL and self.reserve is not None and self.reserve.give_up()
            if not full or can_wait:
                raise
        return self._attempt(work, actor)  # in the room that the reserve has left

    def _keep(self, tried: Mapping[str, str], actor: Actor) -> None:
        """That somebody tried outlives the transaction that refused it, in one of its own."""
        self._attempt(lambda tx: tx.emit(SignatureRefused, **tried), actor)

    def _reopen(self) -> None:
        self.engine.dispose()
        if self._readers is not self.engine:
            self._readers.dispose()

    def _attempt(self, work: Callable[[Tx], T], actor: Actor) -> tuple[T, Tx]:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            tx = Tx(session, self.clock, self.seal, self.rng, self.bus, actor)
            result = work(tx)
            if tx.events:
                from hub.audit import record  # audit.py needs Tx; imported late to keep the arrow one way

                record(tx)
            if tx.touched and self.dialect == "postgresql":
                from hub.echo import tell  # for the screens of other processes

                tell(tx, self.name)
        return result, tx

    @contextmanager
    def writer_connection(self) -> Iterator[Any]:
        """A raw connection in a transaction, for migrations."""
        with self.engine.begin() as connection:
            yield connection

    async def settle_log(self) -> bool:
        """Bring SQLite's log into the file and empty it, so that what was overwritten stands in neither any more.

        Whoever reads at that moment may be in the way: False; it waits for nobody.
        """
        if self.dialect != "sqlite":
            return True  # PostgreSQL's own housekeeping sees to it
        return await self._write_runner.run(self._settle_log)

    def _settle_log(self) -> bool:
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={LOG_BUSY_MS}")
            busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
            cursor.close()
        finally:
            connection.close()
        return not busy

    def close(self) -> None:
        self._write_runner.close()
        self._read_runner.close()
        self._readers.dispose()
        self.engine.dispose()


def _sqlite_engine(url: URL, seal: Seal, disk: Disk, *, writer: bool) -> Engine:
    engine = create_engine(
        url,
        module=disk.driver,
        hide_parameters=True,
        pool_size=1 if writer else READERS_MAX,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_MS / 1000},
    )
    engine.dialect.linli_seal = seal  # type: ignore[attr-defined]
    if disk is REAL:
        _share_statements(engine, seal)

    @event.listens_for(engine, "connect")
    def tune(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, or sqlite3 would begin late and upgrade locks
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # NORMAL lost acknowledged rows in 270 of 300 power cuts
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.execute("PRAGMA mmap_size=268435456")
        if writer:
            _believe_log(cursor, url, disk)
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        if writer:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # it touches no file yet and cannot fail; past SQLAlchemy, a tenth off every read
            connection.connection.dbapi_connection.execute("BEGIN")

    return engine


def _share_statements(engine: Engine, seal: Seal) -> None:
    """What one engine has made of a statement serves the writer, the readers and the next store under the same key.

    SQLAlchemy keeps it by engine and by dialect, so each made the same text again: 3 ms a statement.
    """
    first = _first_engine(seal.mark("", "statements"))
    first.dialect.linli_seal = seal  # type: ignore[attr-defined]
    engine.dialect = first.dialect
    engine.update_execution_options(compiled_cache=first._compiled_cache)


@lru_cache(maxsize=2)
def _first_engine(_key: str) -> Engine:
    engine = create_engine("sqlite://", query_cache_size=STATEMENTS_MAX)
    engine.connect().close()  # the dialect learns with whom it speaks
    engine.dispose()
    return engine


def _believe_log(cursor: Any, url: URL, disk: Disk) -> None:
    """Before the first read: what stands in the log is on the disk (disk.py says why)."""
    log = Path(f"{url.database}-wal")
    if not url.database or not log.exists() or log.stat().st_size == 0:
        return
    cursor.execute("BEGIN IMMEDIATE")  # nobody else may write a frame meanwhile, or we would write it away
    try:
        disk.firm(log)
    finally:
        cursor.execute("ROLLBACK")


def ready(store: Store) -> None:
    """Prove that a write reaches the disk: the probe behind `/readyz`. Raises when it does not."""
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE stamp SET version = version + 1 WHERE name = 'probe'"))

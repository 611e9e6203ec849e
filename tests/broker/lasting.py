"""A broker that is stopped, or killed, and opened again on the same file; and the file seen from outside."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hub.broker import Broker, Limits
from hub.broker.journal import Changes, Journal
from hub.broker.packets import Disconnect
from hub.broker.vault import Vault
from hub.clock import Clock, SystemClock
from hub.db import InlineRunner, ThreadRunner
from hub.rng import SeededRng
from hub.seal import Seal
from tests.broker.rig import Book, Client, House, Shelf

SEAL = Seal(bytes(range(64)))


class Refusing(Vault):
    """A disk that can be full."""

    full = False

    def write(self, changes: Changes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().write(changes)


@dataclass
class Lasting:
    """One file and the brokers that own it one after the other."""

    path: Path
    clock: Clock = field(default_factory=SystemClock)
    limits: Limits = field(default_factory=Limits)
    inline: bool = True
    boots: int = 0

    @contextlib.asynccontextmanager
    async def house(self, killed: bool = False) -> AsyncIterator[House]:
        """`killed`: the file is afterwards what it was before the end, as after kill -9."""
        self.boots += 1
        shelf, book = Shelf(), Book()
        self.vault = Refusing(self.path, SEAL)
        runner = InlineRunner() if self.inline else ThreadRunner("test-broker", 1)
        journal = Journal(self.vault, runner, self.clock)
        broker = Broker(book, shelf, self.clock, SeededRng(self.boots), limits=self.limits, journal=journal)
        host, port = await broker.listen("127.0.0.1", 0)
        home = House(broker, shelf, book, host, port)
        try:
            yield home
        finally:
            faults, left = broker.counters.faults, self._files() if killed else {}
            await broker.stop()
            for client in home.clients:
                await client.vanish()
            for path, (content, modified_ns) in left.items():
                path.write_bytes(content)
                os.utime(path, ns=(modified_ns, modified_ns))
        assert faults == 0

    def _files(self) -> dict[Path, tuple[bytes, int]]:
        paths = [path for path in self.path.parent.iterdir() if path.name in (self.path.name, f"{self.path.name}-wal")]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


async def back(home: House, name: str = "watch", version: int = 5, **wanted: object) -> tuple[Client, bool]:
    """The same client again, and whether its session was still there."""
    client = await home.stranger(version)
    answer = await client.login(name, clean=False, **wanted)  # type: ignore[arg-type]
    assert answer.reason == 0
    return client, answer.session_present


async def depart(client: Client) -> None:
    """Says goodbye and waits until the broker has taken it."""
    await client.send(Disconnect())
    assert await client.next() is None

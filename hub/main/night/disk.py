"""The disk of a night: SQLite itself, committing at once, behind a runner that takes time and can fail.

Before a transaction and after it the runner may dawdle: a kill then falls between two effects that life puts
microseconds apart.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from hub.bus import Bus
from hub.clock import Clock
from hub.db import Store
from hub.rng import Rng
from hub.seal import Seal

T = TypeVar("T")
USUAL_S = (0.0005, 0.006)
SLOW_S = (0.05, 1.5)
DAWDLE_S = 0.5
DAWDLE_EVERY = 12


class DiskError(OperationalError):
    """What SQLite says when the disk refuses."""

    def __init__(self) -> None:
        super().__init__("COMMIT", None, Exception("disk I/O error"))


@dataclass(frozen=True, slots=True)
class Fuse:
    job: str  # the name of the hub's task
    when: str  # before | after its transaction
    blow: Callable[[], None]


class Disk:
    """What the disk does just now; the same one for every life of the hub."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(f"{seed} disk")  # noqa: S311
        self.slow = self.failing = False
        self.last_trouble_s = self.slow_until_s = -1e9
        self.commits = self.refused = 0
        self.fuse: Fuse | None = None

    def delay(self) -> float:
        if self._chance.randrange(DAWDLE_EVERY) == 0:
            return self._chance.uniform(0.0, DAWDLE_S)
        return self._chance.uniform(*(SLOW_S if self.slow else USUAL_S))

    async def burn(self, when: str) -> None:
        """A kill that waits for one job's transaction, and falls right before it or right after."""
        fuse, task = self.fuse, asyncio.current_task()
        if fuse is not None and fuse.when == when and task is not None and task.get_name() == fuse.job:
            self.fuse = None
            await asyncio.sleep(self._chance.uniform(0.0, DAWDLE_S))
            fuse.blow()
            await asyncio.sleep(0)  # whoever was killed does not come back from here

    def was_slow_since(self, at_s: float) -> bool:
        return self.slow or self.slow_until_s >= at_s

    def commit(self, now_s: float) -> None:
        """Called when a transaction is about to be committed: this is where a disk refuses."""
        if self.failing and self._chance.random() < 0.5:
            self.last_trouble_s = now_s
            self.refused += 1
            raise DiskError
        self.commits += 1


class Writing:
    """One writer, as in life, and each transaction whole; no thread."""

    def __init__(self, disk: Disk) -> None:
        self._disk, self._turn = disk, asyncio.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        async with self._turn:
            await asyncio.sleep(self._disk.delay())
            await self._disk.burn("before")
            done = work()
            await self._disk.burn("after")
            await asyncio.sleep(self._disk.delay())
            return done

    def close(self) -> None:
        return None


class Reading:
    async def run(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        return work()

    def close(self) -> None:
        return None


class NightStore(Store):
    """The shipped store on a disk of the night. A power cut is not this test's business (tests/power): no fsync."""

    def __init__(self, url: str, disk: Disk, *, seal: Seal, clock: Clock, rng: Rng, bus: Bus) -> None:
        super().__init__(url, seal=seal, clock=clock, rng=rng, bus=bus, inline=True)
        self._write_runner, self._read_runner = Writing(disk), Reading()

        @event.listens_for(self.engine, "connect")
        def _no_sync(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")

        @event.listens_for(self.engine, "commit")
        def _refuse(_connection: Any) -> None:
            disk.commit(clock.monotonic())

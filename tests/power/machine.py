"""A hub's store and ingest on a recorded disk: batches go in, acknowledgements are noted in the trace itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from devices import topics
from hub import registry
from hub.bus import Bus
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.disk import Disk as Below
from hub.ingest import Ingest
from hub.module import discover
from hub.registry import Registry
from hub.rng import SeededRng
from hub.seal import Seal
from hub.uplink import Uplink, Verdict
from tests.power.disk import Disk, Sync, Write, never
from tests.power.driver import Driver
from tests.world import KEY, LIUHE, START, make_store, people, until, wire

HUT, CUFFS = "lh-hut-1", ("bp-1", "bp-2", "bp-3")
RECOVERS_S = 10  # P14: after so long at the most, by itself
CHECKPOINT_PAGES = 60  # so that a run of a few batches meets several check-points


def furnish(tx: Tx) -> None:
    people(tx)
    registry.found_hut(tx, HUT, LIUHE, "浏河1号小屋", "Liuhe hut 1")
    registry.add_gateway(tx, HUT, LIUHE, HUT)
    for cuff in CUFFS:
        registry.add_device(tx, cuff, HUT, "generic.sig.2a35")


def frame(number: int) -> bytes:
    """A cuff's frame of its own second: 120/80, pulse 72, user 1."""
    minute, second = divmod(number, 60)
    hour, minute = divmod(minute, 60)
    time = bytes.fromhex("ea070b15") + bytes((hour % 24, minute, second))
    return bytes.fromhex("0e" + "7800" + "5000" + "5d00") + time + bytes.fromhex("4800" + "01")


class Machine:
    """Power on: `Machine(folder)`; what stood on the disk before is in `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "linli.db").exists():
            store = make_store(folder)
            store.write_now(furnish)
            store.close()
        self.start = {path.name: path.read_bytes() for path in folder.glob("linli.db*")}
        self.disk = Disk(folder)
        self.clock = ManualClock(START)
        self.boots = 0
        self.boot()

    def boot(self) -> None:
        """A hub's process starts on whatever the disk shows."""
        self.boots += 1
        bus = Bus()
        wire(bus, discover())
        self.store = Store(
            f"sqlite:///{self.folder / 'linli.db'}",
            seal=Seal(KEY),
            clock=self.clock,
            rng=SeededRng(f"power {self.boots}"),
            bus=bus,
            inline=True,
            disk=Below(Driver(self.disk, checkpoint_pages=CHECKPOINT_PAGES), self._firm),
        )
        self.book = Registry(self.store, self.clock)
        asyncio.run(self.book.load())
        self.ingest = Ingest(self.store, self.book, self.clock, SeededRng(f"ids {self.boots}"))

    def send(self, *numbers: int) -> None:
        """These readings as one batch; each acknowledgement stands in the trace where it was given."""
        asyncio.run(self._send(numbers))

    async def _send(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            await self.ingest.put(self._uplink(number))
        await self.ingest.drain()

    def send_into_trouble(self, *numbers: int) -> None:
        """The same while the disk refuses: returns when ingest has said that it cannot commit, and forgets the rest."""
        asyncio.run(self._send_into_trouble(numbers))

    async def _send_into_trouble(self, numbers: tuple[int, ...]) -> None:
        sending = asyncio.create_task(self._send(numbers))
        while self.ingest.trouble is None:
            assert not sending.done(), "the disk was to refuse this"
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])

    def send_until_trouble(self, mend: Callable[[], None], *numbers: int) -> str:
        """The same, but the disk is mended while ingest waits; gives what ingest said was wrong, if anything was."""
        return asyncio.run(self._send_until_trouble(mend, numbers))

    async def _send_until_trouble(self, mend: Callable[[], None], numbers: tuple[int, ...]) -> str:
        sending = asyncio.create_task(self._send(numbers))
        await until(lambda: self.ingest.trouble is not None or sending.done())
        said = self.ingest.trouble or ""
        if said:
            mend()
        for _ in range(RECOVERS_S):
            if not sending.done():
                self.clock.advance(1)
            for _ in range(20):
                await asyncio.sleep(0)
        assert sending.done(), f"not recovered within {RECOVERS_S} s"
        await sending
        return said

    def kill(self) -> None:
        """The process ends where it stands: nothing of what it still wanted to write or delete happens."""
        dead = apsw.IOError("the process is gone")
        self.disk.refuses = lambda step: dead
        noted = len(self.disk.trace)
        with contextlib.suppress(sqlite3.Error):
            self.store.close()
        del self.disk.trace[noted:]
        self.disk.refuses = never

    def _uplink(self, number: int) -> Uplink:
        payload = frame(number)

        def settle(_verdict: Verdict) -> None:
            self.disk.said(hashlib.sha256(payload).hexdigest())

        topic = topics.up(LIUHE, HUT, CUFFS[number % len(CUFFS)], "sig.2a35")
        return Uplink(HUT, topic, payload, self.clock.now(), settle)

    def _firm(self, log: Path) -> None:
        """What `hub.disk.firm_log` does, on the recorded disk."""
        self.disk.note(Write(log.name, 0, log.read_bytes()))
        self.disk.note(Sync(log.name))

    def off(self) -> None:
        self.store.close()


def power(folder: Path) -> Machine:
    folder.mkdir()
    return Machine(folder)


def stored(folder: Path) -> set[str]:
    """What a hub finds after the cut, by Python's own SQLite; the file must be whole."""
    with closing(sqlite3.connect(folder / "linli.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {digest for (digest,) in store.execute("SELECT raw_sha256 FROM reading")}


def scratch(folder: Path) -> Path:
    """A folder for rebuilt states, on memory where there is some: nothing here needs a real disk."""
    memory = Path("/dev/shm")  # noqa: S108
    place = memory / f"linli-power-{folder.name}-{random.randrange(10**9)}" if memory.is_dir() else folder / "cut"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place

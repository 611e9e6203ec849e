"""A whole hub behind either front door, its real store on disk, and simulated huts on real sockets before it.

    async with town("embedded", tmp_path) as it:
        hut = await it.hut()
        await it.settled(hut, await hut.measure(CUFF, URGENT))

On leaving, the conservation law is asserted over every hub that ran there: nothing arrived that is not counted, and
what was counted is what stands on disk.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub import db, registry
from hub.broker import Broker
from hub.clock import SystemClock
from hub.db import Store, Tx
from hub.events import Event, GatewayChanged
from hub.ingest import Ingest
from hub.main import wiring
from hub.main.running import Running
from hub.mqtt import PahoDoor
from hub.quarantine import QuarantineRow
from hub.readings import Reading
from hub.registry import Registry
from hub.settings import Settings
from hub.settings import load as load_settings
from hub.uplink import Account
from simulators import equipment
from simulators.hut import Hut, Sent, new_boot
from simulators.journal import Journal
from simulators.line import Address
from simulators.plan import HutPlan
from tests.broker.rig import HUB, SECRET, WAIT_S, Client, device, mosquitto
from tests.conftest import needs
from tests.world import LIUHE, lay_store, people, until

EMBEDDED, MOSQUITTO = "embedded", "mosquitto"
BOTH = pytest.mark.parametrize("kind", [EMBEDDED, pytest.param(MOSQUITTO, marks=needs("mosquitto"))])
PLAN, OTHER = equipment.HUTS[0], equipment.HUTS[1]
CUFF = "lh1-bp-1"
SCREEN = "lh-screen-1"
BUSY_MS = 100  # of SQLite, so that a locked store says so soon


@dataclass(frozen=True)
class Furnished:
    """A hub's data folder with two huts and a screen, made once a run and copied for each test."""

    data: Path
    secrets: dict[str, str]
    accounts: list[tuple[Account, str]]


@cache
def furnished() -> Furnished:
    folder = Path(tempfile.mkdtemp(prefix="linli-doors-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "data"
    lay_store(data)
    store = wiring.open_store(settings(data))
    secrets = store.write_now(_furnish)
    book = Registry(store, SystemClock())
    book.look()
    store.close()
    return Furnished(data, secrets, [(account, secrets[account.id]) for account in book.accounts()])


def _furnish(tx: Tx) -> dict[str, str]:
    people(tx)
    secrets = {}
    for plan in (PLAN, OTHER):
        registry.found_hut(tx, plan.id, plan.area, plan.zh, plan.en)
        secrets[plan.gateway] = registry.add_gateway(tx, plan.gateway, plan.area, plan.id)
        for each in plan.devices:
            registry.add_device(tx, each.id, plan.gateway, each.profile, kind=each.kind, serial=each.serial)
    secrets[SCREEN] = registry.grant_credential(tx, SCREEN, "screen", LIUHE)
    return secrets


def settings(data: Path, port: int = 0, url: str = "") -> Settings:
    return load_settings({"data_dir": data, "state_dir": data.parent, "mqtt_port": port, "mqtt_url": url}, {})


@dataclass
class Town:
    """`hub` is the one that runs now, `hubs` all that ever ran here."""

    kind: str
    folder: Path
    port: int
    secrets: dict[str, str]
    stack: contextlib.AsyncExitStack
    hub: Running = field(init=False)
    hubs: list[Running] = field(default_factory=list)
    huts: list[Hut] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    running: bool = False

    @property
    def store(self) -> Store:
        return self.hub.services.store

    @property
    def ingest(self) -> Ingest:
        return self.hub.services.ingest

    @property
    def database(self) -> Path:
        return self.folder / "data" / "linli.db"

    # The hub's life.

    async def open(self) -> None:
        """A hub on the town's data and port; returns when devices can speak to it."""
        url = f"mqtt://{HUB.id}:{SECRET}@127.0.0.1:{self.port}/" if self.kind == MOSQUITTO else ""
        knobs = settings(self.folder / "data", self.port, url)
        self.hub = Running(wiring.services(knobs))
        self.hubs.append(self.hub)
        self.store.bus.observe(self._heard)
        await self.hub.start(knobs, ("front", "ingest"))
        self.running = True
        if isinstance(self.hub.door, PahoDoor):
            await within(self.hub.door.wait_until_ready())
        elif self.hub.mqtt_address is not None:
            self.port = self.hub.mqtt_address[1]

    async def finish(self) -> None:
        if self.running:
            self.running = False
            await self.hub.finish()

    async def kill(self) -> None:
        """What SIGKILL leaves: no farewell, no acknowledgement, nothing of what was in memory."""
        self.running = False
        door = self.hub.door
        tasks = [*self.hub._tasks, *(door._tasks if isinstance(door, PahoDoor) else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(door, PahoDoor):
            door._ready.clear()
            door._line.drop()
        elif isinstance(door, Broker):
            door._stopping = True  # neither a farewell nor anybody's will
            for line in tuple(door._lines):
                line.abort()
            await door.stop()
        await self.hub.services.net.aclose()
        await asyncio.to_thread(self.store.close)

    # Who speaks to it.

    def hut_of(self, plan: HutPlan = PLAN, password: str | None = None, *, mode: str = "pack") -> Hut:
        hut = Hut(
            plan,
            password or self.secrets[plan.gateway],
            address=Address("127.0.0.1", self.port),
            journal=Journal.open(self.folder / f"{len(self.huts)}.outbox", new_boot),
            seed="doors",
            mode=mode,
        )
        self.huts.append(hut)
        hut.start()
        return hut

    async def hut(self, plan: HutPlan = PLAN, *, mode: str = "pack") -> Hut:
        hut = self.hut_of(plan, mode=mode)
        await within(hut.online())
        return hut

    async def client(self, name: str, version: int = 5, **wanted: object) -> Client:
        """A client in packets, let in under an account of the registry."""
        wanted.setdefault("secret", self.secrets[name])
        return await self.stack.enter_async_context(device(self.port, version, name, **wanted))

    # What came of it.

    def _heard(self, events: Sequence[Event], _touched: frozenset[tuple[str, str]]) -> None:
        self.events += events

    def presence(self, gateway: str = PLAN.gateway) -> list[str]:
        """Every state this gateway has been in, in order."""
        return [each.state for each in self.events if isinstance(each, GatewayChanged) and each.gateway == gateway]

    async def until(self, met: Callable[[], object]) -> None:
        await within(until(met))

    async def settled(self, hut: Hut, *sent: Sent) -> None:
        """The hub's receipts cover all of it, and each measurement stands in the store once, byte for byte."""
        await within(hut.settled())
        assert hut.gateway.journal.pending() == []
        stored = [row.raw_sha256 for row in self.readings()]
        assert [stored.count(hashlib.sha256(each.payload).hexdigest()) for each in sent] == [1] * len(sent)

    def readings(self) -> list[Reading]:
        rows = select(Reading).order_by(col(Reading.t_received_ms), col(Reading.id))
        return list(self.store.read_now(lambda read: read.session.execute(rows).scalars().all()))

    def quarantined(self) -> list[str]:
        rows = select(col(QuarantineRow.reason)).order_by(col(QuarantineRow.at))
        return list(self.store.read_now(lambda read: read.session.execute(rows).scalars().all()))

    @contextlib.contextmanager
    def refusing_store(self) -> Iterator[None]:
        """Somebody else holds the database: every commit fails."""
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield

    def conserved(self) -> None:
        meters = [hub.services.ingest.meter for hub in self.hubs]
        with contextlib.closing(sqlite3.connect(self.database)) as store:
            (readings,) = store.execute("SELECT count(*) FROM reading").fetchone()
            (poisons,) = store.execute("SELECT count(*) FROM quarantine").fetchone()
        assert all(meter.balanced() for meter in meters)
        assert sum(meter.stored for meter in meters) == readings
        assert sum(meter.quarantined for meter in meters) == poisons
        for hub in self.hubs:
            faults = hub.door.counters.faults if isinstance(hub.door, Broker) else hub.door and hub.door.faults
            assert faults == 0, "the door met an exception of ours"
            assert "ingest" not in hub.down


async def within(awaited: Awaitable[object]) -> None:
    async with asyncio.timeout(WAIT_S):
        await awaited


@contextlib.asynccontextmanager
async def town(kind: str, folder: Path) -> AsyncIterator[Town]:
    made = furnished()
    shutil.copytree(made.data, folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "SQLITE_BUSY_MS", BUSY_MS)
        async with contextlib.AsyncExitStack() as stack:
            port = 0
            if kind == MOSQUITTO:
                port = await stack.enter_async_context(mosquitto(folder / "mosquitto", made.accounts))
            it = Town(kind, folder, port, made.secrets, stack)
            try:
                await it.open()
                yield it
            finally:
                for hut in it.huts:
                    await hut.stop()
                await it.finish()
    it.conserved()

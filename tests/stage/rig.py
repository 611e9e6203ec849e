"""The stage with a whole hub behind it: a small community, one simulated hut on the embedded broker, the real pages."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from hub.clock import ManualClock
from hub.db import Read
from hub.main import seed as planting
from hub.main import wiring
from hub.main.director import Director
from hub.main.running import Running
from hub.main.seedstore import Credentials
from hub.rng import SystemRng
from hub.services import Services
from hub.settings import Settings, load
from simulators.hut import Hut, new_boot
from simulators.journal import Journal
from simulators.line import Address
from simulators.people import plan as plan_of
from simulators.plan import DemoPlan

WAIT_S = 30
T = TypeVar("T")


def settings(folder: Path) -> Settings:
    wanted = {"data_dir": folder / "data", "state_dir": folder, "mqtt_port": 0, "http_port": 0}
    return load(wanted, {})


@dataclass
class House:
    """`url` and `services` of the hub that runs; `do` runs something on its loop."""

    folder: Path
    loop: asyncio.AbstractEventLoop = field(init=False)
    services: Services = field(init=False)
    hut: Hut = field(init=False)
    plan: DemoPlan = field(init=False)
    url: str = ""

    def read(self, work: Callable[[Read], T]) -> T:
        return self.services.store.read_now(work)

    def visitor(self, lang: str = "en") -> httpx.Client:
        return httpx.Client(
            base_url=self.url, follow_redirects=True, trust_env=False, timeout=WAIT_S, headers={"accept-language": lang}
        )

    async def open(self) -> Running:
        knobs = settings(self.folder)
        now = datetime.now(UTC)
        self.plan = plan_of("linli-stage", now.date())
        self.services = wiring.services(knobs, demo=True)
        world = planting.SeedWorld(self.plan, ManualClock(now), now, SystemRng())
        for work in (planting._places, planting._people, planting._huts):
            await self.services.store.write(_with(work, world))
        hub = Running(self.services)
        await hub.start(knobs)
        assert hub.mqtt_address is not None
        assert hub.http is not None
        where = self.plan.communities[0].huts[0]
        self.hut = Hut(
            where,
            world.gateways[where.gateway],
            address=Address(*hub.mqtt_address),
            journal=Journal.open(self.folder / "outbox", new_boot),
            seed="stage",
        )
        self.hut.start()
        await self.hut.online()
        credentials = Credentials(world.gateways, world.passwords, "stage", now)
        self.services.stage = Director(self.services, self.plan, {where.id: self.hut}, credentials)
        self.url = hub.http.url
        return hub


def _with(work: Callable[..., Any], world: planting.SeedWorld) -> Callable[[Any], Any]:
    if work is planting._people:
        return lambda tx: work(tx, world, world.plan.communities[0])
    return lambda tx: work(tx, world)


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """In a thread with a loop of its own, so that a browser's test may stand still meanwhile."""
    it = House(folder)
    ready = threading.Event()
    trouble: list[BaseException] = []

    async def live() -> None:
        stop = asyncio.Event()
        it.loop, ends["stop"] = asyncio.get_running_loop(), stop
        try:
            hub = await it.open()
        except BaseException as error:
            trouble.append(error)
            raise
        finally:
            ready.set()
        await stop.wait()
        await it.hut.stop()
        await hub.finish()

    ends: dict[str, asyncio.Event] = {}
    thread = threading.Thread(target=lambda: asyncio.run(live()), name="stage-house", daemon=True)
    thread.start()
    assert ready.wait(120), "the house did not open"
    assert not trouble, trouble
    try:
        yield it
    finally:
        it.loop.call_soon_threadsafe(ends["stop"].set)
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the house did not close"


def csrf(html: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', html)
    assert found
    return found[1]

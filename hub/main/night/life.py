"""One life of the hub: the shipped composition, started in a process that can be killed or asked to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx

from channels.base import Addressed
from hub import courier
from hub.broker.server import Broker
from hub.clock import Clock
from hub.db import Read, Tx
from hub.feed import Watcher
from hub.main import wiring
from hub.main.night.disk import Disk, NightStore, Writing
from hub.main.night.loop import Process
from hub.main.night.net import Net
from hub.main.night.town import KEY
from hub.main.running import Running
from hub.main.wiring import Ports
from hub.module import Job, Module
from hub.rng import SeededRng
from hub.seal import Seal
from hub.services import Services
from hub.settings import Settings

T = TypeVar("T")
ADDRESS = ("127.0.0.1", 1883)
ROLES = ("front", "ingest", "deliver")
ASK_S = 15.0  # a page that has not answered by then is looked at again
QUEUE_FRAMES_MAX, BATCH_FRAMES_MAX = 40, 25  # small, so that a night of three huts meets both limits
Plant = Callable[[Services], None]


class Unknown(Exception):
    """The hub did not answer: what was asked may have happened or not."""


class Life:
    def __init__(
        self,
        net: Net,
        clock: Clock,
        folder: Path,
        disk: Disk,
        name: str,
        *,
        seed: str,
        config: dict[str, str],
        far: httpx.AsyncBaseTransport,
        channels: tuple[Addressed, ...],
        plant: Plant | None = None,
    ) -> None:
        self._net, self._clock, self.name = net, clock, name
        self.process = Process(name)
        self._context = self.process.context()
        settings = Settings(
            data_dir=folder,
            state_dir=folder / "state",
            mqtt_host=ADDRESS[0],
            mqtt_port=ADDRESS[1],
            ingest_queue_frames_max=QUEUE_FRAMES_MAX,
            ingest_batch_frames_max=BATCH_FRAMES_MAX,
            quiet_hours="",  # a night in which nothing may leave would prove nothing of what leaves
        )
        rng = SeededRng(f"{seed} {name}")
        bus = wiring.wired_bus(wiring.modules_for(demo=False))
        self.store = NightStore(settings.database, disk, seal=Seal(KEY), clock=clock, rng=rng, bus=bus)
        services = wiring.services(settings, ports=Ports(clock, rng), store=self.store)
        services.net = httpx.AsyncClient(transport=far, timeout=settings.channel_timeout_s, trust_env=False)
        services.config = {**services.config, **config}
        jobs = tuple(Job(f"courier-{each.name}", partial(courier.keep_carrying, channel=each)) for each in channels)
        services.modules = (*services.modules, Module(name="night", title="", jobs=jobs))
        if plant is not None:
            plant(services)
        self.services = services
        self.settings = settings
        self.running = Running(services, runner=lambda _name, _threads: Writing(disk))
        self._vault = folder / "broker.db"
        self.started_s = net.time()

    async def start(self) -> None:
        if self._vault.exists():
            # The door reads from the file's own time when its lines ended; SQLite has stamped it with today's.
            ended_s = self._clock.now().timestamp()
            os.utime(self._vault, (ended_s, ended_s))
        await self._inside(self.running.start(self.settings, ROLES))

    def kill(self) -> None:
        """SIGKILL: nothing more runs. What is committed stays."""
        self._net.crash(self.process)
        self.store.close()
        if isinstance(self.running.door, Broker) and self.running.door.journal is not None:
            self.running.door.journal._disk.close()  # the kernel closes files and lets go of their locks

    async def stop(self) -> None:
        """SIGTERM: the clean way, and nothing is left behind."""
        await self._inside(self.running.finish())
        self.process.alive = False

    async def write(self, work: Callable[[Tx], T]) -> T:
        """As a page or a command of the hub would; Unknown when it was killed meanwhile."""
        return await self._answered(self.store.write(work))

    async def read(self, work: Callable[[Read], T]) -> T:
        return await self._answered(self.store.read(work))

    async def watch(self, watcher: Watcher, topic: str) -> None:
        await self._answered(self.services.feed.watch(watcher, topic))

    async def fragment(self, topic: str) -> str:
        return (await self._answered(self.services.feed.current(topic, "zh"))).html

    async def _answered(self, work: Coroutine[Any, Any, T]) -> T:
        if not self.process.alive:
            work.close()
            raise Unknown
        task = self._task(work)
        done, _late = await asyncio.wait([task], timeout=ASK_S)
        if not done:
            raise Unknown
        return task.result()

    async def _inside(self, work: Coroutine[Any, Any, T]) -> T:
        """In the hub's own process; a killed one never comes back to whoever waits."""
        task = self._task(work)
        await asyncio.wait([task])
        return task.result()

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._net.create_task(work, context=self._context.copy())

"""Run a hub: door, ingest, web and jobs in one supervised program, and stop it in the right order.

Stop order: not ready -> the door takes nothing new -> what is queued is committed and acknowledged -> sockets close ->
the store closes. A job that fails is restarted after a pause; while it is down, `/readyz` says so.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from hub import echo, reach
from hub.access import Subject
from hub.broker import listening
from hub.broker.journal import Journal
from hub.broker.limits import Limits
from hub.broker.server import Broker
from hub.broker.vault import Vault
from hub.db import Runner, ThreadRunner
from hub.mqtt import PahoDoor
from hub.services import Services
from hub.settings import Settings

if TYPE_CHECKING:
    from web.live import Proof
    from web.serve import HttpServer

log = logging.getLogger(__name__)
RESTART_PAUSE_S = 1.0
TOPIC_ROOM_BYTES = 8 * 1024  # what a packet needs beside its payload: topic and properties
# The writer's thread asks for the interpreter again after each statement; with the usual 5 ms the loop in full flight
# makes it wait longer for its turn than the disk takes.
SWITCH_S = 0.001
STOP_GRACE_S = 1.5  # of the 3 s within which Ctrl-C ends everything


@dataclass
class Running:
    """A hub at work, and where to find it."""

    services: Services
    http: HttpServer | None = None
    door: Broker | PahoDoor | None = None
    mqtt_listeners: dict[str, tuple[str, int]] = field(default_factory=dict)  # mqtt | ws | mqtts | wss -> where
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    down: dict[str, str] = field(default_factory=dict)  # job -> why it is being restarted
    runner: Callable[[str, int], Runner] = ThreadRunner  # where the door's disk work runs: not in a simulated night
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def mqtt_address(self) -> tuple[str, int] | None:
        return self.mqtt_listeners.get("mqtt")

    async def start(self, settings: Settings, roles: tuple[str, ...] = ("all",)) -> None:
        """Bring everything up; returns when all doors are open."""
        self.services.down = self.down
        sys.setswitchinterval(SWITCH_S)
        await self.services.registry.load()
        if self.services.store.reserve is not None:
            self.services.store.reserve.held()  # from the start on, not from the first reading on
        if _carries(roles, "front") or _carries(roles, "ingest"):
            await self._open_door(settings, roles)
        if _carries(roles, "ingest"):
            self._keep("ingest", self.services.ingest.run)
        if _carries(roles, "web") and self.services.store.dialect == "postgresql":
            self._keep("echo", lambda: echo.follow(self.services.store, self.services.feed))
        self._keep("registry", lambda: self.services.registry.follow(self.services.door))
        for module in self.services.modules:
            for job in module.jobs:
                if _carries(roles, job.role):
                    self._keep(f"{module.name}.{job.name}", partial(job.run, self.services))
        if _carries(roles, "web"):
            await self._open_web(settings)

    async def _open_web(self, settings: Settings) -> None:
        # Imported here: a worker that only takes readings in needs neither FastAPI's half second nor its memory.
        from hub.broker.figures import BrokerFigures
        from hub.figures import HouseFigures, IngestFigures
        from web.app import create_app
        from web.serve import HttpServer

        app = create_app(self.services)
        app.state.down = self.down
        app.state.metrics.register(IngestFigures(self.services.ingest))
        app.state.metrics.register(HouseFigures(self.services))
        if isinstance(self.door, Broker):
            app.state.metrics.register(BrokerFigures(self.door))
        app.state.live.on_proof = self._proven
        self.http = HttpServer(self.services, app, host=settings.http_host, port=settings.http_port)
        serving = asyncio.create_task(self.http.run(self.stop), name="http")
        self._tasks.append(serving)
        opened = asyncio.create_task(self.http.started.wait(), name="http-opened")
        await asyncio.wait({serving, opened}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()

    async def _proven(self, subject: Subject, terminal: str, proofs: Sequence[Proof]) -> None:
        said = [{"notice": each.notice, "rev": each.rev, "level": each.level} for each in proofs]
        await reach.proof(self.services, subject, said, terminal=terminal)

    async def _open_door(self, settings: Settings, roles: tuple[str, ...]) -> None:
        services = self.services
        if settings.mqtt_url:
            self.door = PahoDoor(str(settings.mqtt_url), services.ingest, services.clock, services.rng)
            await self.door.start()
        else:
            limits = Limits(
                payload_bytes_max=settings.payload_bytes_max,
                packet_bytes_max=settings.payload_bytes_max + TOPIC_ROOM_BYTES,
            )
            vault = Vault(services.data / "broker.db", services.store.seal)
            journal = Journal(vault, self.runner("linli-broker", 1), services.clock)
            self.door = Broker(
                services.registry, services.ingest, services.clock, services.rng, limits=limits, journal=journal
            )
            tls = listening.context(settings)
            for each in listening.listeners(settings):
                self.mqtt_listeners[each.name] = await self.door.listen(
                    each.host, each.port, tls=tls if each.tls else None, websocket=each.websocket
                )
        services.door = services.ingest.door = self.door

    def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(self._supervise(name, run), name=name))

    async def _supervise(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
                return
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self.down[name] = type(error).__name__
                log.exception("a job failed and will be started again", extra={"job": name})
            await self.services.clock.sleep(RESTART_PAUSE_S)
            self.down.pop(name, None)

    async def finish(self) -> None:
        """Stop all of it, losing nothing that was acknowledged."""
        self.stop.set()
        if self.door is not None:
            self.door.hush()
            with suppress(TimeoutError):  # a disk that refuses for ever must not hold the stop; it was not acknowledged
                await asyncio.wait_for(self.services.ingest.idle(), STOP_GRACE_S)
        if self.door is not None:
            await self.door.stop()
        keeping = [task for task in self._tasks if task.get_name() != "http"]
        for task in keeping:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.services.net.aclose()
        self.services.store.close()


def _carries(roles: tuple[str, ...], role: str) -> bool:
    return "all" in roles or role in roles

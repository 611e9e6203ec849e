"""A hub for the operator's board: a real store and a real ingest, fed with true frames, behind the real shell."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from devices import topics
from hub import login, presence, registry
from hub.access import Permissions, Subject
from hub.arrival import Note
from hub.bus import Bus
from hub.civic.operations import MODULE, jobs
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.feed import Feed
from hub.i18n import speaking
from hub.ingest import Ingest
from hub.quarantine import QuarantineRow
from hub.registry import Registry
from hub.rng import SeededRng
from hub.services import Services
from hub.uplink import Uplink
from tests.world import LIUHE, START, TAYING, make_store, people, staff
from web.app import create_app
from web.render import make_render
from web.serve import HttpServer

HUT, OTHER = "lh-hut-1", "ty-hut-1"
# 187/93 mmHg, MAP 124, pulse 79: numbers that stand nowhere else on the board.
CANARY = bytes.fromhex("0e" + "bb00" + "5d00" + "7c00" + "ea070b16090000" + "4f00" + "01")
FAILED = bytes.fromhex("16ff07ff07ff07e80706170e230aff070000")
# Who may see readings is the health slice's word.
READERS = {"readings.state": ("operator", "attendant"), "readings.doctor": ("doctor",)}
PERMISSIONS = Permissions([MODULE.permissions or {}, READERS])


def furnish(tx: Tx) -> None:
    people(tx)
    for hut, area in ((HUT, LIUHE), (OTHER, TAYING)):
        registry.found_hut(tx, hut, area, f"{hut} 健康小屋", f"{hut} hut", "社区服务中心", "Service centre")
        registry.add_gateway(tx, hut, area, hut)
    registry.add_device(tx, "bp-1", HUT, "generic.sig.2a35", "血压计", "Monitor")
    registry.add_device(tx, "temp-1", HUT, "generic.sig.2a1c", "体温计", "Thermometer", upkeep="calibration_due")
    registry.add_device(tx, "kiosk-1", HUT, None, "自助终端", "Kiosk", kind="kiosk", upkeep="out_of_paper")
    registry.add_device(tx, "bp-2", OTHER, "generic.sig.2a35", "血压计", "Monitor")


class Ops:
    def __init__(self, folder: Path, *, inline: bool = True) -> None:
        self.clock = ManualClock(START)
        bus = Bus()
        for kind, listener in MODULE.listeners:
            bus.on(kind, listener)
        self.store: Store = make_store(folder, clock=self.clock, bus=bus, inline=inline)
        self.store.write_now(furnish)
        self.registry = Registry(self.store, self.clock)
        self.registry.look()
        self.ingest = Ingest(self.store, self.registry, self.clock, SeededRng("ids"))
        render = make_render((MODULE,), None)
        self.feed = Feed(self.store, MODULE.topics, render, self.clock)
        bus.observe(self.feed.committed)
        self.services = Services(
            store=self.store,
            feed=self.feed,
            registry=self.registry,
            ingest=self.ingest,
            clock=self.clock,
            rng=self.store.rng,
            net=None,  # type: ignore[arg-type]
            permissions=PERMISSIONS,
            modules=(MODULE,),
            render=render,
            data=folder,
        )
        self.app = create_app(self.services)
        self.loop: asyncio.AbstractEventLoop | None = None

    def up(self, payload: bytes, device: str = "bp-1", codec: str = "sig.2a35") -> Uplink:
        return Uplink(
            account=HUT,
            topic=topics.up(LIUHE, HUT, device, codec),
            payload=payload,
            received=self.clock.now(),
            settle=lambda verdict: None,
        )

    async def feed_in(self, *uplinks: Uplink) -> None:
        for uplink in uplinks:
            await self.ingest.put(uplink)
        await self.ingest.drain()

    def send(self, *uplinks: Uplink) -> None:
        if self.loop is not None:
            asyncio.run_coroutine_threadsafe(self.feed_in(*uplinks), self.loop).result(20)
            return
        with ThreadPoolExecutor(1) as pool:  # a browser once open keeps a loop running in this thread
            pool.submit(lambda: asyncio.run(self.feed_in(*uplinks))).result()

    def say(self, gateway: str, area: str, state: str) -> None:
        """A gateway's birth, and what it says of itself then."""
        for topic, body in ((topics.Birth(area, gateway), {"boot": "b1"}), (topics.State(area, gateway), {"s": state})):
            note = Note(topic, json.dumps(body).encode(), self.clock.now(), "c1")
            self.act(lambda tx, note=note: presence.note(tx, note))

    def act(self, work: Any) -> Any:
        if self.loop is None:
            return self.store.write_now(work)
        return asyncio.run_coroutine_threadsafe(self.store.write(work), self.loop).result(10)

    def subject(self, ident: str = "s-operator") -> Subject:
        return staff(self.store, ident).with_permissions(PERMISSIONS)

    def draw(self, topic: str, lang: str = "zh") -> str:
        """A fragment out of the store, as it stands."""
        name, _colon, key = topic.partition(":")
        declared = next(each for each in MODULE.topics if each.name == name)

        def work(read: Any) -> str:
            with speaking(lang):
                return self.services.render(declared.template, declared.view(read, key), lang)

        return str(self.store.read_now(work))

    def quarantined(self) -> list[QuarantineRow]:
        return self.store.read_now(lambda read: list(read.session.execute(select(QuarantineRow)).scalars()))

    def busy_day(self) -> None:
        """Something of everything: readings, a failed one, a repeat, poison, a refusal, a hut without a line."""
        self.say(HUT, LIUHE, "online")
        self.say(OTHER, TAYING, "offline")
        self.clock.advance(-3 * 3600)
        self.send(self.up(CANARY))
        self.clock.advance(3 * 3600)
        self.send(self.up(CANARY), self.up(FAILED), self.up(b"\x00"), self.up(b"\x01", "ghost"))
        self.ingest.refused("too-large")
        self.clock.advance(timedelta(seconds=5).total_seconds())


@contextmanager
def running(ops: Ops) -> Iterator[str]:
    """The pages behind a real socket with the board's own job beside them; gives their address."""
    server = HttpServer(ops.services, ops.app)
    ready = threading.Event()
    ends: dict[str, asyncio.Event] = {}

    async def live() -> None:
        ops.loop, ends["stop"] = asyncio.get_running_loop(), asyncio.Event()
        task = asyncio.create_task(server.run(ends["stop"]))
        job = asyncio.create_task(jobs.keep(ops.services))
        await server.started.wait()
        ready.set()
        await task
        job.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="operate-pages", daemon=True)
    thread.start()
    assert ready.wait(20), "the test server did not start"
    loop = ops.loop
    assert loop is not None
    try:
        yield server.url
    finally:
        loop.call_soon_threadsafe(ends["stop"].set)
        thread.join(10)
        assert not thread.is_alive(), "the test server did not stop"
        ops.loop = None


def token(ops: Ops, ident: str = "s-operator") -> str:
    return str(ops.act(lambda tx: login.open_session(tx, "staff", "staff", ident)))

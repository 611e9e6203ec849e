"""Two huts with devices for the fleet's tests: a real store, true frames through the hub's own batch, the shell."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from devices import topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import all_profiles
from hub import directory, login, registry
from hub.access import Subject
from hub.arrival import open_uplink
from hub.audit import AuditRow
from hub.batch import Outcome, write_batch
from hub.bus import Bus
from hub.civic.fleet import MODULE
from hub.civic.fleet.models import Hold
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.feed import Feed
from hub.readings import Reading
from hub.registry import Device, Registry
from hub.rng import SeededRng
from hub.services import Services
from hub.uplink import Uplink, Verdict
from tests.world import CITY, LIUHE, START, TAYING, make_store, people, permissions, staff, wire
from web.app import create_app
from web.render import make_render
from web.serve import HttpServer

HUT, OTHER = "lh-hut-1", "ty-hut-1"
BP, METER = "generic.sig.2a35", "generic.sig.2a1c"


def furnish(tx: Tx) -> None:
    people(tx)
    for hut, area in ((HUT, LIUHE), (OTHER, TAYING)):
        registry.found_hut(tx, hut, area, "居民健康小屋", "Residents' health hut")
        registry.add_gateway(tx, hut, area, hut)
    registry.add_device(tx, "bp-1", HUT, BP, "血压计", "Monitor", serial="S-1")
    registry.add_device(tx, "bp-2", OTHER, BP, "血压计", "Monitor", serial="S-2")
    directory.hire(tx, "s-ty-op", "孙岚", "p-sun", [("operator", TAYING)])


@dataclass
class Door:
    """What the hub published, in order."""

    said: list[tuple[str, dict[str, Any], bool]] = field(default_factory=list)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.said.append((topic, json.loads(payload), retain))

    async def cut(self, account: str) -> None:
        self.said.append((f"cut {account}", {}, False))


class Fleet:
    def __init__(self, folder: Path, *, inline: bool = True) -> None:
        self.clock = ManualClock(START)
        bus = Bus()
        wire(bus, (MODULE,))
        self.store: Store = make_store(folder, clock=self.clock, bus=bus, inline=inline)
        self.store.write_now(furnish)
        self.book = Registry(self.store, self.clock)
        self.door = Door()
        self.number, self.stale = 0, True
        render = make_render((MODULE,), None)
        self.services = Services(
            store=self.store,
            feed=Feed(self.store, MODULE.topics, render, self.clock),
            registry=self.book,
            ingest=None,  # type: ignore[arg-type]
            clock=self.clock,
            rng=SeededRng("fleet"),
            net=None,  # type: ignore[arg-type]
            permissions=permissions(),
            modules=(MODULE,),
            render=render,
            data=folder,
            door=self.door,
        )

    @cached_property
    def app(self) -> FastAPI:
        return create_app(self.services)

    def act(self, work: Any, *arguments: Any, **named: Any) -> Any:
        self.stale = True
        return self.store.write_now(lambda tx: work(tx, *arguments, **named))

    def look(self, work: Any, *arguments: Any) -> Any:
        return self.store.read_now(lambda read: work(read, *arguments))

    def who(self, ident: str = "s-operator") -> Subject:
        return staff(self.store, ident)

    def device(self, ident: str) -> Device:
        found = self.look(lambda read: read.session.get(Device, ident))
        assert found is not None
        return found  # type: ignore[no-any-return]

    def readings(self, device: str) -> list[Reading]:
        rows = self.look(lambda read: list(read.session.execute(select(Reading)).scalars()))
        return [row for row in rows if row.device == device]

    def holds(self) -> list[Hold]:
        return list(self.look(lambda read: list(read.session.execute(select(Hold)).scalars())))

    def audited(self, subject: str) -> list[str]:
        rule = select(AuditRow).where(AuditRow.subject == subject).order_by(AuditRow.seq)  # type: ignore[arg-type]
        return [row.kind for row in self.look(lambda read: list(read.session.execute(rule).scalars()))]

    def up(self, topic: str, payload: bytes, gateway: str = HUT) -> Outcome:
        """One uplink through arrival and batch, as ingest would write it."""
        if self.stale:  # only what this test did itself can have changed the registry
            self.book.look()
            self.stale = False
        self.number += 1
        uplink = Uplink(gateway, topic, payload, self.clock.now(), _settled)

        def write(tx: Tx) -> Outcome:
            return write_batch(tx, [open_uplink(uplink, self.book, tx.new_id, f"rig-{self.number}")])

        return self.store.write_now(write)

    def measure(
        self, device: str = "bp-1", sys: int = 128, dia: int = 82, *, gateway: str = HUT, off: timedelta | None = None
    ) -> Outcome:
        """A cuff reports; its clock is off by so much."""
        self.clock.advance(60)
        area = LIUHE if gateway == HUT else TAYING
        payload = cuff(self.clock.now() + (off or timedelta()), sys, dia)
        return self.up(topics.up(area, gateway, device, "sig.2a35"), payload, gateway)

    def birth(self, gateway: str, devices: Sequence[dict[str, str]]) -> None:
        area = LIUHE if gateway == HUT else TAYING
        body = {"boot": "b1", "firmware": "gw-1", "devices": list(devices)}
        self.up(topics.birth(area, gateway), json.dumps(body).encode(), gateway)
        self.stale = True

    def client(self, ident: str = "s-operator") -> httpx.AsyncClient:
        token = self.act(login.open_session, "staff", "staff", ident)
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", cookies={"linli_staff": token},
            headers={"accept-language": "zh", "origin": "http://127.0.0.1"},
        )  # fmt: skip


@contextmanager
def running(fleet: Fleet) -> Iterator[str]:
    """The pages behind a real socket, in a thread with a loop of its own; gives their address."""
    server = HttpServer(fleet.services, fleet.app)
    ready = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def live() -> None:
        stop = asyncio.Event()
        ends.append((asyncio.get_running_loop(), stop))
        task = asyncio.create_task(server.run(stop))
        await server.started.wait()
        ready.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="fleet-pages", daemon=True)
    thread.start()
    assert ready.wait(20), "the test server did not start"
    try:
        yield server.url
    finally:
        ends[0][0].call_soon_threadsafe(ends[0][1].set)
        thread.join(10)
        assert not thread.is_alive(), "the test server did not stop"


def cuff(at: datetime, sys: int, dia: int) -> bytes:
    numbers = {"sys": sys, "dia": dia, "map": (sys + 2 * dia) // 3}
    values = tuple(Value(code, Decimal(number), "mm[Hg]") for code, number in numbers.items())
    local = (at + timedelta(hours=8)).replace(tzinfo=None, microsecond=0)
    return codec("sig.2a35").encode(Measurement("bp", values, local), all_profiles()[BP])


def _settled(_verdict: Verdict) -> None:
    return None


__all__ = ["BP", "CITY", "HUT", "LIUHE", "OTHER", "TAYING", "Fleet", "cuff", "running"]

"""A hut for the health tests: a real store with every listener, true frames through the hub's own batch."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlmodel import col

from devices import topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import all_profiles
from hub import registry
from hub.access import Permissions, Subject
from hub.arrival import open_uplink
from hub.batch import write_batch
from hub.bus import Bus
from hub.civic.health import MODULE, kiosk, stage
from hub.civic.health.models import HealthAlert, KioskSession
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.feed import Feed
from hub.i18n import speaking
from hub.readings import Reading, bind, body, seal_values, to_ms
from hub.registry import Registry
from hub.services import Services
from hub.uplink import Uplink, Verdict
from tests.world import LIUHE, START, make_store, people, wire
from web.app import create_app
from web.render import Renderer, make_render
from web.serve import HttpServer

HUT, OTHER = "lh-hut-1", "lh-hut-2"
CODECS = {
    "bp": ("bp-1", "sig.2a35"), "spo2": ("ox-1", "sig.2a5e"), "temp": ("temp-1", "sig.2a1c"),
    "glucose": ("sugar-1", "sig.2a18"), "weight": ("scale-1", "sig.2a9d"), "ecg": ("trace-1", "linli.ecg"),
}  # fmt: skip
UNITS = {"sys": "mm[Hg]", "dia": "mm[Hg]", "map": "mm[Hg]", "pulse": "/min", "spo2": "%", "temp": "Cel"}
ALL_NAN = bytes.fromhex("16ff07ff07ff07e80706170e230aff070000")
WANG, LIN = "LH-000001", "LH-000002"  # tests/world.py: r-wang, born 1944, and r-lin, born 1982


PERMISSIONS = Permissions([MODULE.permissions or {}])  # the slice alone: what it declares is all there is


@cache
def _render() -> Renderer:
    """One for all huts: it keeps nothing but compiled templates, and those are dear to make."""
    return make_render((MODULE,), None)


def _wired() -> Bus:
    bus = Bus()
    wire(bus, (MODULE,))
    return bus


def furnish(tx: Tx) -> None:
    people(tx)
    for hut in (HUT, OTHER):
        registry.found_hut(tx, hut, LIUHE, "居民健康小屋", "Residents' health hut", "社区服务中心", "Service centre")
        registry.add_gateway(tx, hut, LIUHE, hut)
        for kind, (device, codec_id) in CODECS.items():
            registry.add_device(tx, device if hut == HUT else f"{device}b", hut, f"generic.{codec_id}", kind, kind)


@dataclass
class Hut:
    """Time stands still between the steps; `measure` is the whole way of a frame but for the wire."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    number: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    inline: bool = True
    apps: dict[bool, Any] = field(default_factory=dict)  # demo or not: an application is dear to make

    def __post_init__(self) -> None:
        self.store: Store = make_store(self.folder, clock=self.clock, bus=_wired(), inline=self.inline)
        if self.store.read_now(lambda read: read.session.get(registry.Hut, HUT)) is None:
            self.store.write_now(furnish)
        self.book = Registry(self.store, self.clock)
        self.book.look()
        self.render = _render()

    def write(self, work: Callable[[Tx], object]) -> object:
        """One transaction; on the running server's loop when there is one, so that its screens hear of it."""
        if self.loop is None:
            return self.store.write_now(work)
        return asyncio.run_coroutine_threadsafe(self.store.write(work), self.loop).result(10)

    def act(self, verb: object, *arguments: object, **named: object) -> object:
        return self.write(lambda tx: verb(tx, *arguments, **named))  # type: ignore[operator]

    def visit(self, card: str | None = None, hut: str = HUT) -> None:
        """A guest's visit, or that of a card's owner who has agreed before."""
        if card is None:
            self.act(kiosk.open_session, hut, guest=True)
            return
        self.act(kiosk.open_session, hut, card=card)
        self.act(kiosk.agree, hut)

    def measure(
        self,
        kind: str = "bp",
        values: Mapping[str, str] | None = None,
        *,
        hut: str = HUT,
        at: datetime | None = None,
        flags: tuple[str, ...] = (),
        context: Mapping[str, str] | None = None,
    ) -> str:
        """A device of the hut reports; gives the reading's id."""
        numbers = values or {"sys": "128", "dia": "82", "map": "97", "pulse": "72"}
        taken = (at or self.clock.now()) + timedelta(hours=8)  # what a device's own clock shows in Jingmen
        said = Measurement(
            kind,
            tuple(Value.of(code, Decimal(number), UNITS[code]) for code, number in numbers.items()),
            taken.replace(tzinfo=None, microsecond=0),
            flags,
            dict(context or {}),
        )
        wire = CODECS[kind][1]
        return self.send(kind, codec(wire).encode(said, all_profiles()[f"generic.{wire}"]), hut=hut)

    def send(self, kind: str, payload: bytes, *, hut: str = HUT) -> str:
        device, wire = CODECS[kind]
        self.number += 1
        uplink = Uplink(
            account=hut,
            topic=topics.up(LIUHE, hut, device if hut == HUT else f"{device}b", wire),
            payload=payload,
            received=self.clock.now(),
            settle=_ignore,
        )

        def write(tx: Tx) -> str:
            opened = open_uplink(uplink, self.book, tx.new_id, f"rig-{self.number}")
            assert not opened.poisons, opened.poisons
            write_batch(tx, [opened])
            return opened.arrivals[0].id

        return str(self.write(write))

    def enter(
        self,
        kind: str,
        values: Sequence[Value],
        *,
        person: str | None = None,
        session: str | None = None,
        quality: str = "ok",
        reasons: str = "",
        at: datetime | None = None,
        context: str = "{}",
        calibration: str | None = None,
    ) -> str:
        """A reading of a kind that no device of this hut sends, as a batch would have written it, and its owner."""

        def write(tx: Tx) -> str:
            taken, self.number = to_ms(at or tx.now()), self.number + 1
            row = Reading(
                id=tx.new_id(),
                key=f"{self.number:032d}",
                kind=kind,
                device="bp-1",
                gateway=HUT,
                hut=HUT,
                area=LIUHE,
                quality=quality,
                reasons=reasons,
                sealed_values=seal_values(tx.seal, [body(values, ())])[0],
                context=context,
                t_received_ms=to_ms(tx.now()),
                t_effective_ms=taken,
                t_basis="received",
                profile="generic.test@1",
                codec="test@1",
                serial="A1",
                calibration=calibration,
                raw_sha256="0" * 64,
                cause="frame",
            )
            tx.session.add(row)
            tx.session.flush()
            if person is not None or session is not None:
                bind(tx, row.id, person, "card" if person else "guest", session)
            return row.id

        return str(self.write(write))

    def reading(self, ident: str) -> Reading:
        return self.store.read_now(lambda read: read.session.get(Reading, ident))  # type: ignore[arg-type, return-value]

    def session(self, hut: str = HUT) -> KioskSession | None:
        return self.store.read_now(lambda read: kiosk.open_at(read, hut))

    def sessions(self) -> list[KioskSession]:
        return self.store.read_now(lambda read: list(read.session.execute(select(KioskSession)).scalars()))

    def alerts(self) -> list[HealthAlert]:
        rule = select(HealthAlert).order_by(col(HealthAlert.raised), col(HealthAlert.id))
        return self.store.read_now(lambda read: list(read.session.execute(rule).scalars()))

    def page(self, hut: str = HUT, lang: str = "zh") -> str:
        """The kiosk's fragment as it stands."""

        def draw(read: object) -> str:
            with speaking(lang):
                return self.render("health/stage.html", stage.view(read, hut), lang)  # type: ignore[arg-type]

        return self.store.read_now(draw)  # type: ignore[arg-type]


def _ignore(_verdict: Verdict) -> None:
    return None


def kiosk_subject(hut: str = HUT) -> Subject:
    return Subject(id=hut, kind="kiosk", hut=hut, area=LIUHE, surface="kiosk")


def digits_of(html: str) -> str:
    """The digits a reader sees: tags, their attributes and drawings left out."""
    without = re.sub(r"<svg.*?</svg>|<ol class=\"steps.*?</ol>|<[^>]*>", " ", html, flags=re.DOTALL)
    return "".join(character for character in without if character.isdigit())


T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in a thread of its own: playwright's browser, once open, keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work)).result()


@dataclass
class Stage:
    """What the demo hands to the kiosk's two extra buttons."""

    hut: Hut

    def card(self, _hut: str) -> str:
        return WANG

    async def measure(self, hut: str, kind: str) -> None:
        await asyncio.get_running_loop().run_in_executor(None, lambda: self.hut.measure(kind, hut=hut))


def services_of(hut: Hut, *, demo: bool = False) -> Services:
    feed = Feed(hut.store, MODULE.topics, hut.render, hut.clock)
    hut.store.bus.observe(feed.committed)
    return Services(
        store=hut.store,
        feed=feed,
        registry=hut.book,
        ingest=None,  # type: ignore[arg-type]
        clock=hut.clock,
        rng=hut.store.rng,
        net=None,  # type: ignore[arg-type]
        permissions=PERMISSIONS,
        modules=(MODULE,),
        render=hut.render,
        data=hut.folder,
        demo=demo,
        stage=Stage(hut) if demo else None,
    )


@contextmanager
def running(hut: Hut, *, demo: bool = False) -> Iterator[str]:
    """The hub's pages behind a real socket, in a thread with a loop of its own; gives their address."""
    services = services_of(hut, demo=demo)
    server = HttpServer(services, create_app(services))
    ready = threading.Event()
    ends: dict[str, asyncio.Event] = {}

    async def live() -> None:
        hut.loop, ends["stop"] = asyncio.get_running_loop(), asyncio.Event()
        task = asyncio.create_task(server.run(ends["stop"]))
        await server.started.wait()
        ready.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="hut-pages", daemon=True)
    thread.start()
    assert ready.wait(20), "the test server did not start"
    loop = hut.loop
    assert loop is not None
    try:
        yield server.url
    finally:
        loop.call_soon_threadsafe(ends["stop"].set)
        thread.join(10)
        assert not thread.is_alive(), "the test server did not stop"
        hut.loop = None

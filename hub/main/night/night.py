"""One night: the town, the hub, the outside world and its faults, on one virtual loop, from one seed."""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import col

from hub.broker.server import Broker
from hub.civic.notices.board import BoardKey
from hub.db import Read
from hub.main.night import faults
from hub.main.night.box import Box
from hub.main.night.disk import Disk
from hub.main.night.far import WECHAT, PlainChannel, Provider, WechatFarEnd
from hub.main.night.faults import Kind, Spell
from hub.main.night.life import QUEUE_FRAMES_MAX, Life, Plant
from hub.main.night.loop import Deadlock, VirtualClock
from hub.main.night.nemesis import Nemesis
from hub.main.night.net import Net
from hub.main.night.office import Office
from hub.main.night.oracle import Oracle
from hub.main.night.screens import BoardScreen, FeedScreen
from hub.main.night.town import COMMUNITIES, PEOPLE, START, Town, gateways, town
from hub.main.night.trace import Trace
from hub.outbox import OPEN, Fanout, Outbox

BUSY_UNTIL = 0.85  # of the night: people go home, and what is under way must drain
DRAIN_S = 400.0  # after the end; a night that is not drained by then has lost something
PROBE_S = 5.0
JOB_DOWN_S = 5.0  # a failed job is up again after a second; only a sick disk may keep it down


@dataclass(frozen=True)
class Played:
    """What a night came to."""

    seed: str
    minutes: float
    kinds: tuple[Kind, ...]
    spells: tuple[Spell, ...]
    trace: Trace
    wrong: tuple[str, ...]
    counts: dict[str, int]
    virtual_s: float
    cpu_s: float

    @property
    def speed(self) -> float:
        """How many times faster than life, by the processor's time."""
        return self.virtual_s / self.cpu_s


@dataclass
class Night:
    seed: str
    minutes: float = 10.0
    kinds: Sequence[Kind] | None = None
    plant: Plant | None = None
    often: float = 1.0  # how many times as often as usual something goes wrong

    def play(self) -> Played:
        began = time.process_time()
        with tempfile.TemporaryDirectory(prefix="linli-night-") as folder, _quiet_logs():
            world = World(self, Path(folder), town())
            wrong = world.play()
            return Played(
                self.seed, self.minutes, tuple(dict.fromkeys(spell.kind for spell in world.spells)),
                tuple(world.spells), world.trace, tuple(wrong), world.counts(), world.ended_s,
                time.process_time() - began,
            )  # fmt: skip


class World:
    """Everything of a night, put together."""

    def __init__(self, night: Night, folder: Path, built: Town) -> None:
        self.seed, self.length_s, self._plant = night.seed, night.minutes * 60, night.plant
        self.net = Net(night.seed)
        self.clock = VirtualClock(self.net, START)
        self.trace = Trace(self.net.time)
        self.net.said, self.net.bytes_said = self.trace.say, self.trace.wire
        self.net.set_exception_handler(self._unhandled)
        self.folder, self.database = folder, built.copy(folder)
        self.disk, self.oracle = Disk(night.seed), Oracle(folder)
        self.spells = faults.draw(night.seed, night.kinds, self.length_s, night.often)
        self.life: Life | None = None
        self.lives, self.ended_s = 0, 0.0
        chance = random.Random(f"{night.seed} far")  # noqa: S311
        self.providers = {
            name: Provider(name, self.clock, random.Random(chance.random()), self.trace.say)  # noqa: S311
            for name in ("wechat", "phone", "post")
        }
        self._far = WechatFarEnd(self.providers["wechat"], [f"wechat-{each}" for each in PEOPLE], night.seed)
        self._channels = tuple(PlainChannel(self.providers[name], {}) for name in ("phone", "post"))
        passwords = built.passwords
        self.boxes = [
            Box(self.net, self.clock, folder, name, area, passwords[name], self.oracle, night.seed)
            for name, area in gateways().items()
        ]
        self.office = Office(self.net, self.clock, self.disk, self.oracle, lambda: self.life, night.seed)
        self._passwords = passwords
        self.boards = self._board_screens()
        self.pages = [FeedScreen(self.net, area, lambda: self.life) for area in COMMUNITIES]
        self.nemesis = Nemesis(self)

    def _board_screens(self) -> list[BoardScreen]:
        key = BoardKey.open(self.folder)
        return [
            BoardScreen(self.net, self.clock, area, self._passwords[f"screen-{area}"], key, self.oracle, self.seed)
            for area in COMMUNITIES
        ]

    def play(self) -> list[str]:
        asyncio.set_event_loop(None)
        main = self.net.create_task(self._main(), name="night")
        try:
            self.net.run_until_complete(main)
        except Deadlock as stuck:
            self.oracle.blame(f"deadlock: {stuck}")
        self.ended_s = self.net.time()
        self._end()
        arrived = [one for provider in self.providers.values() for one in provider.arrived]
        return self.oracle.verdict(self.database, arrived, START)

    def counts(self) -> dict[str, int]:
        oracle, disk = self.oracle, self.disk
        return {
            "records": len(oracle.kept), "notices": len(oracle.notices), "points": len(oracle.moves),
            "messages": sum(len(each.arrived) for each in self.providers.values()), "hub lives": self.lives,
            "gateway lives": sum(box.lives for box in self.boxes), "spells": len(self.spells),
            "commits": disk.commits, "commits refused": disk.refused, "wire bytes": self.trace.wire_bytes,
        }  # fmt: skip

    async def start_hub(self) -> None:
        self.lives += 1
        life = Life(
            self.net, self.clock, self.folder, self.disk, f"hub life {self.lives}", seed=self.seed, config=WECHAT,
            far=self._far, channels=self._channels, plant=self._plant,
        )  # fmt: skip
        life.store.bus.observe(self._committed)
        await life.start()
        self.life = life
        self.trace.say("the hub is up", life.name)

    async def _main(self) -> None:
        await self.start_hub()
        for box in self.boxes:
            box.power_on()
        until_s = self.length_s * BUSY_UNTIL
        busy = [
            *(box.visits(until_s) for box in self.boxes),
            self.office.notices(until_s),
            self.office.points(until_s),
        ]
        boards, pages = (board.watch() for board in self.boards), (page.watch() for page in self.pages)
        aside = [self.net.create_task(each) for each in (*boards, *pages, self._probe())]
        working = [self.net.create_task(each) for each in (*busy, self.nemesis.run(self.spells))]
        await asyncio.gather(*working)
        await asyncio.sleep(max(0.0, self.length_s - self.net.time()))
        await self._drain()
        await self._look_at_screens()
        for task in aside:
            task.cancel()
        await asyncio.wait(aside)
        if self.life is not None:
            await self._at_rest(self.life)
            await self.life.stop()

    async def _drain(self) -> None:
        """Liveness: no fault is left; everything that was kept, released or asked must come to its end."""
        deadline_s = self.net.time() + DRAIN_S
        while waiting := await self._waiting():
            if self.net.time() >= deadline_s:
                self.oracle.blame(f"not drained after {DRAIN_S:.0f} quiet seconds: {', '.join(waiting)}")
                return
            await asyncio.sleep(PROBE_S)

    async def _waiting(self) -> list[str]:
        found = [f"{box.pending} entries at {box.name}" for box in self.boxes if box.pending]
        open_rows = await self.life.read(_open_deliveries) if self.life is not None else 1
        return [*found, *([f"{open_rows} deliveries"] if open_rows else [])]

    async def _look_at_screens(self) -> None:
        """At rest every screen shows what stands: no more, no less."""
        fresh = self._board_screens()
        watching = [self.net.create_task(screen.watch()) for screen in fresh]
        await asyncio.sleep(PROBE_S)
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
        now = self.net.time()
        for screen in (*self.boards, *fresh):
            standing = {
                told.ident for told in self.oracle.notices
                if screen.area in told.areas and not told.retracted and told.expires_s > now
            }  # fmt: skip
            if set(screen.shown) != standing:
                self.oracle.blame(
                    f"P8 the board of {screen.area} shows {len(screen.shown)} notices, {len(standing)} stand "
                    f"({len(set(screen.shown) - standing)} of them should be gone)"
                )
        for page in self.pages:
            if self.life is not None and page.html != await self.life.fragment(page.topic):
                self.oracle.blame(f"P18 the page {page.topic} is stale")

    async def _at_rest(self, life: Life) -> None:
        """P18: every message the hub counted is accounted for, exactly."""
        meter, ingest = life.services.ingest.meter, life.services.ingest
        if ingest.waiting or not meter.balanced():
            self.oracle.blame(f"P18 not balanced at rest: {ingest.waiting} waiting, {meter.ingested} ingested")

    async def _probe(self) -> None:
        """What must hold at every moment, looked at every few seconds."""
        while True:
            await asyncio.sleep(PROBE_S)
            life = self.life
            if life is None:
                continue
            if life.services.ingest.waiting > QUEUE_FRAMES_MAX:
                self.oracle.blame(f"P10 {life.services.ingest.waiting} frames wait in a queue of {QUEUE_FRAMES_MAX}")
            door = life.running.door
            if isinstance(door, Broker) and door.counters.faults:
                self.oracle.blame(f"the front door failed {door.counters.faults} times in its own code")
            sick = self.disk.failing or self.disk.last_trouble_s > self.net.time() - 2 * JOB_DOWN_S
            for name, why in life.running.down.items():
                if not sick:
                    self.oracle.blame(f"the job {name} failed on a healthy disk: {why}")

    def _committed(self, events: Sequence[object], touched: frozenset[tuple[str, str]]) -> None:
        life = self.life.name if self.life is not None else "hub"
        for event in events:
            cause = str(getattr(event, "cause", None) or "")
            self.trace.say(f"{type(event).__name__} {event.subject()}", life, cause[-12:])  # type: ignore[attr-defined]

    def _unhandled(self, _loop: object, context: dict[str, object]) -> None:
        error = context.get("exception")
        self.oracle.blame(f"nobody handled: {context.get('message')} {type(error).__name__}: {error}")

    def _end(self) -> None:
        """Let go of everything without running another line of a killed hub."""
        for box in self.boxes:
            box.power_off()
        self.net.said, self.net.bytes_said = (lambda what, who: None), (lambda number, way, data: None)
        self.net.bury()
        self.net.close()


def _open_deliveries(read: Read) -> int:
    rows = select(func.count()).select_from(Outbox).where(col(Outbox.state).in_(OPEN))
    fanouts = select(func.count()).select_from(Fanout).where(col(Fanout.done).is_(False))
    return int(read.session.execute(rows).scalar_one()) + int(read.session.execute(fanouts).scalar_one())


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Faults are the point of the night; what matters of them stands in the trace."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)

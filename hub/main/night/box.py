"""A gateway of a night: the simulators' own, with its journal on disk, on the simulated net; and who measures there.

The cuff also speaks the plain way (QoS 1, no outbox): it forgets a value at PUBACK, so what is acknowledged too early
is lost for good.
"""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from devices import topics
from devices.pack import Record
from hub.clock import Clock
from hub.main.night.life import ADDRESS
from hub.main.night.line import Habits, SimLine
from hub.main.night.loop import Process
from hub.main.night.net import Net
from hub.main.night.oracle import Kept, Oracle
from hub.main.night.town import devices
from simulators.baseline import URGENT, Oximetry, Pressure
from simulators.frames import frame
from simulators.gateway import Gateway
from simulators.journal import Journal
from simulators.line import Address, LineLost, PublishRefused
from simulators.plan import DevicePlan

VISIT_EVERY_S = 1.5
URGENT_SHARE, PLAIN_SHARE, AGAIN_SHARE, BAD_SHARE = 0.5, 0.4, 0.3, 0.25
AGAIN_AFTER_S = (1.0, 150.0)  # a cuff whose memory is read out again
SKEWS_S = (-960, -30, 90, 3_600, 63_158_400)
PERFUSION = Decimal("4.2")


class Box:
    """The hut's gateway. `process` changes when it loses power; its journal and its clock error do not."""

    def __init__(
        self, net: Net, clock: Clock, folder: Path, name: str, area: str, password: str, oracle: Oracle, seed: str
    ) -> None:
        self.name, self.area, self.habits = name, area, Habits()
        self.malformed = self.again = self.clock_wrong = False
        self._net, self._clock, self._oracle, self._password = net, clock, oracle, password
        self._path = folder / f"{name}.jsonl"
        self._chance = random.Random(f"{seed} box {name}")  # noqa: S311
        self._wire_chance = random.Random(f"{seed} wire {name}")  # noqa: S311
        self._told: dict[str, set[datetime]] = {}
        self._devices = devices(name)
        self.lives = 0
        self.process = Process(name)
        self.gateway: Gateway | None = None

    def power_on(self) -> None:
        self.lives += 1
        self.process = Process(f"{self.name} life {self.lives}")
        self._net.said("power on", self.name)
        self.process.context().run(self._boot)

    def power_off(self) -> None:
        """Whatever was only in memory is gone; the journal is as its last fsync left it."""
        self._net.kill(self.process)
        if self.gateway is not None:
            self.gateway.journal.close()
            self.gateway = None
        for call in self.calls():
            call.cut("lost its gateway")

    def calls(self) -> list[Any]:
        return [call for call in self._net.calls.values() if call.name == self.name]

    @property
    def pending(self) -> int:
        return len(self.gateway.journal.pending()) if self.gateway is not None else 1

    def _boot(self) -> None:
        journal = Journal.open(self._path, lambda: f"{self.name}-boot-{self._chance.randrange(10**6)}")
        self.gateway = Gateway(
            self.name, self.area, self._password, self._devices, address=Address(*ADDRESS), journal=journal,
            now=self._clock.now, heartbeat_s=20.0, receipt_wait_s=15.0,
            dial=partial(SimLine, self._net, self.habits, self._wire_chance),
        )  # fmt: skip
        self.gateway.start()

    def measure(self) -> None:
        """Somebody puts an arm into the cuff, or a finger into the oximeter. Neutral: people outlive a gateway."""
        if self.gateway is None:
            return
        device = self._chance.choice(self._devices)
        kept = self._measured(device)
        if self.malformed and self._chance.random() < BAD_SHARE:
            kept.payload, kept.good, kept.urgent = b"\xff" + self._chance.randbytes(2), False, False
        if device.clock and kept.good and self._chance.random() < PLAIN_SHARE:
            self._plain(kept)
            return
        self._keep(kept)
        if self.again and device.clock and kept.good and self._chance.random() < AGAIN_SHARE:
            self._net.later(self._chance.uniform(*AGAIN_AFTER_S), partial(self._tell_again, kept))

    def _measured(self, device: DevicePlan) -> Kept:
        now = self._clock.now().replace(microsecond=0)
        urgent = device.kind == "bp" and self._chance.random() < URGENT_SHARE
        skew_s = self._chance.choice(SKEWS_S) if self.clock_wrong and device.clock else 0
        said = now + timedelta(seconds=skew_s)
        told = self._told.setdefault(device.id, set())
        while device.clock and said in told:  # a cuff measures once a second at most
            said += timedelta(seconds=1)
        told.add(said)
        vital = (
            (URGENT if urgent else Pressure(self._chance.randrange(105, 136), 78, 92, self._chance.randrange(60, 90)))
            if device.kind == "bp"
            else Oximetry(self._chance.randrange(95, 100), self._chance.randrange(60, 90), PERFUSION)
        )
        payload = frame(device, vital, said).payload
        return Kept(
            self.name, device.id, device.codec or "", payload, self._clock.now(), (said - now).total_seconds(),
            clocked=device.clock, urgent=urgent,
        )  # fmt: skip

    def _keep(self, kept: Kept) -> None:
        """The oracle writes first; then the gateway's journal; then the line."""
        assert self.gateway is not None  # noqa: S101 - measure() has looked
        self._oracle.keeps(kept)
        what = "an urgent value" if kept.urgent else "a value" if kept.good else "a broken frame"
        self._net.said(f"{what}{' read out again' if kept.first else ''} into the outbox", kept.device)
        entry = self.process.context().run(
            self.gateway.keep, kept.device, [Record(kept.codec, kept.payload, kept.at.replace(microsecond=0))]
        )
        kept.boot, kept.seq = self.gateway.journal.boot, entry.seq

    def _tell_again(self, kept: Kept) -> None:
        if self.gateway is not None:
            again = Kept(
                kept.gateway, kept.device, kept.codec, kept.payload, kept.at, kept.skew_s, clocked=True,
                urgent=kept.urgent, first=kept,
            )  # fmt: skip
            self._keep(again)

    def _plain(self, kept: Kept) -> None:
        kept.plain = True
        self._oracle.keeps(kept)
        self._net.said(f"{'an urgent value' if kept.urgent else 'a value'} sent without an outbox", kept.device)
        self._net.create_task(self._say_until_taken(kept), context=self.process.context())

    async def _say_until_taken(self, kept: Kept) -> None:
        gateway = self.gateway
        assert gateway is not None  # noqa: S101 - it dies with this process
        while True:
            try:
                await gateway.say(topics.up(self.area, self.name, kept.device, kept.codec), kept.payload)
            except (LineLost, PublishRefused):
                await asyncio.sleep(0.5)
                continue
            self._oracle.acknowledged(kept)
            return

    async def visits(self, until_s: float) -> None:
        while self._net.time() < until_s:
            await asyncio.sleep(self._chance.expovariate(1 / VISIT_EVERY_S))
            self.measure()

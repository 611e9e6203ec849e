"""The hand that does the harm: carries out each spell of a night at its moment, and takes it back at its end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hub.main.night.disk import Fuse
from hub.main.night.faults import Kind, Spell

if TYPE_CHECKING:
    from hub.main.night.box import Box
    from hub.main.night.life import Life
    from hub.main.night.night import World

_CHANNEL_MODES = {Kind.CHANNEL_HANG: "hang", Kind.CHANNEL_5XX: "5xx", Kind.CHANNEL_LOST: "lost"}
JOBS = ("", "ingest", "ingest", "ingest", "ingest", "ingest", "notices.courier-wechat", "night.courier-phone")
FUSE_S = 15.0
LANE_CUT_S, LANE_HELD_S = (2.0, 8.0), (1.0, 6.0)


class Nemesis:
    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(f"{world.seed} nemesis")  # noqa: S311
        self._hub_free = asyncio.Lock()

    async def run(self, spells: Sequence[Spell]) -> None:
        await asyncio.gather(*(self._spell(spell) for spell in spells))

    async def _spell(self, spell: Spell) -> None:
        net = self._world.net
        await asyncio.sleep(max(0.0, spell.begin_s - net.time()))
        self._world.trace.say(f"{spell.kind} until {spell.end_s:.1f}", spell.target, "nemesis")
        length_s = spell.end_s - spell.begin_s
        match spell.kind:
            case Kind.HUB_CRASH | Kind.HUB_STOP:
                await self._hub_away(spell.kind, length_s)
            case Kind.SLOW_DISK | Kind.DISK_ERROR | Kind.SLICE:
                await self._everywhere(spell.kind, length_s)
            case Kind.CHANNEL_HANG | Kind.CHANNEL_5XX | Kind.CHANNEL_LOST:
                await self._channel(spell.target, _CHANNEL_MODES[spell.kind], length_s)
            case _:
                box = next(box for box in self._world.boxes if box.name == spell.target)
                await self._box(box, spell.kind, length_s)

    async def _hub_away(self, kind: Kind, length_s: float) -> None:
        world = self._world
        async with self._hub_free:
            life = world.life
            if life is None:
                return
            if kind is Kind.HUB_CRASH:
                await self._kill(life)
            else:
                await life.stop()
                world.life = None
                world.trace.say("stopped", life.name)
            await asyncio.sleep(length_s)
            await world.start_hub()

    async def _kill(self, life: Life) -> None:
        """Now, or right before or after a transaction: where two effects that belong together could come apart."""
        world, dead = self._world, asyncio.Event()
        job = self._chance.choice(JOBS)
        when = self._chance.choice(("before", "after"))

        def blow() -> None:
            world.life = None
            life.kill()
            world.trace.say(f"killed {when} a transaction of {job}" if job else "killed", life.name)
            dead.set()

        if job:
            world.disk.fuse = Fuse(job, when, blow)
            with suppress(TimeoutError):
                await asyncio.wait_for(dead.wait(), FUSE_S)
        if not dead.is_set():
            world.disk.fuse, job = None, ""
            blow()

    async def _everywhere(self, kind: Kind, length_s: float) -> None:
        world = self._world
        if kind is Kind.SLICE:
            world.net.slicing = True
            await asyncio.sleep(length_s)
            world.net.slicing = False
            return
        disk = world.disk
        if kind is Kind.SLOW_DISK:
            disk.slow = True
            await asyncio.sleep(length_s)
            disk.slow, disk.slow_until_s = False, world.net.time()
            return
        disk.failing = True
        await asyncio.sleep(length_s)
        disk.failing = False

    async def _channel(self, name: str, mode: str, length_s: float) -> None:
        provider = self._world.providers[name]
        provider.mode = mode
        await asyncio.sleep(length_s)
        provider.mode = "ok"

    async def _box(self, box: Box, kind: Kind, length_s: float) -> None:
        calls = box.calls()
        match kind:
            case Kind.CUT if calls:
                self._chance.choice(calls).cut("reset")
            case Kind.HALF_OPEN:
                for call in calls:
                    call.go_deaf()
            case Kind.STALL:
                for call in calls:
                    call.hold(True)
                await asyncio.sleep(length_s)
                for call in calls:
                    call.hold(False)
            case Kind.REORDER:
                await self._two_lanes(box, length_s)
            case Kind.GATEWAY_CRASH:
                if box.gateway is not None:
                    box.power_off()
                    await asyncio.sleep(length_s)
                    box.power_on()
            case _:
                await self._habit(box, kind, length_s)

    async def _two_lanes(self, box: Box, length_s: float) -> None:
        """The gateway dials twice; now and then the second line breaks alone, and leaves a gap."""
        box.habits.lanes = 2
        for call in box.calls():
            call.cut("for a second lane")
        until_s = self._world.net.time() + length_s
        while self._world.net.time() < until_s:
            await asyncio.sleep(self._chance.uniform(*LANE_CUT_S))
            calls = box.calls()
            if len(calls) > 1:
                calls[-1].hold(True)  # what is said on it meanwhile is lost, and what is said beside it is not
                await asyncio.sleep(self._chance.uniform(*LANE_HELD_S))
                calls[-1].cut("second lane")
                await asyncio.sleep(self._chance.uniform(*LANE_HELD_S))
            for call in box.calls():
                call.cut("for a second lane")
        box.habits.lanes = 1

    async def _habit(self, box: Box, kind: Kind, length_s: float) -> None:
        self._turn(box, kind, on=True)
        await asyncio.sleep(length_s)
        self._turn(box, kind, on=False)

    def _turn(self, box: Box, kind: Kind, *, on: bool) -> None:
        match kind:
            case Kind.REPEAT:
                box.habits.repeats = on
            case Kind.GARBAGE:
                box.habits.garbage = on
            case Kind.MALFORMED:
                box.malformed = on
            case Kind.SAME:
                box.again = on
            case Kind.CLOCK:
                box.clock_wrong = on

"""A city of huts for presence: a gateway and a cuff in each, on the real ingest and store; what an operator reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path

from sqlalchemy import insert

from devices import topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import profile
from hub.civic.operations import board, scope
from hub.clock import ManualClock
from hub.db import Tx
from hub.ingest import Ingest
from hub.registry import Device, Gateway, Hut, Registry
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict
from tests.world import LIUHE, START, make_store, people

PROFILE, CODEC = "generic.sig.2a35", "sig.2a35"
BOUND = timedelta(seconds=profile(PROFILE).offline_after_s)
HEARTBEAT = timedelta(minutes=1)


class Way(Enum):
    """How a hut falls silent: what is read at once, and what in the end."""

    WILL = "its line breaks and the will comes"
    CUT = "its line breaks and no will comes"
    DEVICE = "its gateway says that the cuff does not answer"
    UNUSED = "nobody measures any more, the gateway goes on"
    ASLEEP = "it goes to sleep by the timetable"

    @property
    def said_at_once(self) -> str:
        return {Way.WILL: "offline", Way.DEVICE: "offline", Way.ASLEEP: "asleep"}.get(self, "")

    @property
    def in_the_end(self) -> str:
        return self.said_at_once or ("offline" if self is Way.CUT else "quiet")


class City:
    def __init__(self, folder: Path, count: int) -> None:
        self.clock = ManualClock(START)
        self.huts = {f"g-{n:04}" for n in range(count)}
        self._store = make_store(folder, clock=self.clock)
        self._store.write_now(self._furnish)
        book = Registry(self._store, self.clock)
        book.look()
        self._ingest = Ingest(self._store, book, self.clock, SeededRng("city"))
        self._ways: dict[str, Way] = {}

    async def wake(self) -> None:
        for hut in sorted(self.huts):
            await self._say(hut, topics.birth(LIUHE, hut), {"boot": "b1"})
            await self._measure(hut)
        await self._ingest.drain()

    async def silence(self, ways: Mapping[str, Way]) -> None:
        self.clock.advance(0.001)
        self._ways = dict(ways)
        for hut, way in ways.items():
            if way in (Way.WILL, Way.ASLEEP):
                word = "offline" if way is Way.WILL else "sleeping"
                await self._say(hut, topics.state(LIUHE, hut), {"s": word})
            if way is Way.DEVICE:
                await self._say(hut, topics.twin_reported(LIUHE, hut, f"{hut}-bp"), {"s": "offline"})
        await self._ingest.drain()

    async def live(self) -> None:
        """A heartbeat of everybody who still has one, and a visit at every hut that still has visitors."""
        for hut in sorted(self.huts):
            way = self._ways.get(hut)
            if way in (None, Way.DEVICE, Way.UNUSED):
                await self._say(hut, topics.state(LIUHE, hut), {"s": "online"})
            if way is None:
                await self._measure(hut)
        await self._ingest.drain()

    async def revive(self) -> None:
        self.clock.advance(0.001)
        for hut in self._ways:
            await self._say(hut, topics.birth(LIUHE, hut), {"boot": "b1"})
            await self._measure(hut)
        await self._ingest.drain()

    def states(self) -> dict[str, str]:
        """What the operator's board says of each hut's cuff."""
        places = self._store.read_now(lambda read: board.look(read, scope.WHOLE))
        return {place.id: place.boxes[0].state for place in places if place.boxes}

    def close(self) -> None:
        self._store.close()

    def _furnish(self, tx: Tx) -> None:
        people(tx)
        huts = sorted(self.huts)
        names = {"zh": "小屋", "en": "Hut"}
        tx.session.execute(insert(Hut), [{"id": hut, "area": LIUHE, **names} for hut in huts])
        tx.session.execute(insert(Gateway), [{"id": hut, "area": LIUHE, "hut": hut} for hut in huts])
        cuff = {"profile": PROFILE, "kind": "bp", **names}
        tx.session.execute(insert(Device), [{"id": f"{hut}-bp", "gateway": hut, "hut": hut, **cuff} for hut in huts])

    async def _measure(self, hut: str) -> None:
        values = [("sys", 121), ("dia", 78), ("map", 92), ("pulse", 70)]
        units = {"pulse": "/min"}
        said = tuple(Value.of(code, Decimal(number), units.get(code, "mm[Hg]")) for code, number in values)
        zone = profile(PROFILE).zone
        local = self.clock.now().astimezone(zone).replace(tzinfo=None, microsecond=0)
        frame = codec(CODEC).encode(Measurement("bp", said, local, (), {}), profile(PROFILE))
        await self._put(hut, topics.up(LIUHE, hut, f"{hut}-bp", CODEC), frame)

    async def _say(self, hut: str, topic: str, body: dict[str, str]) -> None:
        await self._put(hut, topic, json.dumps(body).encode())

    async def _put(self, hut: str, topic: str, payload: bytes) -> None:
        await self._ingest.put(Uplink(hut, topic, payload, self.clock.now(), _settled, connection=f"{hut}-1"))


def _settled(_verdict: Verdict) -> None:
    """Nobody waits for an acknowledgement here."""

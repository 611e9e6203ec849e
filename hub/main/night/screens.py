"""The screens of a night: in each community one takes the signed board over MQTT, and one watches the feed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from devices import topics
from hub.civic.notices import board
from hub.civic.notices.board import BadBoard, BoardKey
from hub.clock import Clock
from hub.feed import Watcher
from hub.main.night.life import ADDRESS, Life
from hub.main.night.line import Habits, SimLine
from hub.main.night.net import Net
from hub.main.night.oracle import Oracle
from simulators.line import Address, LineLost

STALE_S = 5.0  # P8, P18: an ended notice is gone from every screen within this
REDIAL_S = 2.0
FEED_TOPIC = "notices.tv"


class BoardScreen:
    """Believes only what is signed, newer than what it has, and not out of date."""

    def __init__(self, net: Net, clock: Clock, area: str, password: str, key: BoardKey, oracle: Oracle, seed: str):
        self.area, self.shown, self.seq = area, frozenset[str](), 0
        self._net, self._clock, self._password, self._oracle = net, clock, password, oracle
        self._keys = {key.id: key.public}
        self._seed = seed

    async def watch(self) -> None:
        chance = random.Random(f"{self._seed} screen {self.area}")  # noqa: S311
        while True:
            user = f"screen-{self.area}"
            line = SimLine(
                self._net, Habits(), chance, Address(*ADDRESS), user, self._password, client_id=user,
                on_message=self._arrived,
            )  # fmt: skip
            try:
                await line.open()
                await line.subscribe([topics.board(self.area)])
                await line.lost.wait()
            except (OSError, LineLost):
                await asyncio.sleep(0)
            finally:
                await line.close()
            await asyncio.sleep(REDIAL_S)

    def _arrived(self, topic: str, payload: bytes) -> None:
        if not payload or topic != topics.board(self.area):
            return
        try:
            found = board.verify(payload, self._keys, area=self.area, after_seq=0, now=self._clock.now())
        except BadBoard as bad:
            self._oracle.blame(f"P8 a screen was sent a board it must refuse: {bad}")
            return
        if found["seq"] < self.seq:
            return  # what a restarted door still had; the newest follows
        self.seq, self.shown = found["seq"], frozenset(each["id"] for each in found["notices"])


class FeedScreen:
    """A TV's page, followed over the hub's own feed; it comes back after each restart."""

    def __init__(self, net: Net, area: str, life: Callable[[], Life | None]) -> None:
        self.html = ""
        self.topic = f"{FEED_TOPIC}:{area}"
        self._net, self._life = net, life

    async def watch(self) -> None:
        while True:
            life = self._life()
            if life is not None:
                watcher = Watcher("zh")
                await life.watch(watcher, self.topic)
                while life is self._life():
                    for frame in watcher.take():
                        self.html = frame.html
                    await asyncio.sleep(REDIAL_S / 4)
            await asyncio.sleep(REDIAL_S)

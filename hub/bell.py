"""The bell: a committed transaction wakes the worker that has something to do now, so that idle workers need not look.

A ring between a look and the wait after it is not lost: the waiter says up to where it has heard.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter, defaultdict
from collections.abc import Sequence

from hub.bus import Bus
from hub.clock import Clock
from hub.db import Tx
from hub.events import Event

TOPIC = "outbox"  # no page shows it; another process's screens hear it and let it pass
FAN_OUT = "fan-out"
SWEEP = "sweep"


class Bell:
    def __init__(self) -> None:
        self._rung: Counter[str] = Counter()
        self._waiting: dict[str, dict[asyncio.Task[None], asyncio.AbstractEventLoop]] = defaultdict(dict)

    def heard(self, key: str) -> int:
        """How often it has rung for this worker. To be asked before the look."""
        return self._rung[key]

    def committed(self, _events: Sequence[Event], touched: frozenset[tuple[str, str]]) -> None:
        for topic, key in sorted(touched):  # a simulated night must not depend on the order of a set
            if topic == TOPIC:
                self.ring(key)

    def ring(self, key: str) -> None:
        self._rung[key] += 1
        for nap, loop in tuple(self._waiting[key].items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(nap.cancel)  # the writer may run in another thread

    async def wait(self, key: str, heard: int, clock: Clock, at_most_s: float) -> None:
        """Until it rings for this key after `heard`, or for so long."""
        loop = asyncio.get_running_loop()
        nap = loop.create_task(clock.sleep(at_most_s), name=f"nap-{key}")
        self._waiting[key][nap] = loop
        try:
            if self._rung[key] == heard:
                await asyncio.wait({nap})
        finally:
            del self._waiting[key][nap]
            nap.cancel()


_BELLS: weakref.WeakKeyDictionary[Bus, Bell] = weakref.WeakKeyDictionary()


def of(bus: Bus) -> Bell:
    """The one bell of a hub's bus."""
    if bus not in _BELLS:
        _BELLS[bus] = made = Bell()
        bus.observe(made.committed)
    return _BELLS[bus]


def pull(tx: Tx, key: str) -> None:
    """Ring for this worker once the transaction is on disk."""
    tx.touch(TOPIC, key)

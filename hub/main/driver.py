"""The driver: readings at a steady rate until told to stop, and a journal of what was acknowledged.

Built from the parts of `simulators/load.py`, whose `load` runs for a time fixed beforehand; this one is watched while
it runs, and outlives the hub it drives.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from simulators.clock import utc_now
from simulators.line import Address
from simulators.load import SYNC_EVERY_S, Account, Maker, Oracle, Sender

TICK_S = 0.005  # ten readings at 2,000 a second: even enough, and cheap


class Driver:
    def __init__(self, address: Address, accounts: Sequence[Account], journal: Path, seed: str, rate: float) -> None:
        self._book = Oracle(journal)
        self._counts: Counter[str] = Counter()
        self._senders = [Sender(account, address, self._book, self._counts) for account in accounts]
        self._maker, self._rate = Maker(seed, utc_now), rate
        self._enough, self._closed, self._turn = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._sending: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._sending = [loop.create_task(sender.run(), name="driver-sender") for sender in self._senders]
        self._working = [loop.create_task(self._offer()), loop.create_task(self._keep_synced())]

    @property
    def offered(self) -> int:
        return self._counts["offered"]

    @property
    def acknowledged(self) -> int:
        """On disk in the journal: what is not there yet has not been counted by anybody."""
        return self._book.written

    @property
    def in_flight(self) -> int:
        """Said to the hub and not yet acknowledged by it."""
        return sum(sender.in_flight for sender in self._senders)

    @property
    def resent(self) -> int:
        return self._counts["resent"]

    @property
    def waiting(self) -> int:
        """Readings that the residents took and no hub has acknowledged yet."""
        return sum(sender.outstanding for sender in self._senders)

    @property
    def on_the_way(self) -> int:
        """Sent and unanswered, until one is sent again."""
        return self._counts["sent"] - self._counts["acked"] - self._counts["refused"]

    @property
    def cut_off(self) -> bool:
        """Every line has noticed that its hub is gone, so nothing more can be acknowledged by it."""
        return self._counts["lines_lost"] >= len(self._senders)

    async def turned(self) -> None:
        """Until the journal has been brought up to date once more: then the figures may show something new."""
        self._turn.clear()
        await self._turn.wait()

    async def drain(self, seconds: float) -> None:
        """Take no new readings; wait until what is outstanding is acknowledged, at most so long."""
        self._enough.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for sender in self._senders:
                    await sender.idle.wait()

    async def close(self) -> None:
        self._enough.set()
        for task in self._sending:
            task.cancel()
        ended = await asyncio.gather(*self._sending, return_exceptions=True)
        self._closed.set()  # the journal's writer is never cancelled: its thread may be in the middle of a line
        ended += await asyncio.gather(*self._working, return_exceptions=True)
        self._book.close()
        for trouble in ended:
            if isinstance(trouble, Exception):
                raise trouble

    async def _offer(self) -> None:
        """An open loop: a hub that is slow or dead does not slow the residents down."""
        loop = asyncio.get_running_loop()
        began, n = loop.time(), 0
        while not self._enough.is_set():
            for number in range(n, int((loop.time() - began) * self._rate) + 1):
                sender = self._senders[number % len(self._senders)]
                devices = sender.account.devices
                device = devices[number // len(self._senders) % len(devices)]
                sender.offer(self._maker.make(number, device, loop.time()))
                self._counts["offered"] += 1
                n = number + 1
            await asyncio.sleep(TICK_S)

    async def _keep_synced(self) -> None:
        while not self._closed.is_set():
            await self._book.sync()
            self._turn.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), SYNC_EVERY_S)

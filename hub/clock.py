"""Time as an argument: the real clock, and one that tests and the simulation move by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall time, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; for durations and deadlines only."""

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class ManualClock:
    """Stands still until told. `sleep` returns when `advance` has passed the deadline."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, delay_s: float) -> None:
        due = asyncio.Event()
        self._sleepers.append((self._elapsed_s + delay_s, due))
        await due.wait()

    def set(self, now: datetime) -> None:
        """Jump to a moment, as a wall clock does; what sleeps goes on sleeping."""
        self._now = now

    def advance(self, delay_s: float) -> None:
        self._now += timedelta(seconds=delay_s)
        self._elapsed_s += delay_s
        still: list[tuple[float, asyncio.Event]] = []
        for deadline, due in self._sleepers:
            if deadline <= self._elapsed_s:
                due.set()
            else:
                still.append((deadline, due))
        self._sleepers = still

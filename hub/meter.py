"""Counts and times of ingest: the conservation law, the rate of the last minutes, and how long a reading takes to
disk.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.clock import Clock

WINDOW_S = 120  # what the operator's chart shows
LATENCIES_MAX = 5_000  # the newest ones; at 1,000 readings/s that is the last five seconds


@dataclass
class Meter:
    """ingested = stored + duplicate + quarantined + refused, exact whenever the queue is empty."""

    clock: Clock
    ingested: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    _seconds: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=WINDOW_S))
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_MAX))

    def refuse(self, reason: str) -> None:
        self.ingested += 1
        self.refused[reason] += 1

    def batch(self, *, stored: int, duplicate: int, quarantined: int, latencies_ms: Sequence[float]) -> None:
        self.ingested += stored + duplicate + quarantined
        self.stored += stored
        self.duplicate += duplicate
        self.quarantined += quarantined
        self.batches += 1
        self._latencies_ms.extend(latencies_ms)
        second = int(self.clock.now().timestamp())
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + stored)
        else:
            self._seconds.append((second, stored))

    def balanced(self) -> bool:
        return self.ingested == self.stored + self.duplicate + self.quarantined + sum(self.refused.values())

    def rates(self) -> list[int]:
        """Stored readings in each of the last WINDOW_S seconds, oldest first."""
        now = int(self.clock.now().timestamp())
        by_second = dict(self._seconds)
        return [by_second.get(second, 0) for second in range(now - WINDOW_S + 1, now + 1)]

    def latency_ms(self, share: float) -> float | None:
        """The quantile (0.5, 0.99) of received-to-committed among the newest readings; None before the first."""
        if not self._latencies_ms:
            return None
        ordered = sorted(self._latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

"""Figures: what a wave cost, how long its messages took, and medians over passes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pass:
    """One contestant's turn in one pass."""

    readings: int
    wall_s: float
    cpu_s: float
    driver_busy: float  # share of a core that the driver itself used: near 1, and it was the limit

    @property
    def rate(self) -> float:
        return self.readings / self.wall_s

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.readings * 1e6


@dataclass(slots=True)
class Result:
    """All passes of one contestant."""

    name: str
    what: str
    passes: list[Pass] = field(default_factory=list)
    latency: Mapping[str, float] = field(default_factory=dict)
    of_limit: list[float] = field(default_factory=list)  # of the limit's rate in the same pass

    def figures(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "rate_per_s": round(statistics.median(each.rate for each in self.passes)),
            "cpu_us_per_reading": round(statistics.median(each.cpu_us for each in self.passes), 1),
            "of_limit": round(statistics.median(self.of_limit), 3) if self.of_limit else None,
            "driver_busy": round(statistics.median(each.driver_busy for each in self.passes), 2),
            "latency": dict(self.latency),
            "passes": [
                {**asdict(each), "rate_per_s": round(each.rate), "cpu_us_per_reading": round(each.cpu_us, 1)}
                for each in self.passes
            ],
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def waits_ms(sent: Sequence[tuple[float, int]], settled: Sequence[tuple[float, int]]) -> list[float]:
    """How long each message took, from two logs of (moment, how many by then): the k-th sent is the k-th settled."""
    waits: list[float] = []
    offers = iter(sent)
    moment, until = 0.0, 0
    for settled_at, count in settled:
        while len(waits) < count:
            while until <= len(waits):
                moment, until = next(offers)
            waits.append((settled_at - moment) * 1000)
    return waits


def latency(waits: Sequence[float], rate: float) -> dict[str, float]:
    ordered = sorted(waits)
    return {
        "rate_per_s": round(rate),
        "p50_ms": round(quantile(ordered, 0.5), 2),
        "p99_ms": round(quantile(ordered, 0.99), 2),
        "max_ms": round(ordered[-1], 2),
        "messages": len(ordered),
    }

"""The flow of readings: rate of the last two minutes, time to disk, and the law by which every frame is accounted for.

ingested = stored + duplicate + quarantined + refused. The meter lives in memory, so the board shows since when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.i18n import N_
from hub.ingest import Ingest

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 130, 40, 8, 22
STEPS_S = 10  # the table behind the drawing adds up so many seconds to a row
REFUSED_WORDS: Mapping[str, str] = {
    "acl": N_("outside the account's rights"),
    "too-large": N_("too large"),
    "bad-topic": N_("not a topic of ours"),
    "malformed": N_("not MQTT"),
    "rate": N_("too many at once"),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Pure geometry of the rate over the window."""

    line: str
    area: str
    marks: tuple[tuple[float, int], ...]  # y, readings per second
    rows: tuple[tuple[int, int], ...]  # seconds ago, readings stored in those STEPS_S seconds
    now: int
    peak: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


@dataclass(frozen=True, slots=True)
class Flow:
    at: datetime
    ingested: int
    stored: int
    duplicate: int
    quarantined: int
    refused: tuple[tuple[str, str, int], ...]  # reason, its words (msgid), how many
    waiting: int
    p50_ms: float | None
    p99_ms: float | None
    trouble: str | None
    rate: Rate

    @property
    def refused_total(self) -> int:
        return sum(count for _reason, _words, count in self.refused)

    @property
    def balanced(self) -> bool:
        return self.ingested == self.stored + self.duplicate + self.quarantined + self.refused_total


def measure(ingest: Ingest, now: datetime) -> Flow:
    meter = ingest.meter
    return Flow(
        at=now,
        ingested=meter.ingested,
        stored=meter.stored,
        duplicate=meter.duplicate,
        quarantined=meter.quarantined,
        refused=tuple((why, REFUSED_WORDS.get(why, why), count) for why, count in sorted(meter.refused.items())),
        waiting=ingest.waiting,
        p50_ms=meter.latency_ms(0.5),
        p99_ms=meter.latency_ms(0.99),
        trouble=ingest.trouble,
        rate=draw(meter.rates()),
    )


def draw(rates: Sequence[int]) -> Rate:
    """The last second is still filling, so the line ends with the last whole one."""
    whole = list(rates[:-1]) or [0]
    peak = max(whole)
    top = _round_up(peak)
    inner, floor = WIDTH - LEFT, HEIGHT - BOTTOM

    def y(rate: float) -> float:
        return round(floor - (floor - TOP) * rate / top, 1)

    step = inner / max(1, len(whole) - 1)
    line = " ".join(f"{LEFT + place * step:.1f},{y(rate)}" for place, rate in enumerate(whole))
    marks = (0, top // 2, top) if top > 1 else (0, top)
    rows = []
    for start in range(0, len(rates), STEPS_S):
        rows.append((len(rates) - start, sum(rates[start : start + STEPS_S])))
    return Rate(
        line=line,
        area=f"{LEFT},{floor} {line} {WIDTH},{floor}",
        marks=tuple((y(mark), mark) for mark in marks),
        rows=tuple(rows),
        now=whole[-1],
        peak=peak,
    )


def _round_up(peak: int) -> int:
    """The axis ends at 2, 5 or 10 times a power of ten, so that it does not breathe with every reading."""
    size = 1
    while True:
        for factor in (2, 5, 10):
            if peak <= factor * size:
                return factor * size
        size *= 10


def as_json(flow: Flow) -> dict[str, object]:
    return {
        "ingested": flow.ingested,
        "stored": flow.stored,
        "duplicate": flow.duplicate,
        "quarantined": flow.quarantined,
        "refused": {reason: count for reason, _words, count in flow.refused},
        "waiting": flow.waiting,
        "latency_ms": {"p50": flow.p50_ms, "p99": flow.p99_ms},
        "trouble": flow.trouble,
    }

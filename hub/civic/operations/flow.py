"""The flow of readings: rate of the last two minutes, time to disk, and the law by which every frame is accounted for.

ingested = stored + duplicate + quarantined + refused. The meters live in memory, so
the board counts since the programs began; telling.py adds up those of several processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.civic.operations import telling
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
    """All that is taken in, by this process and by the others on the same store."""
    told = telling.every(ingest, now)
    refused = sum((Counter(each.refused) for each in told), Counter[str]())
    return Flow(
        at=now,
        ingested=sum(each.ingested for each in told),
        stored=sum(each.stored for each in told),
        duplicate=sum(each.duplicate for each in told),
        quarantined=sum(each.quarantined for each in told),
        refused=tuple((why, REFUSED_WORDS.get(why, why), count) for why, count in sorted(refused.items())),
        waiting=sum(each.waiting for each in told),
        p50_ms=_slowest(each.p50_ms for each in told),
        p99_ms=_slowest(each.p99_ms for each in told),
        trouble=next((each.trouble for each in told if each.trouble), None),
        rate=draw(_added([_until(each.rates, int(now.timestamp()) - int(each.at.timestamp())) for each in told])),
    )


def _slowest(times: Iterable[float | None]) -> float | None:
    """Quantiles cannot be added; the board shows those of the slowest process."""
    return max((each for each in times if each is not None), default=None)


def _until(rates: Sequence[int], seconds: int) -> list[int]:
    """The same rates looked at some seconds later."""
    return [*rates[max(0, seconds) :], *[0] * max(0, seconds)]


def _added(rates: Sequence[Sequence[int]]) -> list[int]:
    return [sum(second) for second in zip(*rates, strict=True)]


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

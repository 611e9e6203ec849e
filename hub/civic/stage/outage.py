"""The outage: what the page of 拔电 shows of one pull of the plug, pure: figures, steps, and the drawing of the rate.

Who pulls it, on what and how it is counted stands in `hub/main/unplug.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hub.i18n import N_

TOPIC, KEY = "stage.outage", "all"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1360, 270, 64, 24, 14, 28
SPAN_MS, RATE_SHOWN = 14_000, 2_500  # the drawing's least extent: it grows to the right and up when there is more
PHASES = ("idle", "starting", "flowing", "dark", "resending", "comparing", "done", "failed")


@dataclass(frozen=True, slots=True)
class Sample:
    """At `t_ms` of the run: readings acknowledged a second, over the time since the sample before."""

    t_ms: int
    per_s: int


@dataclass(frozen=True, slots=True)
class Total:
    """Of all runs since the demo began."""

    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0


@dataclass(frozen=True, slots=True)
class Outage:
    """One run as it stands. Counts come from the driver's own journal, and `stored` to `sound` from comparing it with
    the database file at the end."""

    phase: str = "idle"
    rate: int = 0
    t_ms: int = 0
    offered: int = 0
    acknowledged: int = 0
    waiting: int = 0
    resent: int = 0
    first_pid: int = 0
    second_pid: int = 0
    cut_ms: int = 0
    acknowledged_at_cut: int = 0
    on_the_way_at_cut: int = 0
    dark_ms: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    sound: bool = False
    trouble: str = ""  # msgid
    samples: tuple[Sample, ...] = ()
    total: Total = Total()

    @property
    def before_cut_per_s(self) -> int:
        """The true rate that was reached before the plug was pulled."""
        until, count = (self.cut_ms, self.acknowledged_at_cut) if self.cut_ms else (self.t_ms, self.acknowledged)
        return round(count * 1000 / until) if until else 0

    @property
    def judged(self) -> bool:
        return self.phase == "done"

    @property
    def clean(self) -> bool:
        return self.judged and self.sound and not (self.lost or self.doubled or self.waiting)


class Unplug(Protocol):
    """What the director hands in."""

    @property
    def now(self) -> Outage: ...

    def press(self) -> None:
        """Start a run, or pull the plug of the one that flows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of what happens, in order. `state`: done | now | todo."""

    name: str
    title: str  # msgid
    state: str


_STEPS: Sequence[tuple[str, str, str]] = (
    ("starting", "start", N_("A second hub starts")),
    ("flowing", "flow", N_("Readings flow in")),
    ("dark", "cut", N_("Unplugged: kill -9, and started again")),
    ("resending", "resend", N_("What had no answer is sent again")),
    ("comparing", "compare", N_("Journal against database file")),
)


def steps(outage: Outage) -> tuple[Step, ...]:
    reached = PHASES.index(outage.phase)

    def state(phase: str) -> str:
        if outage.phase == "failed":
            return "todo"
        at = PHASES.index(phase)
        return "done" if reached > at else ("now" if reached == at else "todo")

    return tuple(Step(name, title, state(phase)) for phase, name, title in _STEPS)


@dataclass(frozen=True, slots=True)
class Plot:
    """Geometry of the rate over the run's time."""

    line: str
    area: str
    marks: tuple[tuple[float, int], ...]  # y, readings a second
    seconds: tuple[tuple[float, int], ...]  # x, second
    dark: tuple[float, float] | None  # x and width of the time without a hub
    width: int = WIDTH
    right: int = WIDTH - RIGHT
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    floor: int = HEIGHT - BOTTOM


def plot(outage: Outage) -> Plot:
    span = max([SPAN_MS, *(sample.t_ms for sample in outage.samples)])
    peak = max([RATE_SHOWN, *(sample.per_s for sample in outage.samples)])
    floor = HEIGHT - BOTTOM

    def x(t_ms: int) -> float:
        return round(LEFT + (WIDTH - RIGHT - LEFT) * t_ms / span, 1)

    def y(per_s: int) -> float:
        return round(floor - (floor - TOP) * per_s / peak, 1)

    points = [(x(each.t_ms), y(each.per_s)) for each in outage.samples]
    line = " ".join(f"{left},{top}" for left, top in points)
    area = f"{points[0][0]},{floor} {line} {points[-1][0]},{floor}" if points else ""
    step = next(each for each in (500, 1_000, 2_000, 5_000, 10_000, 50_000) if peak / each <= 5 or each == 50_000)
    every_s = 1 if span <= 16_000 else 5
    dark = None
    if outage.cut_ms:
        until = outage.cut_ms + outage.dark_ms if outage.dark_ms else max(outage.t_ms, outage.cut_ms)
        dark = (x(outage.cut_ms), round(x(until) - x(outage.cut_ms), 1))
    return Plot(
        line=line,
        area=area,
        marks=tuple((y(mark), mark) for mark in range(0, peak + 1, step)),
        seconds=tuple((x(second * 1000), second) for second in range(0, span // 1000 + 1, every_s)),
        dark=dark,
    )


def context(outage: Outage) -> Mapping[str, Any]:
    """Of `outage.html`."""
    return {"run": outage, "steps": steps(outage), "plot": plot(outage)}

"""Two weeks of blood pressure as a drawing: pure geometry for the SVG, and the same numbers as a table behind it.

The upper line is solid with dots, the lower dashed with squares, so the drawing reads in black and white; days without
a reading are a gap, not a line; an urgent value stands on a triangle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hub import directory, readings
from hub.civic.health import bands
from hub.civic.health.rules import in_force
from hub.db import Read

DAYS = 14
GAP = timedelta(days=3)  # further apart, two points are not one line
WIDTH, HEIGHT = 360, 210  # about a phone's own pixels, so that text keeps its size there
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 30
_POINTS_MAX = 200


@dataclass(frozen=True, slots=True)
class Sample:
    at: datetime
    sys: int
    dia: int
    urgent: bool


@dataclass(frozen=True, slots=True)
class Mark:
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """Where the drawing stands in its picture."""

    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


@dataclass(frozen=True, slots=True)
class Trend:
    samples: tuple[Sample, ...]
    sys_lines: tuple[str, ...]  # SVG point lists, one per stretch without a gap
    dia_lines: tuple[str, ...]
    sys_dots: tuple[tuple[float, float], ...]
    dia_dots: tuple[tuple[float, float], ...]
    urgent: tuple[tuple[float, float], ...]
    band: tuple[float, float]  # y and height of the shaded reference range of the upper pressure
    dia_limit: float
    reference: tuple[int, int, int]  # from, below, and the lower pressure's limit
    marks: tuple[Mark, ...]  # pressure axis
    days: tuple[Mark, ...]  # time axis
    box: Box = Box()


def of_person(read: Read, person: str) -> Trend | None:
    """The drawing of a person's last two weeks; None when there is nothing to draw."""
    owner = directory.resident(read, person)
    tz = ZoneInfo(directory.area(read, owner.area).tz)
    since = read.now() - timedelta(days=DAYS)
    samples = []
    for row in reversed(readings.of_person(read, person, "bp", since=since, limit=_POINTS_MAX)):
        numbers = {value.code: value.value for value in readings.values(read, row)}
        upper, lower = numbers.get("sys"), numbers.get("dia")
        if row.quality != "bad" and upper is not None and lower is not None:
            urgent = any(band.level == "urgent" for band in bands.of(read, row) if band.measure == "bp")
            samples.append(Sample(readings.from_ms(row.t_effective_ms), round(upper), round(lower), urgent))
    return draw(samples, read.now(), tz) if samples else None


def draw(samples: Sequence[Sample], now: datetime, tz: ZoneInfo) -> Trend:
    limits = in_force("bp").reference
    (low, high), (_dia_low, dia_high) = limits["sys"], limits["dia"]
    bottom = min(40, *(sample.dia for sample in samples)) // 20 * 20
    top = max(160, *(sample.sys + 10 for sample in samples))
    top = -(-top // 20) * 20
    start = now - timedelta(days=DAYS)

    def x(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((at - start) / timedelta(days=DAYS)), 1)

    def y(number: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (top - number) / (top - bottom), 1)

    stretches = _stretches(samples)
    step = 40 if top - bottom > 160 else 20
    return Trend(
        samples=tuple(samples),
        sys_lines=tuple(" ".join(f"{x(each.at)},{y(each.sys)}" for each in part) for part in stretches),
        dia_lines=tuple(" ".join(f"{x(each.at)},{y(each.dia)}" for each in part) for part in stretches),
        sys_dots=tuple((x(each.at), y(each.sys)) for each in samples),
        dia_dots=tuple((x(each.at), y(each.dia)) for each in samples),
        urgent=tuple((x(each.at), y(each.sys)) for each in samples if each.urgent),
        band=(y(float(high)), round(y(float(low)) - y(float(high)), 1)),
        dia_limit=y(float(dia_high)),
        reference=(int(low), int(high), int(dia_high)),
        marks=tuple(Mark(LEFT - 8, y(number), str(number)) for number in range(bottom, top + 1, step)),
        days=_days(start, now, tz, x),
    )


def _stretches(samples: Sequence[Sample]) -> list[list[Sample]]:
    parts: list[list[Sample]] = []
    for sample in samples:
        if parts and sample.at - parts[-1][-1].at <= GAP:
            parts[-1].append(sample)
        else:
            parts.append([sample])
    return parts


def _days(start: datetime, now: datetime, tz: ZoneInfo, x: Callable[[datetime], float]) -> tuple[Mark, ...]:
    """Every fourth local midnight, as month/day."""
    midnight = now.astimezone(tz).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for back in range(0, DAYS, 4):
        day = midnight - timedelta(days=back)
        if day.astimezone(UTC) > start:
            found.append(Mark(x(day), HEIGHT - 6, f"{day.month}/{day.day}"))
    return tuple(found)

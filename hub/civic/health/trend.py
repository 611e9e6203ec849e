"""Weeks of readings as drawings, one for each kind: pure geometry for the SVG, the same numbers as a table behind it.

The first line is solid with dots, the second dashed with squares, so the drawing reads in black and white; days without
a reading are a gap, not a line; an urgent value stands on a triangle. The shaded range is that of the owner's own age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hub import directory, readings
from hub.civic.health import bands
from hub.civic.health.figures import CODE_NAMES, KIND_NAMES, UNIT_NAMES
from hub.civic.health.rules import Ruleset, fitting, rulesets, unfit
from hub.db import Read
from hub.derived import numbers_of
from hub.fhir import WITHDRAWN
from hub.i18n import _, pick

DAYS = 14
PERIODS = (14, 90, 365)
GAP = timedelta(days=3)  # further apart, two points are not one line; of a long period, than a part of it
GAP_PARTS = 6
WIDTH, HEIGHT = 360, 210  # about a phone's own pixels, so that text keeps its size there
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 30
POINTS_MAX = 200
DAY_MARKS = 4
WHOLE = ("pulse", "spo2")  # come in whole numbers: what is "below 101" reads "to 100"
# kind -> the numbers drawn (two at most), the measure whose range is shaded, and the least the axis spans.
DRAWN: Mapping[str, tuple[tuple[str, ...], str, tuple[int, int]]] = {
    "bp": (("sys", "dia"), "bp", (40, 160)),
    "glucose": (("glucose",), "glucose", (2, 12)),
    "spo2": (("spo2",), "spo2", (86, 100)),
    "temp": (("temp",), "temp", (35, 39)),
    "weight": (("weight",), "", (40, 80)),
    "hr": (("hr",), "", (40, 120)),
}
_STEPS = (1, 2, 5, 10, 20, 40, 100)
_MARKS_MAX = 6


@dataclass(frozen=True, slots=True)
class Sample:
    at: datetime
    numbers: tuple[Decimal, ...]  # in the order of the lines
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
class Line:
    name: str
    stretches: tuple[str, ...]  # SVG point lists, one per stretch without a gap
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The shaded reference range of the first line, and the upper limit of the second."""

    y: float
    height: float
    low: str
    high: str
    second: float | None
    second_high: str
    title: str  # which table, where there are several


@dataclass(frozen=True, slots=True)
class Trend:
    kind: str
    name: str
    unit: str
    days: int
    samples: tuple[Sample, ...]
    lines: tuple[Line, ...]
    urgent: tuple[tuple[float, float], ...]
    range: Range | None
    marks: tuple[Mark, ...]  # value axis
    dates: tuple[Mark, ...]  # time axis
    box: Box = Box()

    @property
    def last(self) -> str:
        return "/".join(format(number, "f") for number in self.samples[-1].numbers)


def of_person(read: Read, person: str, days: int = DAYS) -> list[Trend]:
    """A drawing for each kind that this person has measured in the period."""
    return [found for kind in DRAWN if (found := of_kind(read, person, kind, days)) is not None]


def of_kind(read: Read, person: str, kind: str, days: int = DAYS) -> Trend | None:
    owner = directory.resident(read, person)
    tz = ZoneInfo(directory.area(read, owner.area).tz)
    now = read.now()
    codes = DRAWN[kind][0]
    samples, by = [], Counter[str]()
    for row in reversed(readings.of_person(read, person, kind, since=now - timedelta(days=days), limit=POINTS_MAX)):
        numbers = numbers_of(readings.values(read, row))
        if row.quality != "bad" and all(code in numbers for code in codes):
            judged = [band for band in bands.of(read, row) if band.measure == kind]
            if any(band.why_none in WITHDRAWN for band in judged):
                continue
            urgent = any(band.level == "urgent" for band in judged)
            by.update(band.ruleset for band in judged)
            at = readings.from_ms(row.t_effective_ms)
            samples.append(Sample(at, tuple(numbers[code] for code in codes), urgent))
    if not samples:
        return None
    years = directory.age(owner.born, now.date())
    return draw(kind, samples, now, tz, days=days, shaded=_shaded(kind, years, by))


def draw(
    kind: str,
    samples: Sequence[Sample],
    now: datetime,
    tz: ZoneInfo,
    *,
    days: int = DAYS,
    shaded: Ruleset | None = None,
) -> Trend:
    codes, _measure, (least, most) = DRAWN[kind]
    every = [float(number) for sample in samples for number in sample.numbers]
    step = _step(min(least, *every), max(most, *every))
    bottom = int(min(least, *every) // step * step)
    top = int(-(-max(most, *every) // step) * step)
    start = now - timedelta(days=days)

    def x(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((at - start) / timedelta(days=days)), 1)

    def y(number: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (top - number) / (top - bottom), 1)

    return Trend(
        kind=kind,
        name=_(KIND_NAMES[kind]),
        unit=_unit(kind),
        days=days,
        samples=tuple(samples),
        lines=tuple(_line(place, code, samples, timedelta(days=days), x, y) for place, code in enumerate(codes)),
        urgent=tuple((x(each.at), y(float(each.numbers[0]))) for each in samples if each.urgent),
        range=_range(kind, shaded, bottom, top, y) if shaded is not None else None,
        marks=tuple(Mark(LEFT - 8, y(number), str(number)) for number in range(bottom, top + 1, step)),
        dates=_dates(start, now, tz, x, days),
    )


def _unit(kind: str) -> str:
    units = {"bp": "mm[Hg]", "glucose": "mmol/L", "spo2": "%", "temp": "Cel", "weight": "kg", "hr": "/min"}
    known = UNIT_NAMES.get(units[kind], units[kind])
    return _(known)


def _step(low: float, high: float) -> int:
    return next((step for step in _STEPS if (high - low) / step <= _MARKS_MAX), _STEPS[-1])


def _line(
    place: int,
    code: str,
    samples: Sequence[Sample],
    period: timedelta,
    x: Callable[[datetime], float],
    y: Callable[[float], float],
) -> Line:
    points = [(each.at, x(each.at), y(float(each.numbers[place]))) for each in samples]
    parts: list[list[tuple[datetime, float, float]]] = []
    for point in points:
        if parts and point[0] - parts[-1][-1][0] <= max(GAP, period / GAP_PARTS):
            parts[-1].append(point)
        else:
            parts.append([point])
    stretches = tuple(" ".join(f"{left},{height}" for _at, left, height in part) for part in parts)
    return Line(_(CODE_NAMES[code]), stretches, tuple((left, height) for _at, left, height in points))


def _shaded(kind: str, age: int, by: Mapping[str, int]) -> Ruleset | None:
    """The set whose range is drawn: the owner's age's; of glucose the one that judged every reading, or none at all,
    for a range of the fasting would lie about what was measured after a meal."""
    measure = DRAWN[kind][1]
    if not measure:
        return None
    if kind == "glucose":
        only = next(iter(by)) if len(by) == 1 else ""
        known = rulesets().get(only)
        return known if known is not None and known.meals else None
    ruleset = fitting(measure, age)
    return None if unfit(ruleset, age, None, None) == "age" else ruleset


def _range(kind: str, ruleset: Ruleset, bottom: int, top: int, y: Callable[[float], float]) -> Range:
    codes = DRAWN[kind][0]
    low, high = ruleset.reference[codes[0]]
    second = ruleset.reference[codes[1]][1] if len(codes) > 1 else None
    upper, lower = min(float(high), top), max(float(low), bottom)
    return Range(
        y(upper),
        round(y(lower) - y(upper), 1),
        format(low, "f"),
        format(high - 1 if codes[0] in WHOLE else high, "f"),
        y(float(second)) if second is not None else None,
        format(second, "f") if second is not None else "",
        pick(ruleset.title_zh, ruleset.title_en) if ruleset.meals else "",
    )


def _dates(start: datetime, now: datetime, tz: ZoneInfo, x: Callable[[datetime], float], days: int) -> tuple[Mark, ...]:
    """A few local midnights, as month/day."""
    midnight = now.astimezone(tz).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for back in range(0, days, max(4, days // DAY_MARKS)):
        day = midnight - timedelta(days=back)
        if day.astimezone(UTC) > start:
            found.append(Mark(x(day), HEIGHT - 6, f"{day.month}/{day.day}"))
    return tuple(found)

"""A device's history as a drawing: readings by quality, silence, state, battery, signal, and the alarms on it.

How many there were and how good is all an operator may know of them; no value of a person is read here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlmodel import col

from hub.civic.operations import alarms
from hub.civic.operations.models import Alarm, Look
from hub.civic.operations.rulebook import number
from hub.db import Read
from hub.i18n import pick
from hub.readings import Reading, from_ms, to_ms

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
BUCKETS = {"24h": timedelta(minutes=30), "7d": timedelta(hours=4), "30d": timedelta(hours=12)}
QUALITIES = ("ok", "suspect", "bad")
WIDTH, LEFT, RIGHT, TOP, BARS, STRIP, ALARM, LINE, FOOT = 1200, 60, 20, 8, 120, 16, 16, 50, 22
ALARMS_MAX = 30
ZONE = ZoneInfo("Asia/Shanghai")
CURVES = ("battery", "rssi")


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    parts: tuple[tuple[str, float, float], ...]  # quality, y, height
    at: datetime
    counts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: a state, or an alarm."""

    x: float
    width: float
    y: float
    word: str
    began: datetime
    ended: datetime | None
    level: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    points: str
    least: str
    most: str
    y: float
    rows: tuple[tuple[datetime, str], ...]


@dataclass(frozen=True, slots=True)
class History:
    window: str
    bars: tuple[Bar, ...]
    peak: int
    states: tuple[Span, ...]
    alarms: tuple[Span, ...]
    curves: tuple[Curve, ...]
    ticks: tuple[tuple[float, str], ...]
    silent_longest: timedelta | None
    total: int
    newest: Reading | None
    at: datetime
    height: float
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = TOP + BARS
    strip_y: int = TOP + BARS + 6
    strip: int = STRIP
    alarm: int = ALARM


@dataclass(frozen=True, slots=True)
class _Scale:
    since: datetime
    now: datetime

    def x(self, at: datetime) -> float:
        share = (min(max(at, self.since), self.now) - self.since) / (self.now - self.since)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)


def draw(read: Read, device: str, gateway: str, window: str) -> History:
    now = read.now()
    since, bucket = now - WINDOWS[window], BUCKETS[window]
    scale = _Scale(since, now)
    counts = _counts(read, device, since, bucket)
    bars, peak = _bars(counts, since, bucket, scale)
    said = _said(read, device, since)
    rows_y = TOP + BARS + 6 + STRIP + 6
    raised = _alarms(read, device, gateway, since, scale, rows_y)
    lanes = (ALARM + 4) * len({span.y for span in raised})
    curves = _curves(said, scale, rows_y + lanes)
    newest = read.session.execute(
        select(Reading).where(col(Reading.device) == device).order_by(col(Reading.t_received_ms).desc()).limit(1)
    ).scalar_one_or_none()
    return History(
        window=window,
        bars=bars,
        peak=peak,
        states=_states(said, scale, TOP + BARS + 6),
        alarms=raised,
        curves=curves,
        ticks=tuple((scale.x(at), _clock(at, window)) for at in _ticks(since, now, window)),
        silent_longest=_silence(read, device, since, now),
        total=sum(counts.values()),
        newest=newest,
        at=now,
        height=rows_y + lanes + (LINE + 10) * len(curves) + FOOT,
    )


def _counts(read: Read, device: str, since: datetime, bucket: timedelta) -> Counter[tuple[int, str]]:
    span, start = int(bucket.total_seconds() * 1000), to_ms(since)
    after = col(Reading.t_received_ms) - start
    rule = (
        select(((after - after % span) / span).label("bucket"), col(Reading.quality), func.count())
        .where(col(Reading.device) == device, col(Reading.t_received_ms) >= start)
        .group_by("bucket", col(Reading.quality))  # by its name: PostgreSQL takes the same words twice for two things
    )
    found: Counter[tuple[int, str]] = Counter()
    for at, quality, count in read.session.execute(rule):
        found[int(at), quality] += count
    return found


def _bars(
    counts: Mapping[tuple[int, str], int], since: datetime, bucket: timedelta, scale: _Scale
) -> tuple[tuple[Bar, ...], int]:
    places = sorted({place for place, _quality in counts})
    peak = max((sum(counts.get((place, quality), 0) for quality in QUALITIES) for place in places), default=0)
    bars = []
    for place in places:
        at, y, parts = since + bucket * place, float(TOP + BARS), []
        for quality in QUALITIES:
            height = round(BARS * counts.get((place, quality), 0) / peak, 1)
            if height:
                y = round(y - height, 1)
                parts.append((quality, y, height))
        x, end = scale.x(at), scale.x(at + bucket)
        tally = [counts.get((place, quality), 0) for quality in QUALITIES]
        bars.append(Bar(x + 1, round(max(2, end - x - 2), 1), tuple(parts), at, (tally[0], tally[1], tally[2])))
    return tuple(bars), peak


def _said(read: Read, device: str, since: datetime) -> list[tuple[datetime, dict[str, object]]]:
    """What the stream says of the device: the newest full entry before the window, then every change."""
    subject = f"device:{device}"
    full = select(func.max(col(Look.seq))).where(col(Look.kind) == "full", col(Look.at) <= since)
    first = read.session.execute(full).scalar() or 0
    rule = (
        select(col(Look.at), col(Look.body))
        .where(col(Look.seq) >= first, col(Look.kind) != "ack", col(Look.body).contains(f'"{subject}":'))
        .order_by(col(Look.seq))
    )
    return [(at, json.loads(body)[subject]) for at, body in read.session.execute(rule)]


def _states(said: Sequence[tuple[datetime, dict[str, object]]], scale: _Scale, y: float) -> tuple[Span, ...]:
    marks = [(at, str(body["state"])) for at, body in said if body.get("state")]
    spans = []
    for place, (at, state) in enumerate(marks):
        if place and marks[place - 1][1] == state:
            continue
        end = next((later for later, other in marks[place + 1 :] if other != state), None)
        if (end or scale.now) <= scale.since:
            continue
        x = scale.x(at)
        spans.append(Span(x, round(max(1, scale.x(end or scale.now) - x), 1), y, state, at, end))
    return tuple(spans)


def _alarms(read: Read, device: str, gateway: str, since: datetime, scale: _Scale, y: float) -> tuple[Span, ...]:
    """The alarms about the device and about its line, each on a row of its own under the plot."""
    subjects = (f"device:{device}", f"gateway:{gateway}")
    rule = (
        select(Alarm)
        .where(col(Alarm.subject).in_(subjects), or_(col(Alarm.cleared).is_(None), col(Alarm.cleared) >= since))
        .order_by(col(Alarm.raised).desc())
        .limit(ALARMS_MAX)
    )
    titles = alarms.titles(read)
    rows: dict[str, float] = {}
    spans = []
    for each in read.session.execute(rule).scalars():
        row = rows.setdefault(each.rule, y + (ALARM + 4) * len(rows))
        x = scale.x(each.raised)
        width = round(max(3, scale.x(each.cleared or scale.now) - x), 1)
        word = pick(*titles.get(each.rule, (each.rule, each.rule)))
        spans.append(Span(x, width, row, word, each.raised, each.cleared, each.level))
    return tuple(spans)


def _curves(said: Sequence[tuple[datetime, dict[str, object]]], scale: _Scale, y: float) -> tuple[Curve, ...]:
    found: list[Curve] = []
    for name in CURVES:
        rows = [(at, value) for at, body in said if (value := number(body.get(name))) is not None]
        if not rows:
            continue
        least, most = min(value for _at, value in rows), max(value for _at, value in rows)
        top = y + (LINE + 10) * len(found)
        span = (most - least) or Decimal(1)
        places = [(scale.x(at), round(top + LINE - float((value - least) / span) * LINE, 1)) for at, value in rows]
        steps = []
        for number_, (x, height) in enumerate(places):
            if number_:
                steps.append(f"{x},{places[number_ - 1][1]}")  # it holds until it changes
            steps.append(f"{x},{height}")
        steps.append(f"{scale.x(scale.now)},{places[-1][1]}")
        told = tuple((at, str(value)) for at, value in rows)
        found.append(Curve(name, " ".join(steps), str(least), str(most), top, told))
    return tuple(found)


def _silence(read: Read, device: str, since: datetime, now: datetime) -> timedelta | None:
    """The longest time without a reading in the window."""
    rule = (
        select(col(Reading.t_received_ms))
        .where(col(Reading.device) == device, col(Reading.t_received_ms) >= to_ms(since))
        .order_by(col(Reading.t_received_ms))
    )
    moments = [from_ms(each) for each in read.session.execute(rule).scalars()]
    if not moments:
        return None
    return max(after - before for before, after in zip([since, *moments], [*moments, now], strict=True))


def _ticks(since: datetime, now: datetime, window: str) -> list[datetime]:
    step = timedelta(hours=4) if window == "24h" else timedelta(days=1 if window == "7d" else 5)
    midnight = since.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + step * (-(-(since - midnight) // step))
    return [first + step * count for count in range(int((now - first) / step) + 1)]


def _clock(at: datetime, window: str) -> str:
    here = at.astimezone(ZONE)
    return here.strftime("%H:%M") if window == "24h" else f"{here.month}-{here.day:02d}"

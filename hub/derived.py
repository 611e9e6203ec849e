"""What the hub works out from other readings: the body mass index, and the mean pressure of a visit.

A derived number is never stored: it names the readings it was made of, so anybody can make it again. What a device
says itself is kept beside it, and where the two do not fit the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import select
from sqlmodel import col

from hub import readings, recall
from hub.db import Read
from hub.events import ReadValue
from hub.readings import Reading

HEIGHT_HOLDS = timedelta(days=365)  # a grown-up's height; people under 18 are not graded by it
WEIGHT_HOLDS = timedelta(days=1)  # a height measured today goes with today's weight
VISIT_HOLDS = timedelta(minutes=30)  # the readings of one sitting
MEAN_OF = 3
MISMATCH = Decimal("0.5")  # rounding of weight and height explains less than this
_TENTH, _ONE = Decimal("0.1"), Decimal(1)
_NEEDS: Mapping[str, str] = {"weight": "height", "body": "height", "height": "weight"}


@dataclass(frozen=True, slots=True)
class Derived:
    """A number the hub worked out, the readings it leans on, and what the device itself said of it."""

    value: ReadValue
    readings: tuple[str, ...]
    said: Decimal | None = None

    @property
    def mismatch(self) -> bool:
        return self.said is not None and self.value.value is not None and abs(self.said - self.value.value) > MISMATCH


def body_mass_index(weight_kg: Decimal, height_cm: Decimal) -> Decimal:
    """Pure; a tenth, halves up, as people do it by hand."""
    return (weight_kg / (height_cm / 100) ** 2).quantize(_TENTH, ROUND_HALF_UP)


def mean(numbers: Sequence[Decimal]) -> Decimal:
    return (sum(numbers, Decimal(0)) / len(numbers)).quantize(_ONE, ROUND_HALF_UP)


def numbers_of(values: Sequence[ReadValue]) -> dict[str, Decimal]:
    return {value.code: value.value for value in values if value.value is not None}


def bmi(read: Read, row: Reading, values: Sequence[ReadValue]) -> Derived | None:
    """From this reading's weight and height; what it lacks comes from its owner's or its visit's newest."""
    if row.kind not in _NEEDS or row.quality != "ok":
        return None
    numbers, used = numbers_of(values), [row.id]
    for code in ("weight", "height"):
        if code not in numbers:
            partner = _partner(read, row, code)
            if partner is None:
                return None
            used.append(partner[0].id)
            numbers[code] = partner[1]
    if numbers["height"] <= 0:
        return None
    made = body_mass_index(numbers["weight"], numbers["height"])
    return Derived(ReadValue("bmi", made, "kg/m2"), tuple(used), numbers_of(values).get("bmi"))


def _partner(read: Read, row: Reading, code: str) -> tuple[Reading, Decimal] | None:
    """The newest good reading of the same person, or of the same guest's visit, that has the missing number."""
    holds = HEIGHT_HOLDS if code == "height" else WEIGHT_HOLDS
    rule = select(Reading).where(
        col(Reading.quality) == "ok",
        col(Reading.kind).in_(("weight", "height", "body")),
        # Only what was there before: of a weight and a height of one visit the later one makes the index, once.
        (col(Reading.t_effective_ms) < row.t_effective_ms)
        | ((col(Reading.t_effective_ms) == row.t_effective_ms) & (col(Reading.id) < row.id)),
        col(Reading.t_effective_ms) >= row.t_effective_ms - to_ms_of(holds),
    )
    if row.person is not None:
        rule = rule.where(col(Reading.person) == row.person)
    elif row.session is not None:
        rule = rule.where(col(Reading.session) == row.session)
    else:
        return None
    newest = list(read.session.execute(rule.order_by(col(Reading.t_effective_ms).desc()).limit(8)).scalars())
    withdrawn = recall.flags(read, [each.id for each in newest]) if newest else {}
    for each in newest:
        if each.id in withdrawn:
            continue  # what was recalled since makes nothing any more
        number = numbers_of(readings.values(read, each)).get(code)
        if number is not None:
            return each, number
    return None


def pressures(read: Read, row: Reading) -> list[tuple[Reading, dict[str, Decimal]]]:
    """The good pressures of a reading's visit up to it, oldest first."""
    if row.kind != "bp" or row.session is None:
        return []
    rule = (
        select(Reading)
        .where(
            col(Reading.session) == row.session,
            col(Reading.hut) == row.hut,
            col(Reading.kind) == "bp",
            col(Reading.quality) == "ok",
            col(Reading.t_effective_ms) <= row.t_effective_ms,
            col(Reading.t_effective_ms) >= row.t_effective_ms - to_ms_of(VISIT_HOLDS),
            col(Reading.t_received_ms) >= row.t_received_ms - 2 * to_ms_of(VISIT_HOLDS),
        )
        .order_by(col(Reading.t_effective_ms), col(Reading.id))
    )
    rows = list(read.session.execute(rule).scalars())
    withdrawn = recall.flags(read, [each.id for each in rows]) if len(rows) > 1 else {}
    found = [(each, numbers_of(readings.values(read, each))) for each in rows if each.id not in withdrawn]
    return [(each, numbers) for each, numbers in found if {"sys", "dia"} <= numbers.keys()]


def mean_pressure(visit: Sequence[tuple[Reading, Mapping[str, Decimal]]]) -> tuple[Derived, ...]:
    """The mean of the last two or three pressures of a visit; nothing of a single one."""
    last = visit[-MEAN_OF:]
    if len(last) < 2:
        return ()
    used = tuple(row.id for row, _numbers in last)
    return tuple(
        Derived(ReadValue(code, mean([numbers[code] for _row, numbers in last]), "mm[Hg]"), used)
        for code in ("sys", "dia")
    )


def to_ms_of(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)

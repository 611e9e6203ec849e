"""Who comes to a hut and when: a day's visits drawn once per hut and day, busiest in the morning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from simulators.baseline import LOCAL
from simulators.chance import draw, unit
from simulators.plan import HutPlan, PersonPlan

# Share of a day's visits in each hour (domain.md 7, rule 2: 07-11 and 15-17; 45 % in the two hours from seven).
HOURS = ((7, 24), (8, 21), (9, 15), (10, 12), (15, 15), (16, 13))
VISITS_A_DAY = {"420802199201": 6}  # the village; a community's hut has 30 (domain.md 6)
VISITS_A_DAY_URBAN = 30


@dataclass(frozen=True, slots=True)
class Visit:
    at: datetime
    person: PersonPlan


def visits(seed: str, hut: HutPlan, day: date, people: Sequence[PersonPlan]) -> list[Visit]:
    """One day of one hut, in order. Two of three visitors are over 60."""
    of_age, sixty = _born_by(18, day), _born_by(60, day)
    old = [person for person in people if person.born <= sixty]
    grown = [person for person in people if sixty < person.born <= of_age]
    if not old or not grown:
        return []
    found = []
    for i in range(VISITS_A_DAY.get(hut.area, VISITS_A_DAY_URBAN)):
        name = f"{day:%Y%m%d}.{i}"
        who = draw(seed, hut.gateway, "visit", name, "who")
        crowd = old if who % 3 < 2 else grown
        second = _second(unit(seed, hut.gateway, "visit", name, "when"))
        at = datetime.combine(day, time(), LOCAL) + timedelta(seconds=second)
        found.append(Visit(at, crowd[(who >> 8) % len(crowd)]))
    return sorted(found, key=lambda visit: visit.at)


def _born_by(years: int, day: date) -> date:
    """Who was born no later has so many years. A date is compared 4 million times while a demo is built."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February of a year that had none
        return date(day.year - years, 2, 28)


def gaps(seed: str, hut: HutPlan, start: datetime, people: Sequence[PersonPlan]) -> Iterator[tuple[float, Visit]]:
    """Visits for ever from `start` on, each with the seconds of opening time since the one before: nights and the
    hours at noon in which a hut is closed are left out, so that a demo at midnight is alive too."""
    before = 0.0
    day = start.astimezone(LOCAL).date()
    while people:
        for visit in visits(seed, hut, day, people):
            passed = open_seconds(visit.at.astimezone(LOCAL).time())
            yield max(0.0, passed - before), visit
            before = passed
        before -= 3600 * len(HOURS)
        day += timedelta(days=1)


def open_seconds(at: time) -> float:
    """How long a hut has been open at this time of the day."""
    return float(sum(min(max((at.hour - hour) * 3600 + at.minute * 60 + at.second, 0), 3600) for hour, _share in HOURS))


def _second(u: float) -> float:
    """The second of the day at which a share `u` of its visits have come."""
    left = u * sum(share for _, share in HOURS)
    for hour, share in HOURS:
        if left < share:
            return (hour + left / share) * 3600
        left -= share
    return (HOURS[-1][0] + 1) * 3600 - 1

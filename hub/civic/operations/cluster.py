"""Storm folding: many huts of one street that fall silent within a minute are one incident, not forty.

A street's switch, a district's power: the huts are told together, with the list of who is in it. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from hub.civic.operations.board import Place

WITHIN = timedelta(seconds=60)  # wills of one switch's huts arrive within their keep-alives' spread
PLACES_LEAST = 4  # of one street; three neighbours may be chance
STREETS_LEAST = 3  # of one district at the same time: then it is the district's line, not three switches

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Incident:
    """Places below one area that were lost together."""

    path: str  # of the area that holds them all
    since: datetime  # the first of them
    members: tuple[Place, ...]

    @property
    def code(self) -> str:
        return self.path.rpartition("/")[2]


def fold(places: Iterable[Place]) -> tuple[tuple[Incident, ...], tuple[Place, ...]]:
    """What was lost together, and what was lost alone. Every cut place is in exactly one of the two."""
    lost = [(since, place) for place in places if place.cut and (since := place.lost) is not None]
    by_street: dict[str, list[tuple[datetime, Place]]] = defaultdict(list)
    for since, place in lost:
        by_street[place.path.rpartition("/")[0]].append((since, place))
    streets = [
        Incident(path, window[0][0], tuple(place for _since, place in window))
        for path, members in by_street.items()
        for window in _windows(sorted(members, key=lambda each: (each[0], each[1].id)))
        if path and len(window) >= PLACES_LEAST
    ]
    found = _widened(streets)
    inside = {place.id for incident in found for place in incident.members}
    alone = tuple(place for place in places if place.cut and place.id not in inside)
    return tuple(sorted(found, key=lambda each: (each.since, each.path))), alone


def _widened(streets: Sequence[Incident]) -> list[Incident]:
    """Streets of one district lost in the same minute are the district's one incident."""
    by_parent: dict[str, list[Incident]] = defaultdict(list)
    for street in streets:
        by_parent[street.path.rpartition("/")[0]].append(street)
    found: list[Incident] = []
    for path, members in by_parent.items():
        ordered = sorted(((each.since, each) for each in members), key=lambda each: (each[0], each[1].path))
        for window in _windows(ordered):
            if path and len(window) >= STREETS_LEAST:
                every = tuple(place for _since, each in window for place in each.members)
                found.append(Incident(path, window[0][0], every))
            else:
                found += [each for _since, each in window]
    return found


def _windows(ordered: Sequence[tuple[datetime, T]]) -> list[list[tuple[datetime, T]]]:
    """Runs in which each lies within a minute of the run's first."""
    found: list[list[tuple[datetime, T]]] = []
    for each in ordered:
        if found and each[0] - found[-1][0][0] <= WITHIN:
            found[-1].append(each)
        else:
            found.append([each])
    return found

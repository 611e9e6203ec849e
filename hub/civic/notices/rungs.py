"""The rungs of the ladder (升级触达): which ways a notice of each priority takes, and when. Data (ladder.toml), checked
once when it is read, so that a slip of the pen is found at the start and not in an emergency.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

SCREENS, LOUDSPEAKER, VISIT = "screens", "loudspeaker", "visit"
UNSEEN, UNADDRESSED = "unseen", "unaddressed"
AFTER_S_MAX = 7 * 24 * 3600  # whoever has not been reached after a week is not reached by a ladder
_WAY = re.compile(r"[a-z][a-z0-9_-]{0,15}")


@dataclass(frozen=True, slots=True)
class Rung:
    after_s: int
    ways: tuple[str, ...]
    below_percent: int | None = None  # the loudspeaker speaks where fewer doors are reached; None: everywhere
    doors: str = UNSEEN
    at_risk: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The ways that carry a message to an address."""
        return tuple(way for way in self.ways if way not in (SCREENS, LOUDSPEAKER, VISIT))


@dataclass(frozen=True, slots=True)
class Ladders:
    edition: str
    source: str
    rungs: Mapping[str, tuple[Rung, ...]]  # by priority, or by a kind that has a ladder of its own

    @property
    def channels(self) -> frozenset[str]:
        """Every channel that any ladder names."""
        return frozenset(channel for rungs in self.rungs.values() for rung in rungs for channel in rung.channels)

    def of(self, kind: str, priority: str) -> tuple[Rung, ...]:
        return self.rungs.get(kind) or self.rungs[priority]


@cache
def standing() -> Ladders:
    return read(Path(__file__).with_name("ladder.toml").read_text(encoding="utf-8"))


def read(text: str) -> Ladders:
    """From TOML; ValueError says what is wrong where."""
    given = tomllib.loads(text)
    edition, source = str(given.pop("edition", "")), str(given.pop("source", ""))
    if not 0 < len(edition) <= 16 or not source:
        raise ValueError("a ladder file names its edition and its source")
    return Ladders(edition, source, {name: _checked(name, rungs) for name, rungs in given.items()})


def dumped(rungs: Sequence[Rung]) -> str:
    return json.dumps([asdict(rung) for rung in rungs], sort_keys=True, separators=(",", ":"))


def loaded(text: str) -> tuple[Rung, ...]:
    """As it was kept with a notice; it was checked then."""
    return tuple(Rung(**{**each, "ways": tuple(each["ways"])}) for each in json.loads(text))


def _checked(name: str, given: Any) -> tuple[Rung, ...]:
    rungs = tuple(_rung(f"{name}, rung {number}", each) for number, each in enumerate(given, start=1))
    times = [rung.after_s for rung in rungs]
    if not times or times[0] != 0 or times != sorted(times):
        raise ValueError(f"{name}: the first rung is at 0 s and none comes before the one above it")
    channels = [channel for rung in rungs for channel in rung.channels]
    if len(set(channels)) != len(channels):
        raise ValueError(f"{name}: a channel stands on two rungs; nobody gets the same message twice")
    return rungs


def _rung(where: str, given: Mapping[str, Any]) -> Rung:
    unknown = set(given) - {"after_s", "ways", "below_percent", "doors", "at_risk"}
    ways = tuple(given.get("ways", ()))
    fits = (
        not unknown
        and isinstance(given.get("after_s"), int) and 0 <= given["after_s"] <= AFTER_S_MAX
        and ways and all(isinstance(way, str) and _WAY.fullmatch(way) for way in ways) and len(set(ways)) == len(ways)
        and isinstance(given.get("at_risk", False), bool)
    )  # fmt: skip
    if not fits:
        raise ValueError(f"{where}: a rung has after_s, ways, and if wanted below_percent, doors, at_risk")
    made = Rung(
        given["after_s"], ways, given.get("below_percent"), given.get("doors", UNSEEN), given.get("at_risk", False)
    )
    if made.doors not in (UNSEEN, UNADDRESSED) or (VISIT not in ways and {"doors", "at_risk"} & set(given)):
        raise ValueError(f"{where}: doors and at_risk belong to visits, and doors are unseen or unaddressed")
    below = made.below_percent
    if below is not None and (LOUDSPEAKER not in ways or not isinstance(below, int) or not 1 <= below <= 100):
        raise ValueError(f"{where}: below_percent belongs to the loudspeaker and is 1 to 100")
    return made

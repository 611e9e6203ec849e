"""Which page stands in which segment: pure, and fixed once it was listed, since players may have fetched it already.

Segments are numbered from the beginning of 1970, so the number alone says when it is due, on any worker and after any
restart. Time on this channel never runs backwards, whatever is done to the machine's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from channels.tv_stream import SEGMENT_S
from hub.clock import Clock

LISTED = 6  # segments in a playlist: players begin three before the newest, and old boxes read the list late
FORWARD_S = 2.0  # less is the clock being trimmed; more is a clock that was set


@dataclass(frozen=True, slots=True)
class Turn:
    """A page in the round: for so many segments, with a voice or without."""

    page: str
    segments: int
    sound: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment as it was listed."""

    number: int
    page: str
    sound: str
    part: int


def segments(seconds: float) -> int:
    return max(1, ceil(seconds / SEGMENT_S))


class Timetable:
    """One channel's segments, as far as they were listed."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=LISTED)
        self._round: tuple[Turn, ...] = ()
        self._began = 0

    @property
    def newest(self) -> int:
        return self.entries[-1].number if self.entries else -1

    def turn_to(self, turns: Sequence[Turn], newest: int) -> None:
        """From what is due next, this round; what was listed stays."""
        if tuple(turns) != self._round or not self.entries:
            self._change(tuple(turns), max(self.newest + 1, newest - LISTED + 1))

    def turns_as(self, turns: Sequence[Turn]) -> bool:
        """Whether what is due next is of this round."""
        return bool(self.entries) and self._round == turns

    def extend(self, newest: int) -> list[Entry]:
        """List what is due up to `newest`."""
        added = self.due(newest)
        self.entries.extend(added)
        return added

    def due(self, newest: int) -> list[Entry]:
        """What the round that stands puts into the segments up to `newest`."""
        found = []
        for number in range(max(self.newest + 1, newest - LISTED + 1), newest + 1):
            turn, part = _at(self._round, number - self._began)
            found.append(Entry(number, turn.page, turn.sound, part if turn.sound else 0))
        return found

    def coming(self, count: int) -> list[Turn]:
        """The next pages, so that they can be coded before they are due."""
        if not self._round:
            return []
        turn, part = _at(self._round, self.newest + 1 - self._began)
        found, number = [turn], self.newest + 1 + turn.segments - part
        while len(found) < min(count, len(self._round)):
            turn, _part = _at(self._round, number - self._began)
            found.append(turn)
            number += turn.segments
        return found

    def _change(self, fresh: tuple[Turn, ...], first: int) -> None:
        """A page that is being read is read to its end; a new round begins at its beginning."""
        began = first
        if not self.entries:
            began = first - first % sum(turn.segments for turn in fresh)  # the same on every worker
        elif self._round:
            turn, part = _at(self._round, first - self._began)
            place = 0
            for each in fresh:
                if each == turn and part:
                    began = first - place - part
                    break
                place += each.segments
        self._round, self._began = fresh, began


def _at(turns: tuple[Turn, ...], place: int) -> tuple[Turn, int]:
    place %= sum(turn.segments for turn in turns)
    for turn in turns:
        if place < turn.segments:
            return turn, place
        place -= turn.segments
    raise AssertionError("a place lies within its round")


class Timeline:
    """The wall clock for a channel: it follows a clock that is set forward, and waits for one that is set back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_s: float | None = None  # of the clock that never runs backwards

    def now(self) -> float:
        ticking = self._clock.monotonic()
        ahead = self._clock.now().timestamp() - ticking
        if self._ahead_s is None or ahead - self._ahead_s > FORWARD_S:
            self._ahead_s = ahead
        return ticking + self._ahead_s

    def newest(self) -> int:
        """The segment that is due now."""
        return int(self.now() / SEGMENT_S)

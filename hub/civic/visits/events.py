"""What this slice adds to the vocabulary of events. None of them carries a name, a note or a signature."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class _OfVisit(Event):
    visit: str

    def subject(self) -> str:
        return self.visit


@dataclass(frozen=True, kw_only=True)
class VisitOpened(_OfVisit):
    """The desk sends somebody to a door."""

    area: str
    worker: str


@dataclass(frozen=True, kw_only=True)
class VisitRecorded(_OfVisit):
    """What a knock at the door gave. What does not stand is kept and said all the same."""

    result: str
    by: str
    late: bool
    stands: bool


@dataclass(frozen=True, kw_only=True)
class VisitCancelled(_OfVisit):
    """Nobody need go any more."""

    why: str


@dataclass(frozen=True, kw_only=True)
class VisitsEnded(Event):
    """All visits of a notice ended together: it is over, or a newer revision stands in its place."""

    notice: str
    revision: int
    why: str
    count: int

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class VisitHandedOver(_OfVisit):
    before: str
    worker: str


@dataclass(frozen=True, kw_only=True)
class VisitOverdue(_OfVisit):
    worker: str


@dataclass(frozen=True, kw_only=True)
class VisitNameShown(_OfVisit):
    """Somebody had a masked name shown in full, and said why."""

    resident: str
    why: str


@dataclass(frozen=True, kw_only=True)
class VisitsListed(Event):
    """A list of doors left the house, on paper or as a file."""

    area: str
    worker: str
    form: str
    doors: int

    def subject(self) -> str:
        return self.area


@dataclass(frozen=True, kw_only=True)
class RoundGiven(Event):
    area: str
    grid: int
    worker: str

    def subject(self) -> str:
        return f"{self.area}#{self.grid}"

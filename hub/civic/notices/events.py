"""What this slice adds to the vocabulary of events. None of them carries a name or an address."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class UnreachedListed(Event):
    """Somebody took the list of doors that a notice has not reached out of the house."""

    notice: str
    area: str
    doors: int

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class ResidentAsked(Event):
    """A resident has a question about a notice or needs help. The words stay sealed in the task."""

    task: str
    notice: str
    area: str
    kind: str
    owner: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class TaskTaken(Event):
    task: str
    owner: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class TaskOverdue(Event):
    """Nobody answered in time; the task stands in red on every desk above it."""

    task: str
    owner: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class TaskAnswered(Event):
    task: str
    notice: str
    by: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class LadderClimbed(Event):
    """A rung was taken; what it asked for has this event as its cause. By hand: somebody did not wait for its time."""

    notice: str
    revision: int
    rung: int
    ways: tuple[str, ...]
    edition: str
    by_hand: bool

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class LadderStopped(Event):
    """Somebody ended the follow-up of a notice that still holds. Why stands with the notice, not here."""

    notice: str
    revision: int
    rung: int  # the one that will not be climbed

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class SpeechWanted(Event):
    """The loudspeakers of these places are to say a notice."""

    notice: str
    revision: int
    areas: tuple[str, ...]
    why: str  # emergency | ladder | desk

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class ClipKept(Event):
    """Somebody's own voice stands for the machine's in this revision; by `sha256` one finds what was said."""

    notice: str
    revision: int
    sha256: str
    ms: int

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class ClipDropped(Event):
    notice: str
    revision: int
    sha256: str

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class AnsweredOnBehalf(Event):
    """A member of staff entered a resident's answer; the head of the event says who, and for whom."""

    notice: str
    kind: str

    def subject(self) -> str:
        return self.notice

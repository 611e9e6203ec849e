"""What this slice adds to the vocabulary of events. None of them carries a value or a name."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class KioskOpened(Event):
    session: str
    hut: str
    guest: bool

    def subject(self) -> str:
        return self.session


@dataclass(frozen=True, kw_only=True)
class KioskClosed(Event):
    session: str
    hut: str
    why: str

    def subject(self) -> str:
        return self.session


@dataclass(frozen=True, kw_only=True)
class AttendantCalled(Event):
    alert: str
    hut: str
    area: str

    def subject(self) -> str:
        return self.alert


@dataclass(frozen=True, kw_only=True)
class AlertOpened(Event):
    """A member of staff looked at the values behind an alert."""

    alert: str
    reading: str

    def subject(self) -> str:
        return self.alert


@dataclass(frozen=True, kw_only=True)
class AlertDone(Event):
    alert: str

    def subject(self) -> str:
        return self.alert


@dataclass(frozen=True, kw_only=True)
class AlertTaken(Event):
    """The attendant says: I am on my way."""

    alert: str

    def subject(self) -> str:
        return self.alert


@dataclass(frozen=True, kw_only=True)
class DoctorAnswered(Event):
    """A resident said whether the family doctor is to be told of one urgent value, and where they said it."""

    alert: str
    person: str
    yes: bool
    basis: str  # kiosk | app

    def subject(self) -> str:
        return self.alert


@dataclass(frozen=True, kw_only=True)
class MealSaid(Event):
    """When somebody had last eaten before a glucose: at the kiosk, passed over there, or put right on the phone."""

    reading: str
    before: str
    meal: str
    source: str  # kiosk | skipped | phone

    def subject(self) -> str:
        return self.reading


@dataclass(frozen=True, kw_only=True)
class ErasureMoved(Event):
    """Somebody without a phone asked at the desk to have readings erased: asked, witnessed or dropped."""

    request: str
    person: str
    what: str

    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class TaskHeld(Event):
    """A doctor or a deputy has answered for a task: from here on nobody else is asked."""

    task: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class TaskPassedOn(Event):
    """Nobody answered in time: the task went to the deputy, then to the telephone list."""

    task: str
    area: str
    rung: int

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class CoverChanged(Event):
    """Who answers for an area's urgent values."""

    area: str
    doctor: str
    deputy: str

    def subject(self) -> str:
        return self.area


@dataclass(frozen=True, kw_only=True)
class EmergencyActed(Event):
    """Values were opened without a yes because a life was in danger. The reason stands in the store, sealed."""

    emergency: str
    alert: str
    person: str
    second: str

    def subject(self) -> str:
        return self.emergency


@dataclass(frozen=True, kw_only=True)
class EmergencyNoted(Event):
    """The colleague who was informed has said so."""

    emergency: str

    def subject(self) -> str:
        return self.emergency


@dataclass(frozen=True, kw_only=True)
class TaskChanged(Event):
    """opened, called, visited, referred, undone or withdrawn."""

    task: str
    what: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class ConsentChanged(Event):
    """A resident agreed to a use of their readings, or took that back."""

    person: str
    purpose: str
    yes: bool

    def subject(self) -> str:
        return self.person


@dataclass(frozen=True, kw_only=True)
class BaselineMoved(Event):
    """Somebody's last days differ from their own usual ones; which way stands nowhere but on their own page."""

    person: str
    kind: str
    version: str

    def subject(self) -> str:
        return self.person

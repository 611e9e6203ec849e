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

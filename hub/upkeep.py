"""Upkeep: what is said of devices that should not be believed, and of their papers; heard by several rooms.

None of these events carries a person or a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class DeviceHeld(Event):
    """A rule found that a device should not be believed; its sentence, without a person or a value."""

    hold: str
    device: str
    gateway: str
    area: str
    rule: str
    out_of_use: bool  # False: somebody should look, and it goes on measuring
    zh: str
    en: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class DeviceReleased(Event):
    hold: str
    device: str
    area: str
    rule: str
    why: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class CertificateEntered(Event):
    certificate: str
    device: str
    area: str
    number: str
    result: str  # pass | fail

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class CertificateDue(Event):
    """A certificate ends in 30, 7 or 1 days, or has ended (0)."""

    certificate: str
    device: str
    hut: str | None
    area: str
    days: int
    due: date  # the last day on which it holds

    def subject(self) -> str:
        return self.device

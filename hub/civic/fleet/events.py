"""What this slice adds to the vocabulary of events. None of them carries a person or a value."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class DeviceEntered(Event):
    """A device is registered and has a label; nobody has set it up yet."""

    claim: str
    device: str
    profile: str
    area: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class DeviceClaimed(Event):
    """Somebody stood before the device with its label and said where it is."""

    claim: str
    device: str
    gateway: str
    hut: str | None
    place: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class CertificateEntered(Event):
    certificate: str
    device: str
    number: str
    result: str

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

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class LotOpened(Event):
    lot: str
    device: str
    number: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class ControlChecked(Event):
    """Control solution was measured; whether it fell into its range."""

    check: str
    device: str
    ok: bool

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class DeviceHeld(Event):
    """A rule found that a device should not be believed."""

    hold: str
    device: str
    gateway: str
    area: str
    rule: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class DeviceReleased(Event):
    hold: str
    device: str
    rule: str
    why: str

    def subject(self) -> str:
        return self.device

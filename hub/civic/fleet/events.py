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
class FramesTakenIn(Event):
    """Frames that were set aside while a device was held back went the ordinary way after all."""

    device: str
    area: str
    stored: int
    twice: int
    refused: int

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class FramesLeft(Event):
    """Somebody decided that these frames shall never become readings."""

    device: str
    area: str
    count: int

    def subject(self) -> str:
        return self.device

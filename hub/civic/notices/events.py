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

"""What this slice adds to the vocabulary of events: who opened a way out of the house, or closed it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class WebhookChanged(Event):
    webhook: str
    what: str  # made | active | paused | gone | removed

    def subject(self) -> str:
        return self.webhook


@dataclass(frozen=True, kw_only=True)
class TellingReplayed(Event):
    """What was given up is tried again, by somebody's hand."""

    webhook: str
    count: int

    def subject(self) -> str:
        return self.webhook

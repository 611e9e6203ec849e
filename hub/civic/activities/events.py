"""Who signs up and who comes, for the record: the person by id, never by name."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class SignedUp(Event):
    activity: str
    resident: str
    on: bool

    def subject(self) -> str:
        return self.activity


@dataclass(frozen=True, kw_only=True)
class CameToActivity(Event):
    """`by` is the member of staff who entered it at the counter; empty, the person's own phone."""

    activity: str
    resident: str
    by: str

    def subject(self) -> str:
        return self.activity

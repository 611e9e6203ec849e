"""What a device is wished to be like and was told to do (hub/twin.py), as its page shows it. Acting is the fleet's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from hub import twin
from hub.db import Read
from hub.i18n import N_
from hub.twin import Command, Difference

SHOWN_MAX = 8
COMMANDS: Mapping[str, str] = {
    "sync-clock": N_("Set the clock"),
    "read-records": N_("Read the stored records"),
    "identify": N_("Show yourself"),
    "print": N_("Print"),
}
STATES: Mapping[str, tuple[str, str]] = {
    "waiting": (N_("waits for the gateway"), "off"),
    "sent": (N_("sent, no answer yet"), "info"),
    "done": (N_("done"), "ok"),
    "failed": (N_("failed"), "bad"),
    "expired": (N_("nobody answered in time"), "warn"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """The twin: what is desired, what the device says, and where the two differ."""

    desired: Mapping[str, object]
    reported: Mapping[str, object]
    delta: tuple[Difference, ...]
    version: int
    applied: int
    reported_at: datetime | None


def twin_of(read: Read, device: str) -> Wish:
    row = twin.of(read, device)
    desired, reported = twin.desired(row), twin.reported(row)
    return Wish(desired, reported, twin.delta(desired, reported), row.version, row.applied, row.reported_at)


def commands_of(read: Read, device: str) -> list[Command]:
    rule = select(Command).where(col(Command.device) == device).order_by(col(Command.made).desc()).limit(SHOWN_MAX)
    return list(read.session.execute(rule).scalars())

"""When to knock again, by when, in which order, and which of two results stands. Pure: no session, no clock."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path

from hub.i18n import N_

RESULTS = {
    "met": N_("Met in person"), "family": N_("Taken by the family"), "absent": N_("Nobody at home"),
    "refused": N_("Refused at the door"), "moved": N_("Moved away"),
}  # fmt: skip
FINAL = ("met", "family", "refused", "moved")  # after any of these nobody knocks again
SIGNED = ("met", "family")  # what somebody at the door signs for
OPEN = ("open", "desk")
REASONS = {
    "unseen": N_("Nobody here has seen the notice"), "no_address": N_("No phone or app of theirs is known"),
    "hand": N_("Sent by the desk"), "help": N_("They asked for help"),
}  # fmt: skip
CLOSED = {
    "seen": N_("they have seen the notice elsewhere"), "ended": N_("the notice has ended"),
    "revised": N_("the notice has been replaced"), "desk": N_("the desk has closed it"),
    "done": N_("another result came first"), "answered": N_("their call for help has been answered"),
}  # fmt: skip
REVEALS = {"door": N_("To know who opens"), "call": N_("To telephone"), "help": N_("They need help")}
# A risk outweighs all that follow it: whoever lives alone comes before whoever does not.
RISKS = {"alone": N_("Lives alone"), "aged80": N_("Aged 80 or more"), "disabled": N_("Disabled")}
PRESSING = {"emergency": 4, "urgent": 3, "important": 2, "routine": 1, "drill": 1}
NOTE_CHARS_MAX, SIGNATURE_CHARS_MAX, WORDS_CHARS_MAX = 200, 40, 200
_STEPS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day in which one may knock."""

    name: str
    begins: time
    ends: time


@dataclass(frozen=True, slots=True)
class Manners:
    """The data file, read."""

    edition: str
    tries_max: int
    late_after: timedelta
    clock_ahead: timedelta
    due: Mapping[str, timedelta]
    again: Mapping[str, timedelta]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a knock was, as far as the phone can be believed."""

    at: datetime
    late: bool
    clock_off: bool


@cache
def manners() -> Manners:
    data = tomllib.loads((Path(__file__).parent / "visits.toml").read_text(encoding="utf-8"))
    return Manners(
        data["edition"],
        data["tries_max"],
        timedelta(minutes=data["late_after_minutes"]),
        timedelta(minutes=data["clock_ahead_minutes"]),
        {name: timedelta(minutes=n) for name, n in data["due_minutes"].items()},
        {name: timedelta(minutes=n) for name, n in data["again_minutes"].items()},
        tuple(Part(each["name"], each["begins"], each["ends"]) for each in data["parts"]),
    )


def due(priority: str, now: datetime, expires: datetime | None) -> datetime:
    least = now + manners().due.get(priority, manners().due["routine"])
    return min(least, expires) if expires is not None else least


def part_of(local: datetime) -> str:
    """The part of the day a knock counts for: the one it fell in, or the one before it."""
    begun = [part.name for part in manners().parts if part.begins <= local.time()]
    return begun[-1] if begun else manners().parts[-1].name


def again(local: datetime, priority: str, tried: Collection[str]) -> datetime:
    """When to try next: soon, where it presses; else when the next part of the day begins that was not tried."""
    if priority in manners().again:
        return local + manners().again[priority]
    parts = manners().parts
    fresh = [part for part in parts if part.name not in tried] or list(parts)
    coming = (_at(day, part, local) for day in _days(local) for part in fresh)
    return next(moment for moment in coming if moment > local)


def _days(local: datetime) -> tuple[date, date, date]:
    return local.date(), local.date() + timedelta(days=1), local.date() + timedelta(days=2)


def _at(day: date, part: Part, like: datetime) -> datetime:
    return datetime.combine(day, part.begins, like.tzinfo)


def moment(said: datetime, received: datetime, opened: datetime) -> Moment:
    """A time before the visit was asked for, or in the future, is a wrong clock: then the arrival counts."""
    allowed = manners().clock_ahead
    if said > received + allowed or said < opened - allowed:
        return Moment(received, late=False, clock_off=True)
    at = max(min(said, received), opened)
    return Moment(at, received - at > manners().late_after, clock_off=False)


def refusal(state: str, why: str, closed_at: datetime | None, result: str, at: datetime) -> str:
    """Why a knock does not stand; empty where it does.

    Somebody was at the door, so a final result from before the cancellation stands; the first result stays for ever.
    """
    if state in OPEN:
        return ""
    if state == "done":
        return "done"
    early = closed_at is not None and at < closed_at
    return "" if early and result in FINAL else why


def weight(risks: Collection[str]) -> int:
    return sum(1 << place for place, risk in enumerate(reversed(RISKS)) if risk in risks)


def way(grid: int, building: str, flat: str) -> tuple[int, list[int], str]:
    """A door's place on a round: grid, building, stair, floor, room; 1001 is above 201 and not before it."""
    return grid, [int(each) for each in _STEPS.findall(f"{building} {flat}")], flat

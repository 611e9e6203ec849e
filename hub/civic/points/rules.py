"""What an act is worth, how much of it still fits under the caps, who may be credited. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal

from hub.civic.points.catalogue import Cap, Item, Level
from hub.directory import MINOR, age
from hub.errors import NotAllowed, Refused
from hub.i18n import _

ACT_DAYS_MAX = 30  # domain.md 3: an act is claimed within 30 days, or memory and evidence have faded
HOURS_MAX = Decimal(12)  # of one act of one person; more is a typing mistake
ADULT = 18  # whoever draws on the household's points, or acts for an organisation, is grown up
PERSONAL = ("person", "household", "organisation")


@dataclass(frozen=True, slots=True)
class Span:
    """The days a cap counts over, both ends included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Used:
    """What an account has already had of one cap."""

    points: int = 0
    acts: int = 0


def value(item: Item, hours: Decimal | None) -> int:
    """The points of one act before caps: whole units of its item, the rest of a point dropped."""
    if not item.hours:
        return item.points
    if hours is None or hours <= 0:
        raise Refused(_("Give the hours of {item}").format(item=item.name))
    if hours > HOURS_MAX:
        raise Refused(_("More than {most} hours in one act is a mistake").format(most=HOURS_MAX))
    if item.hours > 1:
        return int(hours // item.hours) * item.points
    return int((hours * item.points).to_integral_value(ROUND_DOWN))


def fits(worth: int, caps: Sequence[tuple[Cap, Used]]) -> int:
    """How much of it may be credited: points are cut to what is left, acts are whole or nothing."""
    for cap, used in caps:
        if cap.counts == "acts":
            worth = worth if used.acts < cap.limit else 0
        else:
            worth = min(worth, max(0, cap.limit - used.points))
    return worth


def span(cap: Cap, day: date) -> Span | None:
    """The period around a day. None for a cap per event: the act itself is the event."""
    if cap.per == "day":
        return Span(day, day)
    if cap.per == "week":
        monday = day - timedelta(days=day.weekday())
        return Span(monday, monday + timedelta(days=6))
    months = {"month": 1, "quarter": 3, "year": 12}.get(cap.per)
    if months is None:
        return None
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    after = first.month + months
    return Span(first, date(first.year + (after > 12), (after - 1) % 12 + 1, 1) - timedelta(days=1))


def in_time(act: date, today: date) -> None:
    """An act lies neither in the future nor more than 30 days back."""
    if act > today:
        raise Refused(_("Points are given for what has been done, not for a day to come"))
    if (today - act).days > ACT_DAYS_MAX:
        raise Refused(_("An act more than {days} days old is not credited any more").format(days=ACT_DAYS_MAX))


def is_minor(born: date, act: date) -> bool:
    """Under 14 nothing is credited in the child's own name; the effort goes to the household."""
    return age(born, act) < MINOR


def creditable(item: Item, owner_kind: str, *, of_minor: bool = False) -> None:
    """Whether this kind of account may be credited for this item. A child's act is its household's, whatever it is."""
    if item.points <= 0:
        raise Refused(_("{item} is a deduction, not an award").format(item=item.name))
    if owner_kind not in item.kinds and not (of_minor and owner_kind == "household"):
        raise Refused(_("{item} is not credited to this kind of account").format(item=item.name))


def signed(item: Item, persons: Collection[str | None]) -> None:
    """As many different people as the item asks for; an item approved by attendance (A) needs the one who approved."""
    needed = max(1, len(item.approvers))
    present = [person for person in persons if person]
    if len(set(present)) != len(present):
        raise NotAllowed(_("Verifying and approving are done by different people"))
    if len(present) < needed:
        raise NotAllowed(_("{item} needs {count} signatures").format(item=item.name, count=needed))


def level(earned: int, levels: Sequence[Level]) -> Level | None:
    """The highest level reached by what was earned in a lifetime."""
    reached = [each for each in levels if each.points <= earned]
    return reached[-1] if reached else None


def next_level(earned: int, levels: Sequence[Level]) -> Level | None:
    return next((each for each in levels if each.points > earned), None)

"""The way of one event, pure: from any event back by its causes to where it began, and forward to all that followed.

Only what events say of themselves stands in a step; two facts are joined by a `cause` id and by nothing else.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hub.events import (
    DeliveriesPlanned,
    DeviceChanged,
    Event,
    FrameQuarantined,
    GatewayChanged,
    PointsPosted,
    ReadingsStored,
)
from hub.i18n import N_
from hub.readings import sent_later, to_ms

# The stations of architecture.md 3 as a visitor sees them; `screens` comes from the feed, after all of these.
DETAILS_MAX = 3
STATIONS = ("frame", "reading", "rule", "outbox")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. `what` is a msgid, `detail` a word that needs no translation (a device, a number)."""

    id: str
    cause: str | None
    at: datetime
    station: str
    what: str
    detail: str = ""
    tone: str = "ok"  # ok | warn | bad
    about: str = ""  # the reading it names
    told: str = ""  # the event that told of it, by which the feed knows it; its own id unless it is part of a batch
    n: int = 1  # how many it stands for: a page of deliveries


@dataclass(frozen=True, slots=True)
class Step:
    """A fact on the way, with the time since its cause, and since the beginning."""

    fact: Fact
    after_cause_ms: int
    after_start_ms: int


@dataclass(frozen=True, slots=True)
class Fold:
    """Steps alike, drawn as one: the slowest of them speaks for the time."""

    step: Step
    count: int
    details: tuple[str, ...]


Steps = tuple[Step, ...]

_PLAIN: Mapping[str, tuple[str, str]] = {
    "ReadingBound": ("rule", N_("Tied to the visit")),
    "AlertRaised": ("rule", N_("A person should look")),
    "NoticeReleased": ("rule", N_("Notice released by a second person")),
    "NoticeEnded": ("rule", N_("Notice ended")),
    "SheetApproved": ("rule", N_("Sheet approved by a second person")),
    "PersonalMessage": ("rule", N_("A message to one resident")),
    "DeviceChanged": ("rule", N_("The device answers again")),
    "GatewayChanged": ("rule", N_("The hut's line is back")),
    "DeliveriesPlanned": ("outbox", N_("Waiting to be sent")),
}


_GONE: Mapping[str, str] = {
    "DeviceChanged": N_("The device no longer answers"),
    "GatewayChanged": N_("The hut's line is cut"),
}


def facts(events: Iterable[Event]) -> tuple[Fact, ...]:
    """What a visitor may follow, in the order told. Kinds of events that nobody drew a station for are left out."""
    return tuple(fact for event in events for fact in _facts(event))


def _facts(event: Event) -> Iterator[Fact]:
    if isinstance(event, ReadingsStored):
        for reading in event.readings:
            yield Fact(reading.cause, None, reading.t_received, "frame", N_("A device speaks"), reading.device)
            later = sent_later(to_ms(reading.t_received), to_ms(reading.t_effective))
            what = N_("Stored, sent later") if later else N_("Stored")
            yield Fact(reading.id, reading.cause, event.at, "reading", what, told=event.id)
    elif isinstance(event, FrameQuarantined):
        if event.cause is not None:
            yield Fact(event.cause, None, born(event.cause, event.at), "frame", N_("A device speaks"), event.device)
        yield Fact(
            event.id, event.cause, event.at, "reading", N_("Unreadable: set aside"), event.reason, "bad", told=event.id
        )
    elif isinstance(event, PointsPosted):
        for number, each in enumerate(event.posted):
            ident = f"{event.id}-{number}" if number else event.id
            what = N_("Points posted")
            yield Fact(ident, event.cause, event.at, "rule", what, f"{each.amount:+d}", told=event.id)
    elif type(event).__name__ in _PLAIN:
        station, what = _PLAIN[type(event).__name__]
        if getattr(event, "state", "") == "offline":
            what = _GONE.get(type(event).__name__, what)
        about = str(getattr(event, "reading", ""))
        yield Fact(
            event.id, event.cause, event.at, station, what, _detail(event), _tone(event), about, event.id, _n(event)
        )


def _detail(event: Event) -> str:
    match event:
        case DeliveriesPlanned():
            return event.channel
        case DeviceChanged():
            return event.device
        case GatewayChanged():
            return event.gateway
    return ""


def _n(event: Event) -> int:
    return event.count if isinstance(event, DeliveriesPlanned) else 1


def _tone(event: Event) -> str:
    if type(event).__name__ == "AlertRaised":
        return "warn"
    return "bad" if getattr(event, "state", "") == "offline" else "ok"


def born(ident: str, otherwise: datetime) -> datetime:
    """When an id was made: a UUID of version 7 carries it."""
    digits = ident.replace("-", "")
    if len(digits) != 32 or digits[12] != "7":
        return otherwise
    try:
        return datetime.fromtimestamp(int(digits[:12], 16) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise


def walk(told: Sequence[Fact], focus: str) -> Steps:
    """All steps of the way that `focus` lies on, causes before what they caused."""
    known = {fact.id: fact for fact in told}
    by_event: dict[str, Fact] = {}
    for fact in told:
        by_event.setdefault(fact.told or fact.id, fact)
    if focus not in known:
        return ()

    def cause(fact: Fact) -> Fact | None:
        about = known.get(fact.about)
        if about is not None and about.told == fact.cause:  # the cause is a whole batch: of it, the reading it names
            return about
        found = known.get(fact.cause or "") or by_event.get(fact.cause or "")
        return None if found is fact else found

    root, seen = known[focus], {focus}
    while (before := cause(root)) is not None and before.id not in seen:
        root = before
        seen.add(root.id)
    children: dict[str, list[Fact]] = defaultdict(list)
    for fact in known.values():
        before = cause(fact)
        if before is not None:
            children[before.id].append(fact)
    steps, queue, reached = [], deque([(root, root)]), {root.id}
    while queue:
        fact, because = queue.popleft()
        steps.append(
            Step(replace(fact, cause=because.id if fact is not root else None), _ms(because, fact), _ms(root, fact))
        )
        for child in sorted(children[fact.id], key=lambda each: each.at):
            if child.id not in reached:
                reached.add(child.id)
                queue.append((child, fact))
    return tuple(sorted(steps, key=lambda step: step.fact.at))


def folded(steps: Steps) -> tuple[Fold, ...]:
    """Steps alike as one that counts them, with the time of the slowest: a sheet's postings, a notice's deliveries."""
    found: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        found[step.fact.what].append(step)
    return tuple(
        Fold(
            max(alike, key=lambda step: step.after_cause_ms),
            sum(step.fact.n for step in alike),
            tuple(dict.fromkeys(step.fact.detail for step in alike if step.fact.detail))[:DETAILS_MAX],
        )
        for alike in found.values()
    )


def _ms(earlier: Fact, later: Fact) -> int:
    return round((later.at - earlier.at).total_seconds() * 1000)

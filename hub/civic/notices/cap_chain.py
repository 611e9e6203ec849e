"""Which warnings stand, out of all messages known, in whatever order they came. Pure.

An Update or a Cancel takes away what it names, for ever: also what arrives after it. Only the sender of a warning can
take it away, so that a mistaken cancellation of another office changes nothing. What was replaced does not come back
when its replacement runs out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hub.civic.notices.cap import Alert, Identity

SHOWN = ("Actual", "Exercise")  # Test, Draft and System never reach a screen (CAP 1.2, 3.2.1 status)


def replaced(known: Iterable[Alert]) -> set[tuple[str, Identity]]:
    """Status and identity of everything that some known message has taken away: an exercise ends no real warning."""
    return {(alert.status, gone) for alert in known for gone in alert.replaces if gone.sender == alert.identity.sender}


def standing(known: Iterable[Alert], now: datetime) -> list[Alert]:
    """What holds at this instant, by identity; the order in which the messages came plays no part."""
    everything = {alert.identity: alert for alert in known}
    gone = replaced(everything.values())
    return [
        alert
        for identity, alert in sorted(everything.items())
        if alert.kind in ("Alert", "Update")
        and alert.status in SHOWN
        and alert.scope == "Public"
        and (alert.status, identity) not in gone
        and not _over(alert, now)
    ]


def heirs(known: Iterable[Alert], identity: Identity, now: datetime) -> list[Alert]:
    """What stands in a warning's place: its sender's updates of it, and theirs. Empty: it is over."""
    everything = [each for each in known if each.identity.sender == identity.sender]
    line, grown = {identity}, True
    while grown:
        more = {each.identity for each in everything if line & set(each.replaces)} - line
        line, grown = line | more, bool(more)
    return [each for each in standing(everything, now) if each.identity in line and each.identity != identity]


def _over(alert: Alert, now: datetime) -> bool:
    end = alert.expires()
    return end is not None and end <= now

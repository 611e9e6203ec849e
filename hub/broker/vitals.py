"""`$SYS`: what the broker says about itself, to accounts whose rights name `$SYS`; no wildcard reaches it (4.7.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from hub.broker.counters import Counters
from hub.broker.message import Message
from hub.broker.topics import matches

ROOT = "$SYS/broker"


@dataclass(frozen=True)
class Standing:
    """How many of each there are at this moment."""

    uptime_s: int
    connected: int
    sessions: int
    subscriptions: int
    retained: int


@dataclass
class Vitals:
    _said: dict[str, bytes] = field(default_factory=dict)

    def news(self, standing: Standing, counters: Counters) -> list[Message]:
        """What has changed since it was last asked."""
        now = _values(standing, counters)
        fresh = [Message(topic, value, retain=True) for topic, value in now.items() if self._said.get(topic) != value]
        self._said = now
        return fresh

    def matching(self, name: str, standing: Standing, counters: Counters) -> Iterator[Message]:
        """For a fresh subscription, as if it were retained."""
        for topic, value in _values(standing, counters).items():
            if matches(name, topic):
                yield Message(topic, value, retain=True)


def _values(standing: Standing, counters: Counters) -> dict[str, bytes]:
    said: dict[str, object] = {
        "version": f"linli {_version()}",
        "uptime": f"{standing.uptime_s} seconds",
        "clients/connected": standing.connected,
        "clients/disconnected": standing.sessions - standing.connected,
        "clients/total": standing.sessions,
        "clients/expired": counters.sessions_expired,
        "messages/received": counters.publishes_in,
        "messages/sent": counters.publishes_out,
        "messages/acknowledged": counters.acknowledged,
        "messages/dropped": counters.dropped + counters.dropped_too_large + counters.expired,
        "subscriptions/count": standing.subscriptions,
        "retained messages/count": standing.retained,
    }
    return {f"{ROOT}/{name}": str(value).encode() for name, value in said.items()}


@cache
def _version() -> str:
    try:
        return version("linli")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unreleased"

"""Uplink: one message from a gateway, and the two ports between a front door and the hub.

A front door (the embedded broker, or paho-mqtt on an operator's broker) puts uplinks into an `UplinkSink` and sends
PUBACK only when the hub calls `settle`, which happens after the batch that holds the message is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol


class Verdict(Enum):
    """What became of one uplink; every one of them may be acknowledged, since each is settled on disk."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    NOTED = "noted"  # birth, state, twin, done: kept, but no reading


@dataclass(slots=True, eq=False)
class Uplink:
    """One PUBLISH as the door received it. `account` comes from the credential (or, behind an operator's own broker,
    from the topic that broker's ACL guards), never from the payload."""

    account: str
    topic: str
    payload: bytes
    received: datetime
    settle: Callable[[Verdict], None]
    properties: Mapping[str, str] = field(default_factory=dict)  # MQTT 5 user properties: boot, seq, at
    dup: bool = False
    retain: bool = False
    connection: str = ""  # opaque id of the connection, so that the one that published `birth` owns `state`
    # The door's own name for this delivery while it is unacknowledged (session + packet id); a DUP with the same
    # name is the same message (devices.md 7.2, case 4). None where the door cannot tell.
    delivery: str | None = None


class UplinkSink(Protocol):
    """Where a door puts what gateways publish. `put` waits while the queue is full: back-pressure, never a drop."""

    async def put(self, uplink: Uplink) -> None: ...

    @property
    def pressure(self) -> float:
        """How full the queue is, from 0 to 1; a door slows its clients down by it (hub/broker/credits.py)."""

    def refused(self, reason: str) -> None:
        """Count one message that never entered: `acl`, `too-large`, `malformed`, `bad-topic`, `rate`."""

    def linked(self, account: str, connection: str, up: bool) -> None:
        """A gateway's connection came up or went away (the embedded door only)."""

    def listening(self, account: str) -> None:
        """A gateway has just subscribed to its receipts (the embedded door only): it wants to know where it stands."""


class Door(Protocol):
    """What the hub may ask of a front door."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None: ...

    async def cut(self, account: str) -> None:
        """End every live connection of an account whose credential was revoked or rotated."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who a credential belongs to and what it may do. `publish` and `subscribe` are MQTT filters; deny wins."""

    id: str
    kind: str  # gateway | screen | integrator | hub
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    area: str = ""


class Accounts(Protocol):
    """Looks a credential up. Called for every CONNECT, so it must be quick: secrets are random 256-bit tokens kept as
    SHA-256.
    """

    async def authenticate(self, username: str, password: bytes) -> Account | None: ...

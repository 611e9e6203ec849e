"""What the broker writes down, row by row, so that a restart finds it: sessions, queues, retained messages, wills.

Times are wall-clock seconds here, since a restart has another monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from hub.broker.message import Message
from hub.broker.packets import Subscription
from hub.broker.properties import NONE, Properties
from hub.clock import Clock


class Table(StrEnum):
    """One kind of row, with what its key is."""

    SESSION = "session"  # number
    SUBSCRIPTION = "subscription"  # (session, filter)
    MESSAGE = "message"  # number; one row however many sessions wait for it
    OWED = "owed"  # number, in the order of arrival
    RECEIVED = "received"  # (session, packet id): QoS 2 between PUBREC and PUBREL
    RETAINED = "retained"  # topic
    WILL = "will"  # connection


class SessionRecord(msgspec.Struct, frozen=True, array_like=True):
    username: str
    client_id: str
    version: int
    expiry_s: float
    ends_s: float | None  # None while somebody is connected


class SubscriptionRecord(msgspec.Struct, frozen=True, array_like=True):
    subscription: Subscription
    identifier: int | None = None
    owed: bool = False  # retained messages it asked for have not all been sent


class MessageRecord(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Properties | None
    expires_s: float | None


class OwedRecord(msgspec.Struct, frozen=True, array_like=True):
    session: int
    message: int
    qos: int
    retain: bool
    identifiers: tuple[int, ...] = ()
    packet_id: int = 0  # 0: never sent
    released: bool = False
    share: str = ""


class ReceivedRecord(msgspec.Struct, frozen=True, array_like=True):
    session: int


class RetainedRecord(msgspec.Struct, frozen=True, array_like=True):
    owner: str
    message: MessageRecord


class WillRecord(msgspec.Struct, frozen=True, array_like=True):
    username: str
    client_id: str
    kind: str
    message: MessageRecord
    delay_s: float
    due_s: float | None = None  # None while its connection lives


Key = int | str | tuple[int, str] | tuple[int, int]
Record = SessionRecord | SubscriptionRecord | MessageRecord | OwedRecord | ReceivedRecord | RetainedRecord | WillRecord
KINDS: Mapping[Table, type[Any]] = {
    Table.SESSION: SessionRecord,
    Table.SUBSCRIPTION: SubscriptionRecord,
    Table.MESSAGE: MessageRecord,
    Table.OWED: OwedRecord,
    Table.RECEIVED: ReceivedRecord,
    Table.RETAINED: RetainedRecord,
    Table.WILL: WillRecord,
}


def of_message(message: Message, clock: Clock) -> MessageRecord:
    expires_s = None
    if message.expires is not None:
        expires_s = clock.now().timestamp() + message.expires - clock.monotonic()
    properties = None if message.properties is NONE else message.properties
    return MessageRecord(message.topic, message.payload, message.qos, message.retain, properties, expires_s)


def to_message(record: MessageRecord, clock: Clock) -> Message:
    expires = None
    if record.expires_s is not None:
        expires = clock.monotonic() + record.expires_s - clock.now().timestamp()
    return Message(record.topic, record.payload, record.qos, record.retain, record.properties or NONE, expires)

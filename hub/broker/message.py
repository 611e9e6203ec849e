"""An application message inside the broker: what was published, apart from whom it is sent to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from hub.broker.packets import Publish, Will
from hub.broker.properties import NONE, Properties

if TYPE_CHECKING:
    from hub.broker.journal import Journal


class Message(msgspec.Struct, frozen=True):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NONE  # only those that travel on: 3.3.2.3 forbids alias and subscription identifier
    expires: float | None = None  # on the broker's monotonic clock
    origin: str = ""  # the session that published it, for No Local


@dataclass(slots=True, eq=False)
class Parcel:
    """One message on its way to any number of subscribers: on disk it lies once, until the last of them has it."""

    message: Message
    fleeting: bool = False  # its sender says it again when the receiver comes back; it need not survive a crash
    number: int = 0  # its row on disk, while anybody holds it
    holders: int = 0

    def expired(self, now: float) -> bool:
        return self.message.expires is not None and self.message.expires <= now

    def hold(self, journal: Journal) -> None:
        if not self.holders:
            self.number = journal.next_number()
            journal.keep_message(self.number, self.message)
        self.holders += 1

    def let_go(self, journal: Journal) -> None:
        self.holders -= 1
        if not self.holders:
            journal.drop_message(self.number)
            self.number = 0


def of_packet(packet: Publish | Will, now: float, origin: str, topic: str = "") -> Message:
    properties = packet.properties
    expires = None
    if properties is not NONE:
        properties = msgspec.structs.replace(
            properties, topic_alias=None, subscription_ids=(), message_expiry_s=None, will_delay_s=None
        )
        if packet.properties.message_expiry_s is not None:
            expires = now + packet.properties.message_expiry_s
        if properties == NONE:
            properties = NONE
    return Message(topic or packet.topic, packet.payload, packet.qos, packet.retain, properties, expires, origin)


def to_packet(
    message: Message, qos: int, retain: bool, packet_id: int, identifiers: tuple[int, ...], now: float
) -> Publish:
    """The copy for one subscriber; the expiry interval is what is left of it [MQTT-3.3.2-6]."""
    properties = message.properties
    if identifiers or message.expires is not None:
        left = None if message.expires is None else max(1, int(message.expires - now))
        properties = msgspec.structs.replace(properties, subscription_ids=identifiers, message_expiry_s=left)
    return Publish(message.topic, message.payload, qos, retain, False, packet_id, properties)

"""The packets of MQTT 3.1.1 and 5 as immutable values. The version is the connection's, not the packet's.

They are msgspec structs and not dataclasses: a frozen dataclass costs about a microsecond to make, these a tenth of it.
"""

from __future__ import annotations

import msgspec

from hub.broker.properties import NONE, Properties


class Will(msgspec.Struct, frozen=True):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NONE


class Connect(msgspec.Struct, frozen=True):
    version: int  # 4 is MQTT 3.1.1, 5 is MQTT 5
    client_id: str
    clean_start: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NONE


class Connack(msgspec.Struct, frozen=True):
    session_present: bool = False
    reason: int = 0
    properties: Properties = NONE


class Publish(msgspec.Struct, frozen=True, gc=False):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0  # 0 exactly when qos is 0
    properties: Properties = NONE


class Puback(msgspec.Struct, frozen=True):
    packet_id: int
    reason: int = 0
    properties: Properties = NONE


class Pubrec(msgspec.Struct, frozen=True):
    packet_id: int
    reason: int = 0
    properties: Properties = NONE


class Pubrel(msgspec.Struct, frozen=True):
    packet_id: int
    reason: int = 0
    properties: Properties = NONE


class Pubcomp(msgspec.Struct, frozen=True):
    packet_id: int
    reason: int = 0
    properties: Properties = NONE


class Subscription(msgspec.Struct, frozen=True):
    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Subscribe(msgspec.Struct, frozen=True):
    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NONE


class Suback(msgspec.Struct, frozen=True):
    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = NONE


class Unsubscribe(msgspec.Struct, frozen=True):
    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = NONE


class Unsuback(msgspec.Struct, frozen=True):
    packet_id: int
    reasons: tuple[int, ...] = ()  # always empty in 3.1.1
    properties: Properties = NONE


class Pingreq(msgspec.Struct, frozen=True):
    pass


class Pingresp(msgspec.Struct, frozen=True):
    pass


class Disconnect(msgspec.Struct, frozen=True):
    reason: int = 0
    properties: Properties = NONE


class Auth(msgspec.Struct, frozen=True):
    reason: int = 0
    properties: Properties = NONE


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)

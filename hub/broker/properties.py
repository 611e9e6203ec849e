"""MQTT 5 properties (2.2.2): one table says each property's number, type and the packets that may carry it."""

from __future__ import annotations

import msgspec

from hub.broker import reasons, wire
from hub.broker.wire import MalformedPacket, Reader

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = range(1, 12)
PINGREQ, PINGRESP, DISCONNECT, AUTH = range(12, 16)
WILL = 16  # not a packet: the will's own properties inside CONNECT


class Properties(msgspec.Struct, frozen=True):
    """Every property of the standard; None or empty means absent."""

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
    subscription_ids: tuple[int, ...] = ()
    session_expiry_s: int | None = None
    assigned_client_id: str | None = None
    server_keep_alive_s: int | None = None
    auth_method: str | None = None
    auth_data: bytes | None = None
    request_problem: int | None = None
    will_delay_s: int | None = None
    request_response: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user: tuple[tuple[str, str], ...] = ()
    maximum_packet_bytes: int | None = None
    wildcard_available: int | None = None
    subscription_id_available: int | None = None
    shared_available: int | None = None


NONE = Properties()

Value = int | str | bytes | tuple[str, str]

_ACKS = (CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH)
_ALL = (*range(CONNECT, UNSUBACK + 1), DISCONNECT, AUTH, WILL)

# Table 2-4: number, field, type, packets.
_TABLE: tuple[tuple[int, str, str, tuple[int, ...]], ...] = (
    (1, "payload_format", "flag", (PUBLISH, WILL)),
    (2, "message_expiry_s", "u32", (PUBLISH, WILL)),
    (3, "content_type", "utf8", (PUBLISH, WILL)),
    (8, "response_topic", "utf8", (PUBLISH, WILL)),
    (9, "correlation", "binary", (PUBLISH, WILL)),
    (11, "subscription_ids", "varint", (PUBLISH, SUBSCRIBE)),
    (17, "session_expiry_s", "u32", (CONNECT, CONNACK, DISCONNECT)),
    (18, "assigned_client_id", "utf8", (CONNACK,)),
    (19, "server_keep_alive_s", "u16", (CONNACK,)),
    (21, "auth_method", "utf8", (CONNECT, CONNACK, AUTH)),
    (22, "auth_data", "binary", (CONNECT, CONNACK, AUTH)),
    (23, "request_problem", "flag", (CONNECT,)),
    (24, "will_delay_s", "u32", (WILL,)),
    (25, "request_response", "flag", (CONNECT,)),
    (26, "response_information", "utf8", (CONNACK,)),
    (28, "server_reference", "utf8", (CONNACK, DISCONNECT)),
    (31, "reason_string", "utf8", _ACKS),
    (33, "receive_maximum", "u16", (CONNECT, CONNACK)),
    (34, "topic_alias_maximum", "u16", (CONNECT, CONNACK)),
    (35, "topic_alias", "u16", (PUBLISH,)),
    (36, "maximum_qos", "flag", (CONNACK,)),
    (37, "retain_available", "flag", (CONNACK,)),
    (38, "user", "pair", _ALL),
    (39, "maximum_packet_bytes", "u32", (CONNECT, CONNACK)),
    (40, "wildcard_available", "flag", (CONNACK,)),
    (41, "subscription_id_available", "flag", (CONNACK,)),
    (42, "shared_available", "flag", (CONNACK,)),
)
_BY_NUMBER = {number: (field, kind, frozenset(packets)) for number, field, kind, packets in _TABLE}
_NEVER_ZERO = frozenset({"receive_maximum", "maximum_packet_bytes", "subscription_ids"})


def read(reader: Reader, packet: int) -> Properties:
    length = reader.varint()
    if not length:
        return NONE
    end = reader.position + length
    if end > reader.end:
        raise MalformedPacket(reasons.MALFORMED, "The properties are longer than the packet.")
    inner = Reader(reader.data, reader.position, end)
    reader.position = end
    single: dict[str, Value] = {}
    user: list[tuple[str, str]] = []
    identifiers: list[int] = []
    while inner.remaining():
        field, value = _read_one(inner, packet)
        if field == "user" and isinstance(value, tuple):
            user.append(value)
        elif field == "subscription_ids" and isinstance(value, int):
            if identifiers and packet == SUBSCRIBE:  # 3.8.2.1.2
                raise MalformedPacket(reasons.PROTOCOL_ERROR, "A subscription identifier stands twice.")
            identifiers.append(value)
        elif field in single:  # 2.2.2.2, per property: "It is a Protocol Error to include ... more than once"
            raise MalformedPacket(reasons.PROTOCOL_ERROR, f"The property {field} stands twice.")
        else:
            single[field] = value
    return msgspec.convert(
        {**single, "user": tuple(user), "subscription_ids": tuple(identifiers)}, Properties, strict=True
    )


def _read_one(reader: Reader, packet: int) -> tuple[str, Value]:
    known = _BY_NUMBER.get(reader.varint())
    if known is None or packet not in known[2]:  # 2.2.2.2
        raise MalformedPacket(reasons.MALFORMED, "A property does not belong into this packet.")
    field, kind, _ = known
    value: Value
    if kind == "flag":
        value = reader.u8()
        if value > 1:
            raise MalformedPacket(reasons.PROTOCOL_ERROR, f"The property {field} is neither 0 nor 1.")
    elif kind == "pair":
        value = (reader.utf8(), reader.utf8())
    elif kind == "utf8":
        value = reader.utf8()
    elif kind == "binary":
        value = reader.binary()
    elif kind == "varint":
        value = reader.varint()
    else:
        value = reader.u16() if kind == "u16" else reader.u32()
    if value == 0 and field in _NEVER_ZERO:
        raise MalformedPacket(reasons.PROTOCOL_ERROR, f"The property {field} is 0.")
    if value == 0 and field == "topic_alias":  # [MQTT-3.3.2-8]
        raise MalformedPacket(reasons.TOPIC_ALIAS_INVALID, "Topic alias 0 is not allowed.")
    if field == "response_topic" and isinstance(value, str) and ("+" in value or "#" in value):  # [MQTT-3.3.2-14]
        raise MalformedPacket(reasons.PROTOCOL_ERROR, "The response topic holds a wildcard.")
    return field, value


def write(properties: Properties) -> bytes:
    if properties is NONE:
        return b"\x00"
    out = bytearray()
    for number, field, kind, _ in _TABLE:
        value = getattr(properties, field)
        if field == "user":
            for name, entry in properties.user:
                out += b"\x26" + wire.utf8(name) + wire.utf8(entry)
        elif field == "subscription_ids":
            for identifier in properties.subscription_ids:
                out += b"\x0b" + wire.varint(identifier)
        elif value is not None:
            out.append(number)
            out += _write_one(kind, value)
    return wire.varint(len(out)) + bytes(out)


def _write_one(kind: str, value: int | str | bytes) -> bytes:
    if isinstance(value, str):
        return wire.utf8(value)
    if isinstance(value, bytes):
        return wire.binary(value)
    return value.to_bytes({"flag": 1, "u16": 2, "u32": 4}[kind], "big")

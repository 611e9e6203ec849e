"""One packet's bytes to a packet, strictly: what the standard calls malformed or a protocol error is refused."""

from __future__ import annotations

from collections.abc import Callable

from hub.broker import properties as props
from hub.broker import reasons
from hub.broker.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from hub.broker.topics import bad_filter, bad_topic
from hub.broker.wire import MalformedPacket, Reader, text

_PINGREQ, _PINGRESP = Pingreq(), Pingresp()
# 2.1.3: the four flag bits are fixed for everything but PUBLISH.
_FLAGS = {props.PUBREL: 2, props.SUBSCRIBE: 2, props.UNSUBSCRIBE: 2}


def decode(first: int, data: bytes, start: int, end: int, version: int) -> Packet:
    """The packet whose variable header and payload are data[start:end]."""
    kind = first >> 4
    if kind == props.PUBLISH:
        return decode_publish(first, data, start, end, version)
    if first & 0x0F != _FLAGS.get(kind, 0):  # [MQTT-2.1.3-1]
        raise MalformedPacket(reasons.MALFORMED, "Reserved flags of the fixed header are set.")
    body = _BODIES.get(kind)
    if body is None:
        raise MalformedPacket(reasons.MALFORMED, "Packet type 0 is reserved.")
    reader = Reader(data, start, end)
    packet = body(reader, version)
    reader.finish()
    return packet


def decode_publish(first: int, data: bytes, start: int, end: int, version: int) -> Publish:
    """The hot path: written out by hand, since a Reader costs more than all the rest."""
    qos = first >> 1 & 3
    dup = first & 8 != 0
    if qos == 3:  # [MQTT-3.3.1-4]
        raise MalformedPacket(reasons.MALFORMED, "QoS 3 does not exist.", props.PUBLISH)
    if dup and not qos:  # [MQTT-3.3.1-2]
        raise MalformedPacket(reasons.MALFORMED, "DUP is set on a QoS 0 message.", props.PUBLISH)
    position = start + 2
    body = position + int.from_bytes(data[start:position], "big")
    packet_id = 0
    if qos:
        topic_end, body = body, body + 2
        packet_id = int.from_bytes(data[topic_end:body], "big")
    else:
        topic_end = body
    if body > end:
        raise MalformedPacket(reasons.MALFORMED, "The packet ends in the middle of a field.", props.PUBLISH)
    if qos and not packet_id:  # [MQTT-2.2.1-3]
        raise MalformedPacket(reasons.PROTOCOL_ERROR, "Packet identifier 0 is not allowed.", props.PUBLISH)
    topic = text(data[position:topic_end])
    properties = props.NONE
    if version == 5:
        if body < end and not data[body]:
            body += 1
        else:
            reader = Reader(data, body, end)
            properties = props.read(reader, props.PUBLISH)
            body = reader.position
    if not topic and properties.topic_alias is not None:
        return Publish(topic, data[body:end], qos, first & 1 != 0, dup, packet_id, properties)
    if why := bad_topic(topic):  # [MQTT-3.3.2-2], [MQTT-4.7.3-1]
        raise MalformedPacket(reasons.TOPIC_INVALID, why, props.PUBLISH)
    return Publish(topic, data[body:end], qos, first & 1 != 0, dup, packet_id, properties)


def _connect(reader: Reader, _: int) -> Connect:
    if reader.binary() != b"MQTT":  # [MQTT-3.1.2-1]
        raise MalformedPacket(reasons.UNSUPPORTED_VERSION, "The protocol name is not MQTT.")
    version = reader.u8()
    if version not in (4, 5):  # [MQTT-3.1.2-2]
        raise MalformedPacket(reasons.UNSUPPORTED_VERSION, "Only MQTT 3.1.1 and 5 are spoken here.")
    flags = reader.u8()
    has_will, will_qos, has_password, has_username = flags & 4, flags >> 3 & 3, flags & 0x40, flags & 0x80
    if flags & 1:  # [MQTT-3.1.2-3]
        raise MalformedPacket(reasons.MALFORMED, "The reserved flag of CONNECT is set.")
    if will_qos == 3 or (not has_will and flags & 0x38):  # [MQTT-3.1.2-11], [MQTT-3.1.2-12], [MQTT-3.1.2-13]
        raise MalformedPacket(reasons.MALFORMED, "The will flags contradict each other.")
    if version == 4 and has_password and not has_username:  # 3.1.1: [MQTT-3.1.2-22]
        raise MalformedPacket(reasons.MALFORMED, "A password stands without a user name.")
    keep_alive_s = reader.u16()
    properties = props.read(reader, props.CONNECT) if version == 5 else props.NONE
    if properties.auth_data is not None and properties.auth_method is None:  # 3.1.2.11.10
        raise MalformedPacket(reasons.PROTOCOL_ERROR, "Authentication data stand without a method.")
    client_id = reader.utf8()
    will = _will(reader, version, flags) if has_will else None
    return Connect(
        version,
        client_id,
        bool(flags & 2),
        keep_alive_s,
        reader.utf8() if has_username else None,
        reader.binary() if has_password else None,
        will,
        properties,
    )


def _will(reader: Reader, version: int, flags: int) -> Will:
    properties = props.read(reader, props.WILL) if version == 5 else props.NONE
    topic = reader.utf8()
    if why := bad_topic(topic):
        raise MalformedPacket(reasons.TOPIC_INVALID, why)
    return Will(topic, reader.binary(), flags >> 3 & 3, bool(flags & 0x20), properties)


def _connack(reader: Reader, version: int) -> Connack:
    flags = reader.u8()
    if flags > 1:  # 3.2.2.1: bits 7-1 are reserved
        raise MalformedPacket(reasons.MALFORMED, "Reserved flags of CONNACK are set.")
    reason = reader.u8()
    return Connack(bool(flags), reason, _properties(reader, version, props.CONNACK))


def _ack(kind: int, make: Callable[[int, int, props.Properties], Packet]) -> Callable[[Reader, int], Packet]:
    def body(reader: Reader, version: int) -> Packet:
        packet_id = reader.packet_id()
        # 3.4.2.1: the reason code and the properties may be left out when there is nothing to say.
        reason = _reason(reader, kind) if version == 5 and reader.remaining() else 0
        properties = props.read(reader, kind) if version == 5 and reader.remaining() else props.NONE
        return make(packet_id, reason, properties)

    return body


def _subscribe(reader: Reader, version: int) -> Subscribe:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, props.SUBSCRIBE)
    entries = []
    while reader.remaining():
        name = _filter(reader)
        options = reader.u8()
        reserved = 0xC0 if version == 5 else 0xFC
        if options & reserved or options & 3 == 3:  # [MQTT-3.8.3-5]; 3.1.1: [MQTT-3-8.3-4]
            raise MalformedPacket(reasons.MALFORMED, "Reserved bits of the subscription options are set.")
        if options >> 4 & 3 == 3:
            raise MalformedPacket(reasons.PROTOCOL_ERROR, "Retain handling 3 does not exist.")
        if options & 4 and name.startswith("$share/"):  # [MQTT-3.8.3-4]
            raise MalformedPacket(reasons.PROTOCOL_ERROR, "No Local is set on a shared subscription.")
        entries.append(Subscription(name, options & 3, bool(options & 4), bool(options & 8), options >> 4 & 3))
    if not entries:  # [MQTT-3.8.3-2]
        raise MalformedPacket(reasons.PROTOCOL_ERROR, "SUBSCRIBE names no filter.")
    return Subscribe(packet_id, tuple(entries), properties)


def _unsubscribe(reader: Reader, version: int) -> Unsubscribe:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, props.UNSUBSCRIBE)
    filters = []
    while reader.remaining():
        filters.append(_filter(reader))
    if not filters:  # [MQTT-3.10.3-2]
        raise MalformedPacket(reasons.PROTOCOL_ERROR, "UNSUBSCRIBE names no filter.")
    return Unsubscribe(packet_id, tuple(filters), properties)


def _filter(reader: Reader) -> str:
    name = reader.utf8()
    if why := bad_filter(name):
        raise MalformedPacket(reasons.FILTER_INVALID, why)
    return name


def _suback(reader: Reader, version: int) -> Suback:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, props.SUBACK)
    return Suback(packet_id, tuple(reader.take(reader.remaining())), properties)


def _unsuback(reader: Reader, version: int) -> Unsuback:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, props.UNSUBACK)
    codes = tuple(reader.take(reader.remaining())) if version == 5 else ()
    return Unsuback(packet_id, codes, properties)


def _disconnect(reader: Reader, version: int) -> Disconnect:
    reason = _reason(reader, props.DISCONNECT) if version == 5 and reader.remaining() else 0
    more = version == 5 and reader.remaining()
    return Disconnect(reason, props.read(reader, props.DISCONNECT) if more else props.NONE)


def _auth(reader: Reader, version: int) -> Auth:
    if version != 5:  # 3.1.1, table 2.1: type 15 is reserved
        raise MalformedPacket(reasons.MALFORMED, "MQTT 3.1.1 has no AUTH packet.")
    reason = _reason(reader, props.AUTH) if reader.remaining() else 0
    return Auth(reason, props.read(reader, props.AUTH) if reader.remaining() else props.NONE)


def _reason(reader: Reader, packet: int) -> int:
    code = reader.u8()
    if code not in reasons.ALLOWED[packet]:  # [MQTT-3.4.2-1] and its like in 3.5 to 3.7, 3.14 and 3.15
        raise MalformedPacket(reasons.MALFORMED, "A reason code does not belong into this packet.")
    return code


def _properties(reader: Reader, version: int, packet: int) -> props.Properties:
    return props.read(reader, packet) if version == 5 else props.NONE


_BODIES: dict[int, Callable[[Reader, int], Packet]] = {
    props.CONNECT: _connect,
    props.CONNACK: _connack,
    props.PUBACK: _ack(props.PUBACK, Puback),
    props.PUBREC: _ack(props.PUBREC, Pubrec),
    props.PUBREL: _ack(props.PUBREL, Pubrel),
    props.PUBCOMP: _ack(props.PUBCOMP, Pubcomp),
    props.SUBSCRIBE: _subscribe,
    props.SUBACK: _suback,
    props.UNSUBSCRIBE: _unsubscribe,
    props.UNSUBACK: _unsuback,
    props.PINGREQ: lambda _reader, _version: _PINGREQ,
    props.PINGRESP: lambda _reader, _version: _PINGRESP,
    props.DISCONNECT: _disconnect,
    props.AUTH: _auth,
}

"""Packets to bytes, for MQTT 3.1.1 (version 4) and MQTT 5."""

from __future__ import annotations

from hub.broker import properties as props
from hub.broker import wire
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
    Unsuback,
    Unsubscribe,
)

_ACK_BYTE = {Puback: 0x40, Pubrec: 0x50, Pubrel: 0x62, Pubcomp: 0x70}


def encode(packet: Packet, version: int) -> bytes:
    match packet:
        case Publish():
            return encode_publish(packet, version)
        case Puback() | Pubrec() | Pubrel() | Pubcomp():
            return _ack(packet, version)
        case Connect():
            return _connect(packet)
        case Subscribe():
            return _subscribe(packet, version)
        case Unsubscribe() | Suback() | Unsuback():
            return _numbered(packet, version)
        case Connack():
            body = bytes((packet.session_present, packet.reason))
            return _frame(0x20, body + _properties(packet.properties, version))
        case Pingreq() | Pingresp():
            return b"\xc0\x00" if isinstance(packet, Pingreq) else b"\xd0\x00"
        case Disconnect() | Auth():
            return _frame(0xE0 if isinstance(packet, Disconnect) else 0xF0, _reason(packet, version))


def encode_publish(packet: Publish, version: int) -> bytes:
    flags = 0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain
    head = wire.utf8(packet.topic)
    if packet.qos:
        head += packet.packet_id.to_bytes(2, "big")
    if version == 5:
        head += props.write(packet.properties)
    return bytes((flags,)) + wire.varint(len(head) + len(packet.payload)) + head + packet.payload


def _ack(packet: Puback | Pubrec | Pubrel | Pubcomp, version: int) -> bytes:
    body = packet.packet_id.to_bytes(2, "big")
    if version == 5 and (packet.reason or packet.properties is not props.NONE):
        body += bytes((packet.reason,))
        if packet.properties is not props.NONE:
            body += props.write(packet.properties)
    return _frame(_ACK_BYTE[type(packet)], body)


def _connect(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean_start << 1 | (packet.password is not None) << 6 | (packet.username is not None) << 7
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
    body = b"\x00\x04MQTT" + bytes((packet.version, flags)) + wire.u16(packet.keep_alive_s)
    body += _properties(packet.properties, packet.version) + wire.utf8(packet.client_id)
    if will is not None:
        body += _properties(will.properties, packet.version) + wire.utf8(will.topic) + wire.binary(will.payload)
    if packet.username is not None:
        body += wire.utf8(packet.username)
    if packet.password is not None:
        body += wire.binary(packet.password)
    return _frame(0x10, body)


def _subscribe(packet: Subscribe, version: int) -> bytes:
    body = wire.u16(packet.packet_id) + _properties(packet.properties, version)
    for entry in packet.subscriptions:
        options = entry.qos
        if version == 5:
            options |= entry.no_local << 2 | entry.retain_as_published << 3 | entry.retain_handling << 4
        body += wire.utf8(entry.filter) + bytes((options,))
    return _frame(0x82, body)


def _numbered(packet: Unsubscribe | Suback | Unsuback, version: int) -> bytes:
    head = wire.u16(packet.packet_id) + _properties(packet.properties, version)
    if isinstance(packet, Unsubscribe):
        return _frame(0xA2, head + b"".join(wire.utf8(name) for name in packet.filters))
    if isinstance(packet, Suback):
        return _frame(0x90, head + bytes(packet.reasons))
    return _frame(0xB0, head + (bytes(packet.reasons) if version == 5 else b""))


def _reason(packet: Disconnect | Auth, version: int) -> bytes:
    if version != 5 or (not packet.reason and packet.properties is props.NONE):
        return b""
    if packet.properties is props.NONE:
        return bytes((packet.reason,))
    return bytes((packet.reason,)) + props.write(packet.properties)


def _properties(properties: props.Properties, version: int) -> bytes:
    return props.write(properties) if version == 5 else b""


def _frame(first: int, body: bytes) -> bytes:
    return bytes((first,)) + wire.varint(len(body)) + body

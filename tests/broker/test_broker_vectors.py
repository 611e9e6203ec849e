"""Bytes written down from the OASIS texts (MQTT 3.1.1 and MQTT 5), each with the clause that asks for them."""

from __future__ import annotations

import pytest

from hub.broker import packets as p
from hub.broker.codec import MalformedPacket, Parser, encode
from hub.broker.properties import Properties
from hub.broker.wire import Reader, text, varint

GOOD: list[tuple[str, int, str, p.Packet]] = [
    (
        "3.1.1 figure 3.6: user name, password, will QoS 1, clean session, keep alive 10",
        0,
        "10 1b 0004 4d515454 04 ce 000a 0001 61 0002 2f77 0001 78 0001 75 0002 7077",
        p.Connect(4, "a", True, 10, "u", b"pw", p.Will("/w", b"x", 1)),
    ),
    (
        "5, 3.1.2.11: session expiry interval 10 in CONNECT",
        0,
        "10 12 0004 4d515454 05 02 003c 05 11 0000000a 0000",
        p.Connect(5, "", True, 60, properties=Properties(session_expiry_s=10)),
    ),
    ("3.1.1, 3.2: CONNACK, session present", 4, "20 02 01 00", p.Connack(True, 0)),
    ("5, 3.2: CONNACK not authorised", 5, "20 03 00 87 00", p.Connack(False, 0x87)),
    (
        "3.1.1 figure 3.11: PUBLISH a/b, packet identifier 10",
        4,
        "32 07 0003 612f62 000a",
        p.Publish("a/b", b"", 1, packet_id=10),
    ),
    ("5, 3.3: QoS 0 has no identifier", 5, "31 06 0001 61 00 6869", p.Publish("a", b"hi", 0, True)),
    ("3.4: PUBACK", 4, "40 02 000a", p.Puback(10)),
    ("5, 3.4.2.1: remaining length 2 means reason code 0", 5, "40 02 000a", p.Puback(10)),
    ("5, 3.4.2.2.1: below length 4 there are no properties", 5, "40 03 000a 87", p.Puback(10, 0x87)),
    ("3.6.1: the flags of PUBREL are 0010", 4, "62 02 0001", p.Pubrel(1)),
    (
        "3.1.1 figure 3.23: SUBSCRIBE a/b at 1 and c/d at 2",
        4,
        "82 0e 000a 0003 612f62 01 0003 632f64 02",
        p.Subscribe(10, (p.Subscription("a/b", 1), p.Subscription("c/d", 2))),
    ),
    (
        "5, 3.8.3.1: no local, retain as published, retain handling 2",
        5,
        "82 07 0001 00 0001 61 2d",
        p.Subscribe(1, (p.Subscription("a", 1, True, True, 2),)),
    ),
    ("3.9.3: SUBACK 0, 2, failure", 4, "90 05 000a 00 02 80", p.Suback(10, (0, 2, 0x80))),
    ("3.10.1: the flags of UNSUBSCRIBE are 0010", 4, "a2 05 0001 0001 61", p.Unsubscribe(1, ("a",))),
    ("3.1.1, 3.11: UNSUBACK has no payload", 4, "b0 02 0001", p.Unsuback(1)),
    ("3.12", 4, "c0 00", p.Pingreq()),
    ("3.13", 5, "d0 00", p.Pingresp()),
    ("5, 3.14.2.1: no reason code means 0", 5, "e0 00", p.Disconnect()),
    ("5, 3.14: server shutting down", 5, "e0 01 8b", p.Disconnect(0x8B)),
]

BAD: list[tuple[str, int, str, int]] = [
    ("[MQTT-3.1.0-1] the first packet is CONNECT", 0, "c0 00", 0x82),
    ("HTTP is not MQTT", 0, b"GET / HTTP/1.1\r\n".hex(), 0x82),
    ("[MQTT-3.1.2-1] protocol name", 0, "10 0c 0004 4d515458 04 02 003c 0000", 0x84),
    ("[MQTT-3.1.2-2] protocol version 3", 0, "10 0c 0004 4d515454 03 02 003c 0000", 0x84),
    ("[MQTT-3.1.2-3] reserved flag of CONNECT", 0, "10 0c 0004 4d515454 04 03 003c 0000", 0x81),
    ("3.1.1 [MQTT-3.1.2-22] password without user name", 0, "10 0f 0004 4d515454 04 42 003c 0000 0001 78", 0x81),
    ("[MQTT-3.1.2-11] will QoS without will", 0, "10 0c 0004 4d515454 04 0a 003c 0000", 0x81),
    ("[MQTT-2.1.3-1] reserved flags: SUBSCRIBE with 0000", 4, "80 06 0001 0001 61 00", 0x81),
    ("[MQTT-2.1.3-1] reserved flags: PINGREQ with 0001", 4, "c1 00", 0x81),
    ("type 0 is reserved", 4, "00 00", 0x81),
    ("3.1.1: type 15 is reserved", 4, "f0 00", 0x81),
    ("1.5.5: a length of five bytes", 4, "30 ff ff ff ff 01", 0x81),
    ("[MQTT-1.5.5-1] a length longer than it need be", 5, "c0 80 00", 0x81),
    ("[MQTT-3.3.1-4] QoS 3", 4, "36 05 0001 61 0001", 0x81),
    ("[MQTT-3.3.1-2] DUP at QoS 0", 4, "38 03 0001 61", 0x81),
    ("[MQTT-2.2.1-3] packet identifier 0", 4, "32 05 0001 61 0000", 0x82),
    ("[MQTT-3.3.2-2] wildcard in a topic", 4, "30 03 0001 23", 0x90),
    ("[MQTT-4.7.3-1] empty topic", 4, "30 02 0000", 0x90),
    ("[MQTT-1.5.4-2] U+0000 in a topic", 4, "30 03 0001 00", 0x81),
    ("[MQTT-1.5.4-1] surrogate in a topic", 4, "30 05 0003 eda080", 0x81),
    ("[MQTT-1.5.4-1] truncated UTF-8", 4, "30 03 0001 e9", 0x81),
    ("a topic longer than its packet", 4, "30 03 0009 61", 0x81),
    ("[MQTT-3.8.3-2] SUBSCRIBE without a filter", 4, "82 02 0001", 0x82),
    ("[MQTT-4.7.1-1] # not at the end", 4, "82 08 0001 0003 232f61 00", 0x8F),
    ("[MQTT-4.7.1-2] + beside a letter", 4, "82 07 0001 0002 612b 00", 0x8F),
    ("3.1.1 [MQTT-3-8.3-4] subscription QoS 3", 4, "82 06 0001 0001 61 03", 0x81),
    ("[MQTT-3.8.3-5] reserved subscription option", 5, "82 07 0001 00 0001 61 40", 0x81),
    (
        "[MQTT-3.8.3-4] no local on a shared subscription",
        5,
        "82 10 0001 00 000a 24 73 68 61 72 65 2f 67 2f 61 04",
        0x82,
    ),
    ("2.2.2.2 a property of another packet", 5, "30 09 0001 61 05 11 0000000a", 0x81),
    ("2.2.2.2 an unknown property", 5, "30 06 0001 61 02 7f00", 0x81),
    ("3.3.2.3.2 payload format twice", 5, "30 08 0001 61 04 0100 0101", 0x82),
    ("3.1.2.11.3 receive maximum 0", 0, "10 10 0004 4d515454 05 02 003c 03 21 0000 0000", 0x82),
    ("[MQTT-3.3.2-8] topic alias 0", 5, "30 07 0001 61 03 23 0000", 0x94),
    ("properties longer than the packet", 5, "30 04 0001 61 7f", 0x81),
    ("bytes left over", 4, "c0 01 00", 0x81),
]


@pytest.mark.parametrize(("clause", "version", "data", "packet"), GOOD, ids=[row[0] for row in GOOD])
def test_the_standards_own_bytes_are_read_and_written(clause: str, version: int, data: str, packet: p.Packet) -> None:
    raw = bytes.fromhex(data)
    assert Parser(1_000, version=version).feed(raw) == [packet]
    assert encode(packet, version or packet.version) == raw  # type: ignore[union-attr]


@pytest.mark.parametrize(("clause", "version", "data", "reason"), BAD, ids=[row[0] for row in BAD])
def test_what_the_standard_forbids_is_refused(clause: str, version: int, data: str, reason: int) -> None:
    with pytest.raises(MalformedPacket) as caught:
        Parser(1_000, version=version).feed(bytes.fromhex(data))
    assert caught.value.reason_code == reason


# 5, table 1-1: the ends of each length's range.
@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_lengths_are_written_as_in_table_1_1(number: int, data: str) -> None:
    raw = bytes.fromhex(data)
    assert varint(number) == raw
    assert Reader(raw, 0, len(raw)).varint() == number


def test_the_byte_order_mark_is_kept() -> None:
    """[MQTT-1.5.4-3]: 0xEF 0xBB 0xBF is always U+FEFF and must not be stripped."""
    assert text(b"\xef\xbb\xbfA") == "\ufeffA"


def test_a_padded_length_is_taken_from_a_3_1_1_client() -> None:
    """3.1.1 does not ask for the shortest form, and small devices reserve a fixed number of bytes for it."""
    assert Parser(1_000, version=4).feed(bytes.fromhex("c0 80 00")) == [p.Pingreq()]

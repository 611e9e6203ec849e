"""Clauses of chapters 1, 2 and 4.13: bytes that must be refused, by hand, in both versions.

Each row names its clauses: [MQTT-...] is MQTT 5, [3.1.1: MQTT-...] is MQTT 3.1.1.
"""

from __future__ import annotations

import pytest

from hub.broker import packets as p
from hub.broker import wire
from hub.broker.codec import encode
from hub.broker.properties import Properties
from tests.broker.clausekit import (
    BOTH,
    about,
    assert_closed,
    assert_quiet,
    connect,
    enter,
    frame,
    hall,
    publish,
    subscribe,
    unsubscribe,
)

pytestmark = pytest.mark.anyio
SURROGATE, NUL, OVERLONG = b"a\xed\xa0\x80", b"a\x00b", b"\xc0\x80"
LOGIN = wire.binary(b"free") + wire.binary(b"open-sesame")
WILL = b"\x00" + wire.binary(b"t") + wire.binary(b"w")


def will_for(version: int, topic: bytes = b"t") -> bytes:
    return (b"\x00" if version == 5 else b"") + wire.binary(topic) + wire.binary(b"w")


STRANGE = [
    (
        "[MQTT-1.5.4-1] [3.1.1: MQTT-1.5.3-1] [MQTT-3.1.3-4] [3.1.1: MQTT-3.1.3-4] a surrogate in the client id",
        lambda v: connect(v, body=wire.binary(SURROGATE) + LOGIN),
    ),
    (
        "[MQTT-1.5.4-1] [3.1.1: MQTT-1.5.3-1] an overlong encoding in the client id",
        lambda v: connect(v, body=wire.binary(OVERLONG) + LOGIN),
    ),
    (
        "[MQTT-1.5.4-2] [3.1.1: MQTT-1.5.3-2] U+0000 in the client id",
        lambda v: connect(v, body=wire.binary(NUL) + LOGIN),
    ),
    (
        "[MQTT-3.1.3-12] [3.1.1: MQTT-3.1.3-11] an ill-formed user name",
        lambda v: connect(v, body=wire.binary(b"c") + wire.binary(SURROGATE) + wire.binary(b"open-sesame")),
    ),
    (
        "[MQTT-3.1.3-11] [3.1.1: MQTT-3.1.3-10] an ill-formed will topic",
        lambda v: connect(v, flags=0xC6, body=wire.binary(b"c") + will_for(v, SURROGATE) + LOGIN),
    ),
    ("[MQTT-3.1.2-3] [3.1.1: MQTT-3.1.2-3] the reserved flag is set", lambda v: connect(v, flags=0xC3)),
    ("[MQTT-3.1.2-11] [3.1.1: MQTT-3.1.2-13] a will QoS without a will", lambda v: connect(v, flags=0xCA)),
    (
        "[MQTT-3.1.2-13] [3.1.1: MQTT-3.1.2-15] [3.1.1: MQTT-3.1.2-11] a will retain without a will",
        lambda v: connect(v, flags=0xE2),
    ),
    (
        "[MQTT-3.1.2-12] [3.1.1: MQTT-3.1.2-14] a will of QoS 3",
        lambda v: connect(v, flags=0xDE, body=wire.binary(b"c") + will_for(v) + LOGIN),
    ),
    (
        "[MQTT-3.1.2-9] [3.1.1: MQTT-3.1.2-9] a will is announced and not there",
        lambda v: connect(v, flags=0x06, body=wire.binary(b"c")),
    ),
    (
        "[MQTT-3.1.2-17] [3.1.1: MQTT-3.1.2-19] a user name is announced and not there",
        lambda v: connect(v, flags=0x82, body=wire.binary(b"c")),
    ),
    (
        "[MQTT-3.1.2-19] [3.1.1: MQTT-3.1.2-21] a password is announced and not there",
        lambda v: connect(v, body=wire.binary(b"c") + wire.binary(b"free")),
    ),
    (
        "[MQTT-3.1.2-16] [3.1.1: MQTT-3.1.2-18] a user name is there and not announced",
        lambda v: connect(v, flags=0x02, body=wire.binary(b"c") + wire.binary(b"free")),
    ),
    ("[MQTT-3.1.2-18] [3.1.1: MQTT-3.1.2-20] a password is there and not announced", lambda v: connect(v, flags=0x82)),
    (
        "[MQTT-3.1.3-1] [3.1.1: MQTT-3.1.3-1] [MQTT-3.1.3-3] [3.1.1: MQTT-3.1.3-3] no client id stands first",
        lambda v: connect(v, body=b""),
    ),
    (
        "[MQTT-2.1.3-1] [3.1.1: MQTT-2.2.2-1] [3.1.1: MQTT-2.2.2-2] flags of CONNECT's own header are set",
        lambda v: b"\x11" + connect(v)[1:],
    ),
    ("[MQTT-3.1.0-1] [3.1.1: MQTT-3.1.0-1] PUBLISH comes first", lambda v: publish(v)),
    ("[MQTT-3.1.0-1] [3.1.1: MQTT-3.1.0-1] PINGREQ comes first", lambda v: b"\xc0\x00"),
    (
        "[MQTT-3.1.4-1] [3.1.1: MQTT-3.1.4-1] bytes are left over at the end",
        lambda v: frame(0x10, connect(v)[2:] + b"x"),
    ),
]


@BOTH
@pytest.mark.parametrize(("says", "data"), STRANGE, ids=[says for says, _ in STRANGE])
async def test_a_connect_that_breaks_a_rule_is_closed_without_a_word(version: int, says: str, data: object) -> None:
    """Also [MQTT-3.14.0-1]: no DISCONNECT comes before a CONNACK that lets in; [3.1.1: MQTT-3.2.2-6]: without a fitting
    return code the line is closed in silence; [3.1.1: MQTT-4.8.0-1] and [MQTT-4.13.1-1]: a violation closes."""
    async with hall() as home:
        client = await home.stranger(version)
        await client.raw(data(version))  # type: ignore[operator]
        assert await client.next() is None, says
        assert home.shelf.got == []


async def test_a_password_without_a_user_name_is_malformed_in_3_1_1() -> None:
    """[3.1.1: MQTT-3.1.2-22]; MQTT 5 allows it, and is refused here for want of a name."""
    async with hall() as home:
        body = wire.binary(b"c") + wire.binary(b"open-sesame")
        old, new = await home.stranger(4), await home.stranger(5)
        await old.raw(connect(4, flags=0x42, body=body))
        assert await old.next() is None
        await new.raw(connect(5, flags=0x42, body=body))
        assert await new.next() == p.Connack(False, 0x87)


@BOTH
async def test_another_protocol_name_is_not_served(version: int) -> None:
    """[MQTT-3.1.2-1] [3.1.1: MQTT-3.1.2-1] A name that is not MQTT is refused and the line closed."""
    async with hall() as home:
        client = await home.stranger(4)
        await client.raw(connect(version, name=b"MQTX"))
        answer = await client.next()
        assert answer is None or (isinstance(answer, p.Connack) and answer.reason != 0)
        assert answer is None or await client.next() is None


@pytest.mark.parametrize("level", [0, 3, 6, 0x84])
async def test_another_protocol_level_is_told_so_and_closed(level: int) -> None:
    """[MQTT-3.1.2-2] [3.1.1: MQTT-3.1.2-2] An unknown level gets return code 1 and the line ends."""
    async with hall() as home:
        client = await home.stranger(4)
        await client.raw(connect(4, level=level))
        assert await client.next() == p.Connack(False, 1)
        assert await client.next() is None


TWO = b"\x00\x02"
BAD_TEXT = wire.binary(SURROGATE)
MALFORMED = [
    # says, versions, bytes, what MQTT 5 is told
    (
        "[MQTT-2.1.3-1] [3.1.1: MQTT-2.2.2-1] [3.1.1: MQTT-2.2.2-2] flags of PUBACK",
        45,
        lambda v: b"\x41\x02" + TWO,
        0x81,
    ),
    ("[MQTT-2.1.3-1] [3.1.1: MQTT-2.2.2-1] [3.1.1: MQTT-2.2.2-2] flags of PINGREQ", 45, lambda v: b"\xc8\x00", 0x81),
    ("[MQTT-3.6.1-1] [3.1.1: MQTT-3.6.1-1] PUBREL without its fixed flags", 45, lambda v: b"\x60\x02" + TWO, 0x81),
    (
        "[MQTT-3.8.1-1] [3.1.1: MQTT-3.8.1-1] SUBSCRIBE without its fixed flags",
        45,
        lambda v: b"\x80" + subscribe(v, b"a")[1:],
        0x81,
    ),
    (
        "[MQTT-3.10.1-1] [3.1.1: MQTT-3.10.1-1] UNSUBSCRIBE without its fixed flags",
        45,
        lambda v: b"\xa0" + unsubscribe(v, b"a")[1:],
        0x81,
    ),
    ("[MQTT-3.14.1-1] [3.1.1: MQTT-3.14.1-1] flags of DISCONNECT", 45, lambda v: b"\xe1\x00", 0x81),
    ("[MQTT-3.15.1-1] flags of AUTH", 5, lambda v: b"\xf1\x00", 0x81),
    ("[MQTT-1.5.5-1] a length in more bytes than it needs", 5, lambda v: b"\xc0\x80\x00", 0x81),
    (
        "[MQTT-1.5.5-1] a property length in more bytes than it needs",
        5,
        lambda v: publish(v, properties=b"\x80\x00"),
        0x81,
    ),
    (
        "[MQTT-1.5.7-1] an ill-formed name of a user property",
        5,
        lambda v: publish(v, properties=about(b"\x26" + BAD_TEXT + wire.binary(b"v"))),
        0x81,
    ),
    (
        "[MQTT-1.5.7-1] an ill-formed value of a user property",
        5,
        lambda v: publish(v, properties=about(b"\x26" + wire.binary(b"n") + wire.binary(NUL))),
        0x81,
    ),
    (
        "[MQTT-2.2.1-3] [3.1.1: MQTT-2.3.1-1] PUBLISH with identifier 0",
        45,
        lambda v: publish(v, first=0x32, packet_id=b"\x00\x00"),
        0x82,
    ),
    (
        "[MQTT-2.2.1-3] [3.1.1: MQTT-2.3.1-1] SUBSCRIBE with identifier 0",
        45,
        lambda v: subscribe(v, b"a", packet_id=b"\x00\x00"),
        0x82,
    ),
    (
        "[MQTT-2.2.1-3] [3.1.1: MQTT-2.3.1-1] UNSUBSCRIBE with identifier 0",
        45,
        lambda v: unsubscribe(v, b"a", packet_id=b"\x00\x00"),
        0x82,
    ),
    ("[MQTT-3.3.1-2] [3.1.1: MQTT-3.3.1-2] DUP on QoS 0", 45, lambda v: publish(v, first=0x38), 0x81),
    ("[MQTT-3.3.1-4] [3.1.1: MQTT-3.3.1-4] QoS 3", 45, lambda v: publish(v, first=0x36, packet_id=TWO), 0x81),
    ("[MQTT-3.3.2-1] [3.1.1: MQTT-3.3.2-1] an ill-formed topic", 45, lambda v: publish(v, SURROGATE), 0x81),
    ("[MQTT-4.7.3-2] [3.1.1: MQTT-4.7.3-2] U+0000 in a topic", 45, lambda v: publish(v, NUL), 0x81),
    ("[MQTT-4.7.3-2] [3.1.1: MQTT-4.7.3-2] U+0000 in a filter", 45, lambda v: subscribe(v, NUL), 0x81),
    (
        "[MQTT-3.3.2-2] [3.1.1: MQTT-3.3.2-2] [MQTT-4.7.0-1] [3.1.1: MQTT-4.7.1-1] # in a topic",
        45,
        lambda v: publish(v, b"a/#"),
        0x90,
    ),
    (
        "[MQTT-3.3.2-2] [3.1.1: MQTT-3.3.2-2] [MQTT-4.7.0-1] [3.1.1: MQTT-4.7.1-1] + in a topic",
        45,
        lambda v: publish(v, b"a/+/b"),
        0x90,
    ),
    ("[MQTT-4.7.3-1] [3.1.1: MQTT-4.7.3-1] an empty topic", 45, lambda v: publish(v, b""), 0x90),
    ("[MQTT-4.7.3-1] [3.1.1: MQTT-4.7.3-1] an empty filter", 45, lambda v: subscribe(v, b""), 0x8F),
    ("[MQTT-3.3.2-8] topic alias 0", 5, lambda v: publish(v, properties=about(b"\x23\x00\x00")), 0x94),
    (
        "[MQTT-3.3.2-9] [MQTT-3.2.2-17] a topic alias beyond what was told",
        5,
        lambda v: publish(v, properties=about(b"\x23\x00\x21")),
        0x94,
    ),
    (
        "[MQTT-3.3.2-13] an ill-formed response topic",
        5,
        lambda v: publish(v, properties=about(b"\x08" + BAD_TEXT)),
        0x81,
    ),
    (
        "[MQTT-3.3.2-14] a wildcard in a response topic",
        5,
        lambda v: publish(v, properties=about(b"\x08" + wire.binary(b"a/#"))),
        0x82,
    ),
    ("[MQTT-3.3.2-19] an ill-formed content type", 5, lambda v: publish(v, properties=about(b"\x03" + BAD_TEXT)), 0x81),
    (
        "[MQTT-3.3.4-6] a client's PUBLISH with a subscription identifier",
        5,
        lambda v: publish(v, properties=about(b"\x0b\x05")),
        0x82,
    ),
    ("[MQTT-3.8.3-1] [3.1.1: MQTT-3.8.3-1] an ill-formed filter", 45, lambda v: subscribe(v, SURROGATE), 0x81),
    ("[MQTT-3.8.3-2] [3.1.1: MQTT-3.8.3-3] SUBSCRIBE without a filter", 45, lambda v: subscribe(v), 0x82),
    ("[MQTT-3.8.3-4] No Local on a shared subscription", 5, lambda v: subscribe(v, b"$share/g/a", options=4), 0x82),
    (
        "[MQTT-3.8.3-5] [3.1.1: MQTT-3-8.3-4] reserved bits of the options",
        45,
        lambda v: subscribe(v, b"a", options=0x40),
        0x81,
    ),
    ("[3.1.1: MQTT-3-8.3-4] options of MQTT 5", 4, lambda v: subscribe(v, b"a", options=0x04), 0x81),
    ("[MQTT-3.8.3-5] [3.1.1: MQTT-3-8.3-4] a subscription of QoS 3", 45, lambda v: subscribe(v, b"a", options=3), 0x81),
    (
        "[MQTT-3.10.3-1] [3.1.1: MQTT-3.10.3-1] an ill-formed filter of UNSUBSCRIBE",
        45,
        lambda v: unsubscribe(v, SURROGATE),
        0x81,
    ),
    ("[MQTT-3.10.3-2] [3.1.1: MQTT-3.10.3-2] UNSUBSCRIBE without a filter", 45, lambda v: unsubscribe(v), 0x82),
    ("[MQTT-4.7.1-1] [3.1.1: MQTT-4.7.1-2] # before the end", 45, lambda v: subscribe(v, b"a/#/b"), 0x8F),
    ("[MQTT-4.7.1-1] [3.1.1: MQTT-4.7.1-2] # beside other characters", 45, lambda v: subscribe(v, b"a#"), 0x8F),
    ("[MQTT-4.7.1-2] [3.1.1: MQTT-4.7.1-3] + beside other characters", 45, lambda v: subscribe(v, b"a+/b"), 0x8F),
    ("[MQTT-4.8.2-1] a share without a name", 5, lambda v: subscribe(v, b"$share//a"), 0x8F),
    ("[MQTT-4.8.2-2] a share name with a wildcard", 5, lambda v: subscribe(v, b"$share/g+/a"), 0x8F),
    ("[MQTT-4.8.2-2] a share without a filter", 5, lambda v: subscribe(v, b"$share/g"), 0x8F),
    ("[MQTT-4.8.2-2] a share with an empty filter", 5, lambda v: subscribe(v, b"$share/g/"), 0x8F),
    ("[MQTT-3.1.0-2] [3.1.1: MQTT-3.1.0-2] a second CONNECT", 45, lambda v: connect(v), 0x82),
    ("[MQTT-3.14.2-1] DISCONNECT with a code that does not exist", 5, lambda v: b"\xe0\x01\x03", 0x81),
    ("[MQTT-3.4.2-1] PUBACK with a code that does not exist", 5, lambda v: b"\x40\x03\x00\x02\x03", 0x81),
    ("[MQTT-3.5.2-1] PUBREC with a code that does not exist", 5, lambda v: b"\x50\x03\x00\x02\x92", 0x81),
    ("[MQTT-3.6.2-1] PUBREL with a code that does not exist", 5, lambda v: b"\x62\x03\x00\x02\x10", 0x81),
    ("[MQTT-3.7.2-1] PUBCOMP with a code that does not exist", 5, lambda v: b"\x70\x03\x00\x02\x10", 0x81),
    ("[MQTT-3.15.2-1] AUTH with a code that does not exist", 5, lambda v: b"\xf0\x01\x01", 0x81),
    ("[MQTT-4.12.0-7] [MQTT-4.12.1-1] [MQTT-4.12.1-2] AUTH where no method was agreed", 5, lambda v: b"\xf0\x00", 0x82),
    ("[3.1.1: MQTT-4.8.0-1] packet type 15 in 3.1.1", 4, lambda v: b"\xf0\x00", 0x81),
    ("[MQTT-4.13.1-1] [3.1.1: MQTT-4.8.0-1] packet type 0", 45, lambda v: b"\x00\x00", 0x81),
    (
        "[MQTT-4.13.1-1] [3.1.1: MQTT-4.8.0-1] a CONNACK from a client",
        45,
        lambda v: encode(p.Connack(False, 0), v),
        0x82,
    ),
    ("[MQTT-4.13.1-1] [3.1.1: MQTT-4.8.0-1] a SUBACK from a client", 45, lambda v: encode(p.Suback(2, (0,)), v), 0x82),
    ("[MQTT-4.13.1-1] [3.1.1: MQTT-4.8.0-1] a PINGRESP from a client", 45, lambda v: b"\xd0\x00", 0x82),
    (
        "[MQTT-4.13.1-1] a property that does not belong here",
        5,
        lambda v: publish(v, properties=about(b"\x21\x00\x05")),
        0x81,
    ),
    ("[MQTT-4.13.1-1] a property twice", 5, lambda v: publish(v, properties=about(b"\x01\x00\x01\x00")), 0x82),
    (
        "[MQTT-4.13.1-1] a property that is neither 0 nor 1",
        5,
        lambda v: publish(v, properties=about(b"\x01\x02")),
        0x82,
    ),
    (
        "[MQTT-4.13.1-1] [3.1.1: MQTT-4.8.0-1] a remaining length of five bytes",
        45,
        lambda v: b"\xc0\x80\x80\x80\x80\x01",
        0x81,
    ),
    ("[MQTT-3.2.2-15] a packet beyond what was told", 45, lambda v: b"\x30\xff\xff\x7f", 0x95),
]
ROWS = [
    pytest.param(version, data, code, id=f"{version} {says}")
    for says, versions, data, code in MALFORMED
    for version in ((4, 5) if versions == 45 else (versions,))
]


@pytest.mark.parametrize(("version", "data", "code"), ROWS)
async def test_bytes_that_break_a_rule_end_the_line(version: int, data: object, code: int) -> None:
    """[MQTT-4.13.1-1] [3.1.1: MQTT-4.8.0-1] and the clause each row names; MQTT 5 is told the code of 2.4.
    [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1] Nothing follows our DISCONNECT, and the line closes."""
    async with hall() as home:
        client = await enter(home, version)
        await client.raw(data(version) + encode(p.Publish("late", b"x", 1, packet_id=9), version))  # type: ignore[operator]
        await assert_closed(client, code)
        assert home.shelf.got == []


@BOTH
async def test_u_feff_stays_where_it_stands(version: int) -> None:
    """[MQTT-1.5.4-3] [3.1.1: MQTT-1.5.3-3] EF BB BF is a character like any other, at the start of a topic too."""
    async with hall() as home:
        client = await enter(home, version)
        await client.subscribe("\ufeffa/\ufeff")
        await client.send(p.Publish("\ufeffa/\ufeff", b"x"), p.Publish("a/", b"y"))
        assert (await client.message()).topic == "\ufeffa/\ufeff"
        await assert_quiet(client)


@BOTH
async def test_topics_may_have_65_535_bytes_on_the_wire(version: int) -> None:
    """[MQTT-4.7.3-3] [3.1.1: MQTT-4.7.3-3] The longest string there is can be read; beyond our own limit of 1,024 it is
    refused in words (0x90), not as a malformed packet."""
    async with hall() as home:
        client = await enter(home, version)
        await client.subscribe("t" * 1_024)
        await client.send(p.Publish("t" * 1_024, b"x"))
        assert (await client.message()).topic == "t" * 1_024
        await client.send(p.Publish("t" * 65_535, b"x", 1, packet_id=1))
        assert await client.next() == (p.Puback(1, 0x90) if version == 5 else None)


@BOTH
async def test_identifiers_come_back_as_they_were_sent(version: int) -> None:
    """[MQTT-2.2.1-5] [3.1.1: MQTT-2.3.1-6] acknowledgements, [MQTT-2.2.1-6] [3.1.1: MQTT-2.3.1-7] SUBACK and UNSUBACK
    carry the identifier of what they answer."""
    async with hall() as home:
        client = await enter(home, version)
        for number in (1, 300, 65_535):
            await client.send(p.Publish("a", b"x", 1, packet_id=number), p.Publish("a", b"x", 2, packet_id=number + 0))
            assert await client.next() == p.Puback(number)
            assert await client.next() == p.Pubrec(number)
            await client.send(
                p.Pubrel(number), p.Subscribe(number, (p.Subscription("z"),)), p.Unsubscribe(number, ("z",))
            )
            assert await client.next() == p.Pubcomp(number)
            answers = [await client.next(), await client.next()]
            assert [one.packet_id for one in answers] == [number, number]  # type: ignore[union-attr]


async def test_a_packet_without_properties_says_so_with_a_zero() -> None:
    """[MQTT-2.2.2-1] The property length is written, as 0, by us as well."""
    async with hall() as home:
        client = await enter(home, 5)
        await client.subscribe("a", qos=0)
        await client.send(p.Publish("a", b"x"))
        packet = await client.message()
        assert encode(packet, 5) == bytes.fromhex("30 05 0001 61 00 78")
        assert packet.properties == Properties()


async def test_a_qos_0_publish_has_no_identifier() -> None:
    """[MQTT-2.2.1-2] [3.1.1: MQTT-2.3.1-5] Behind the topic of a QoS 0 message stands its payload, and ours have
    no identifier either."""
    async with hall() as home:
        client = await enter(home, 4)
        await client.subscribe("a", qos=2)
        await client.raw(publish(4, b"a", packet_id=b"\x00\x07"))
        packet = await client.message()
        assert (packet.payload, packet.qos, packet.packet_id) == (b"\x00\x07x", 0, 0)
        assert encode(packet, 4) == bytes.fromhex("30 06 0001 61 0007 78")

"""Clauses of SUBSCRIBE, UNSUBSCRIBE and their answers (3.8 to 3.11), of PINGREQ (3.12) and DISCONNECT (3.14)."""

from __future__ import annotations

import pytest

from hub.broker import packets as p
from hub.broker.codec import encode
from tests.broker.clausekit import BOTH, assert_closed, assert_quiet, enter, frame, hall, next_by_qos, stays

pytestmark = pytest.mark.anyio


@BOTH
async def test_subscribe_is_answered_filter_by_filter(version: int) -> None:
    """[MQTT-3.8.4-1] [3.1.1: MQTT-3.8.4-1] SUBACK answers, [MQTT-3.8.4-2] [3.1.1: MQTT-3.8.4-2] under its identifier;
    [MQTT-3.8.4-5] [3.1.1: MQTT-3.8.4-4] several filters are taken one after the other and answered at once;
    [MQTT-3.8.4-6] [3.1.1: MQTT-3.8.4-5] [MQTT-3.9.3-1] [3.1.1: MQTT-3.9.3-1] with a code for each, in their order:
    [MQTT-3.8.4-7] [MQTT-3.9.3-2] [3.1.1: MQTT-3.9.3-2] the QoS that is granted, or a failure."""
    async with hall() as home:
        client = await home.client(version, "watch")
        wanted = (("home/a", 2), ("foreign", 1), ("home/b", 0), ("home/+/#", 1))
        await client.send(p.Subscribe(515, tuple(p.Subscription(name, qos) for name, qos in wanted)))
        assert await client.next() == p.Suback(515, (2, 0x87 if version == 5 else 0x80, 0, 1))


@BOTH
async def test_a_message_comes_at_the_lower_qos(version: int) -> None:
    """[MQTT-3.8.4-8] [3.1.1: MQTT-3.8.4-6] A message comes at the lower of its own QoS and the one granted."""
    async with hall() as home:
        client = await enter(home, version)
        for granted in (0, 1, 2):
            assert await client.subscribe("a", qos=granted) == (granted,)
            for qos in (0, 1, 2):
                await home.broker.publish("a", b"", qos=qos)
                packet = await client.next()
                assert isinstance(packet, p.Publish)
                assert packet.qos == min(qos, granted)
                if packet.qos == 2:
                    await client.send(p.Pubrec(packet.packet_id), p.Pubcomp(packet.packet_id))
                    assert await client.next() == p.Pubrel(packet.packet_id)
                elif packet.qos:
                    await client.send(p.Puback(packet.packet_id))


@BOTH
async def test_the_same_filter_again_replaces_the_subscription(version: int) -> None:
    """[MQTT-3.8.4-3] [3.1.1: MQTT-3.8.4-3] One copy comes, at the newer QoS; [MQTT-3.8.4-4] what is retained comes
    again, and nothing that was under way is lost."""
    async with hall() as home:
        await home.broker.publish("a", b"kept", qos=1, retain=True)
        client = await enter(home, version)
        await client.subscribe("a", qos=0)
        assert (await client.message()).payload == b"kept"
        for number in range(4):
            await home.broker.publish("a", b"%d" % number)
            assert content(await client.message()) == (b"%d" % number, min(number, 1))
            await client.send(p.Subscribe(7, (p.Subscription("a", 1),)))
            assert await client.next() == p.Suback(7, (1,))
            assert (await client.message()).payload == b"kept"
        await assert_quiet(client)


def content(packet: p.Publish) -> tuple[bytes, int]:
    return packet.payload, packet.qos


async def test_no_local_keeps_ones_own_messages_away() -> None:
    """[MQTT-3.8.3-3] With No Local 1 a client does not hear itself; others do, and it hears them."""
    async with hall() as home:
        client, other = await enter(home), await enter(home, client_id="other")
        await client.send(p.Subscribe(1, (p.Subscription("a", 0, no_local=True),)))
        assert await client.next() == p.Suback(1, (0,))
        await other.subscribe("a", qos=0)
        await client.send(p.Publish("a", b"mine"))
        assert (await other.message()).payload == b"mine"
        await other.send(p.Publish("a", b"theirs"))
        assert (await client.message()).payload == b"theirs"


@BOTH
async def test_wildcards_are_supported(version: int) -> None:
    """[3.1.1: MQTT-3.8.3-2] A server without wildcards refuses them; we have them: + for one level, # for the parent
    and all below."""
    async with hall() as home:
        for name, matching in (
            ("a/+", {"a/b", "a/"}),
            ("a/#", {"a", "a/", "a/b", "a/b/c"}),
            ("+/b/#", {"a/b", "a/b/c"}),
        ):
            client = await enter(home, version)
            await client.subscribe(name, qos=0)
            for topic in ("a", "a/", "a/b", "a/b/c", "b"):
                await home.broker.publish(topic, b"", qos=0)
            assert {(await client.message()).topic for _ in matching} == matching
            await assert_quiet(client)
            await client.vanish()


@BOTH
async def test_unsubscribe_ends_exactly_what_it_names(version: int) -> None:
    """[MQTT-3.10.4-1] [3.1.1: MQTT-3.10.4-1] Compared letter by letter; [MQTT-3.10.4-2] [3.1.1: MQTT-3.10.4-2] nothing
    new is added for it; [MQTT-3.10.4-4] [3.1.1: MQTT-3.10.4-4] UNSUBACK answers under its identifier, [MQTT-3.10.4-5]
    [3.1.1: MQTT-3.10.4-5] also when nothing was there; [MQTT-3.10.4-6] [3.1.1: MQTT-3.10.4-6] several filters get one
    answer, [MQTT-3.11.3-1] with their codes in order ([MQTT-3.11.3-2])."""
    async with hall() as home:
        client = await enter(home, version)
        await client.subscribe("a/+", "a/b", "c", qos=0)
        await client.send(p.Unsubscribe(600, ("a/+", "a/B", "#", "c")))
        codes = (0, 0x11, 0x11, 0) if version == 5 else ()
        assert await client.next() == p.Unsuback(600, codes)
        for topic in ("a/x", "a/b", "c"):
            await home.broker.publish(topic, b"", qos=0)
        assert (await client.message()).topic == "a/b"
        await assert_quiet(client)


@BOTH
async def test_what_has_begun_before_unsubscribe_is_completed(version: int) -> None:
    """[MQTT-3.10.4-3] [3.1.1: MQTT-3.10.4-3] QoS 1 and 2 that went out are repeated and finished."""
    async with hall() as home:
        client, _ = await stays(home, version)
        await client.subscribe("a", qos=2)
        for qos in (1, 2):
            await home.broker.publish("a", b"x", qos=qos)
        first = await next_by_qos(client, 2)
        await client.send(p.Unsubscribe(9, ("a",)))
        assert isinstance(await client.next(), p.Unsuback)
        await client.vanish()
        client, _ = await stays(home, version)
        again = await next_by_qos(client, 2)
        assert [one.packet_id for one in again] == [one.packet_id for one in first]
        await client.send(p.Puback(first[0].packet_id), p.Pubrec(first[1].packet_id))
        assert await client.next() == p.Pubrel(first[1].packet_id)
        await client.send(p.Pubcomp(first[1].packet_id))
        await assert_quiet(client)


@BOTH
async def test_every_ping_is_answered(version: int) -> None:
    """[MQTT-3.12.4-1] [3.1.1: MQTT-3.12.4-1] One PINGRESP for each."""
    async with hall() as home:
        client = await enter(home, version)
        await client.send(*[p.Pingreq()] * 20)
        assert [await client.next() for _ in range(20)] == [p.Pingresp()] * 20


@BOTH
async def test_disconnect_is_the_last_that_is_heard(version: int) -> None:
    """[3.1.1: MQTT-3.14.4-1] [3.1.1: MQTT-3.14.4-2] [MQTT-3.14.4-1] [MQTT-3.14.4-2] What comes behind it is not taken,
    and we close the line if the client does not."""
    async with hall() as home:
        client = await enter(home, version)
        await client.send(p.Disconnect(), p.Publish("a", b"late", 1, packet_id=1))
        assert await client.next() is None
        assert home.shelf.got == []


async def test_an_interval_that_was_0_stays_0() -> None:
    """3.14.2.2.2: DISCONNECT cannot give a session a future it never had; that is a protocol error
    ([MQTT-4.13.1-1])."""
    async with hall() as home:
        client = await enter(home)
        await client.raw(frame(0xE0, b"\x00\x05\x11\x00\x00\x00\x3c"))
        await assert_closed(client, 0x82)


@BOTH
async def test_any_stream_in_order_carries_it(version: int) -> None:
    """[MQTT-4.2.0-1] [3.1.1: MQTT-7.1.1-1] TCP, byte by byte; TLS and WebSocket have tests of their own. Nothing
    outside the standard is asked of a client: [3.1.1: MQTT-7.0.0-2]."""
    async with hall() as home:
        client = await home.stranger(version)
        hello = p.Connect(version, "c", True, 60, "free", b"open-sesame")
        for byte in encode(hello, version) + encode(p.Publish("a", b"x", 1, packet_id=1), version):
            await client.raw(bytes((byte,)))
        assert isinstance(await client.next(), p.Connack)
        assert await client.next() == p.Puback(1)

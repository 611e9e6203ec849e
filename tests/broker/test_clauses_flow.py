"""Clauses of order (4.6), flow control (4.9), shared subscriptions (4.8.2) and of what may not be published (3.3.5)."""

from __future__ import annotations

import asyncio

import pytest

from hub.broker import Limits
from hub.broker import packets as p
from tests.broker.clausekit import (
    BOTH,
    KEPT,
    assert_closed,
    assert_quiet,
    enter,
    hall,
    kept_subscriber,
    next_by_qos,
    next_publish,
    stays,
)
from tests.broker.rig import Client

pytestmark = pytest.mark.anyio


@BOTH
async def test_order_is_kept_from_publisher_to_subscriber(version: int) -> None:
    """[MQTT-4.6.0-5] [MQTT-4.6.0-6] [3.1.1: MQTT-4.6.0-5] [3.1.1: MQTT-4.6.0-6] Within a topic and a QoS, also when
    half of it waited for the subscriber; ours go out in order: [3.1.1: MQTT-4.6.0-2] PUBACK, [3.1.1: MQTT-4.6.0-3]
    PUBREC and [3.1.1: MQTT-4.6.0-4] PUBREL, and repetitions too: [3.1.1: MQTT-4.6.0-1]."""
    async with hall() as home:
        client = await kept_subscriber(home, version, qos=2)
        sender = await enter(home, version, "sender")
        for start in (1, 21):
            await sender.send(*(p.Publish("a", b"%d" % n, 1 + n % 2, packet_id=n) for n in range(start, start + 20)))
            answers = [await sender.next() for _ in range(20)]
            assert [one.packet_id for one in answers] == list(range(start, start + 20))  # type: ignore[union-attr]
            if start == 1:
                first = await next_by_qos(client, 20)
                await client.vanish()
        client, _ = await stays(home, version, "sub")
        again = await next_by_qos(client, 40)
        assert [int(one.payload) for one in again] == [*range(2, 41, 2), *range(1, 41, 2)]
        assert [one.packet_id for one in again if int(one.payload) <= 20] == [one.packet_id for one in first]
        twos = [one.packet_id for one in again if one.qos == 2]
        await client.send(*(p.Pubrec(number) for number in twos))
        assert [await client.next() for _ in twos] == [p.Pubrel(number) for number in twos]


async def test_a_client_gets_no_more_than_it_can_hold() -> None:
    """[MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-3.3.4-9] Never more than its Receive Maximum of QoS 1 and 2 without an
    answer; [MQTT-3.3.4-10] [MQTT-4.9.0-3] what else there is to say goes on: QoS 0, SUBACK, PINGRESP."""
    async with hall() as home:
        client = await kept_subscriber(home, 5, receive_maximum=2)
        for number in range(5):
            await home.broker.publish("a", b"%d" % number, qos=1 + number % 2)
        one, two = await next_publish(client), await next_publish(client)
        await assert_quiet(client)
        assert await client.subscribe("b", qos=0) == (0,)
        await client.send(p.Pubrec(two.packet_id))
        assert await client.next() == p.Pubrel(two.packet_id)
        await assert_quiet(client)  # PUBREC is not the end of it
        await client.send(p.Puback(one.packet_id))
        assert (await next_publish(client)).payload == b"2"
        await client.send(p.Pubcomp(two.packet_id))
        assert (await next_publish(client)).payload == b"3"
        await assert_quiet(client)


async def test_a_client_that_sends_more_than_we_can_hold_is_closed() -> None:
    """[MQTT-3.3.4-7] 0x93; until then [MQTT-3.3.4-8] whatever else it says is answered."""
    async with hall(limits=Limits(receive_maximum=2)) as home:
        home.shelf.settling = False
        client = await enter(home)
        await client.send(p.Publish("a", b"1", 1, packet_id=1), p.Publish("a", b"2", 2, packet_id=2))
        await home.shelf.holds(2)
        await assert_quiet(client)
        await client.send(p.Publish("a", b"3", 1, packet_id=3))
        await assert_closed(client, 0x93)


async def test_a_message_outside_ones_rights_is_refused_as_the_version_can() -> None:
    """[3.1.1: MQTT-3.3.5-2] 3.1.1 may acknowledge or close: we close, for a PUBACK would say it is stored. MQTT 5 gets
    0x87 and goes on."""
    async with hall() as home:
        old, new = await home.client(4, "hut-1", client_id="o"), await home.client(5, "hut-1", client_id="n")
        assert await old.publish("a", b"x") is None
        assert await new.publish("a", b"x") == p.Puback(1, 0x87)
        assert home.shelf.got == []


async def test_a_transient_fault_of_ours_closes_the_line() -> None:
    """[3.1.1: MQTT-4.8.0-2] Who cannot go on with a packet closes the line it came on, and no other."""
    async with hall() as home:
        put = home.shelf.put

        async def failing(uplink: object) -> None:
            raise MemoryError

        home.shelf.put = failing  # type: ignore[method-assign]
        one, other = await enter(home, 4), await enter(home, 4, "other")
        assert await one.publish("a", b"x") is None
        await assert_quiet(other)
        home.shelf.put = put  # type: ignore[method-assign]
        home.broker.counters.faults = 0


# Shared subscriptions.


async def test_each_member_of_a_share_has_its_own_qos() -> None:
    """[MQTT-4.8.2-1] [MQTT-4.8.2-2] $share/name/filter; [MQTT-4.8.2-3] a message comes at the QoS of the member it is
    given to, and to one alone."""
    async with hall() as home:
        low, high = await enter(home, 5, "low"), await enter(home, 5, "high")
        assert await low.subscribe("$share/g/a/+", qos=0) == (0,)
        assert await high.subscribe("$share/g/a/+", qos=1) == (1,)
        for number in range(10):
            await home.broker.publish(f"a/{number}", b"%d" % number, qos=2)
        await low.send(p.Pingreq())
        await high.send(p.Pingreq())
        got = {0: await until_ping(low), 1: await until_ping(high)}
        assert sorted(one.payload for many in got.values() for one in many) == [b"%d" % n for n in range(10)]
        assert all(one.qos == qos for qos, many in got.items() for one in many)
        assert all(got.values())


async def until_ping(client: Client) -> list[p.Publish]:
    found: list[p.Publish] = []
    while not isinstance(packet := await client.next(), p.Pingresp):
        assert isinstance(packet, p.Publish)
        found.append(packet)
        if packet.qos == 1:
            await client.send(p.Puback(packet.packet_id))
    return found


async def test_qos_2_of_a_share_stays_with_the_member_it_was_given_to() -> None:
    """[MQTT-4.8.2-4] It is completed when that member comes back; [MQTT-4.8.2-5] when its session ends first, the
    message goes to nobody else."""
    async with hall() as home:
        member = await home.client(5, "free", client_id="m", clean=False, properties=KEPT)
        await member.subscribe("$share/g/a", qos=2)
        await home.broker.publish("a", b"x", qos=2)
        first = await next_publish(member)
        other = await enter(home, 5, "other")
        await other.subscribe("$share/g/a", qos=2)
        await member.vanish()
        await assert_quiet(other)
        member, _ = await stays(home, 5, "m")
        again = await next_publish(member)
        assert (again.payload, again.dup, again.packet_id) == (b"x", True, first.packet_id)
        await member.vanish()
        await (await enter(home, 5, "m")).vanish()  # a clean start: the session is gone
        await assert_quiet(other)
        await asyncio.sleep(0)
        await assert_quiet(other)


async def test_what_a_member_refuses_goes_to_no_other() -> None:
    """[MQTT-4.8.2-6] A PUBACK or PUBREC of 0x80 or above discards it."""
    async with hall() as home:
        member = await enter(home, 5, "m")
        await member.subscribe("$share/g/a", qos=2)
        for qos in (1, 2):
            await home.broker.publish("a", b"x", qos=qos)
        one, two = await next_publish(member), await next_publish(member)
        other = await enter(home, 5, "other")
        await other.subscribe("$share/g/a", qos=2)
        await member.send(p.Puback(one.packet_id, 0x80), p.Pubrec(two.packet_id, 0x80))
        await assert_quiet(member)
        await member.vanish()
        await assert_quiet(other)

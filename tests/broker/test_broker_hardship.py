"""The embedded broker when things go wrong: garbage, silence, floods, slow readers, take-overs, a hub that blocks."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.codec import encode
from hub.broker.properties import Properties
from hub.clock import ManualClock
from hub.uplink import Uplink, Verdict
from tests.broker.rig import AREA, START, House, house, up

pytestmark = pytest.mark.anyio
VERSIONS = pytest.mark.parametrize("version", [4, 5])
STATE = f"linli/1/{AREA}/hut-1/state"


async def alive(home: House) -> bool:
    """A newcomer is still served."""
    client = await home.client(name="hut-2", client_id="probe")
    await client.send(p.Pingreq())
    return await client.next() == p.Pingresp()


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x00", b"\xc0\x00", b"\x16\x03\x01\x02\x00", b"\x10\xff\xff\xff\x7f"]
)
async def test_garbage_before_connect_closes_the_line(garbage: bytes) -> None:
    async with house() as home:
        client = await home.stranger(4)
        await client.raw(garbage)
        assert await client.next() is None
        assert await alive(home)


async def test_seeded_garbage_after_login_ends_one_line_only() -> None:
    dice = random.Random(7)
    async with house() as home:
        for number in range(40):
            client = await home.client(dice.choice((4, 5)), client_id=f"c{number}")
            sound = encode(p.Publish(up(), dice.randbytes(20), 1, packet_id=1), client.version)
            torn = bytearray(sound)
            torn[dice.randrange(len(torn))] ^= 1 << dice.randrange(8)
            await client.raw(bytes(torn) + dice.randbytes(50))
            await client.vanish()
        assert await alive(home)


async def test_unsupported_versions_are_told_so() -> None:
    async with house() as home:
        client = await home.stranger(4)
        await client.raw(bytes.fromhex("10 0c 0004 4d515454 03 02 003c 0000"))
        assert await client.next() == p.Connack(False, 1)
        assert await client.next() is None


async def test_a_silent_stranger_is_shown_out_after_ten_seconds() -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        silent, halting = await home.stranger(), await home.stranger()
        await halting.raw(b"\x10\x20\x00\x04MQ")
        client = await home.client(client_id="c1")
        clock.advance(11)
        assert await silent.next() is None
        assert await halting.next() is None
        assert home.broker.counters.connect_timeouts == 2
        await client.send(p.Pingreq())
        assert await client.next() == p.Pingresp()


@VERSIONS
async def test_a_half_open_line_ends_after_one_and_a_half_keep_alives_with_its_will(version: int) -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        client = await home.client(version, keep_alive_s=40, will=p.Will(STATE, b"offline", 1))
        clock.advance(59)
        await client.send(p.Pingreq())
        assert await client.next() == p.Pingresp()
        clock.advance(59)
        await client.raw(b"\x32\x7f\x00")  # half a packet is no sign of life
        clock.advance(2)
        if version == 5:
            assert await client.next() == p.Disconnect(0x8D)
        assert await client.next() is None
        assert (await home.shelf.holds(1))[0].payload == b"offline"
        assert home.broker.counters.keep_alive_expired == 1


@VERSIONS
async def test_a_take_over_ends_the_older_line_and_its_will_comes_first(version: int) -> None:
    async with house() as home:
        old = await home.client(version, will=p.Will(STATE, b"offline", 1, True))
        new = await home.client(version)
        assert await new.publish(STATE, b"online", retain=True) == p.Puback(1)
        if version == 5:
            assert await old.next() == p.Disconnect(0x8E)
        assert await old.next() is None
        assert home.shelf.payloads == [b"offline", b"online"]
        assert [up for _, _, up in home.shelf.links] == [True, False, True]


async def test_another_account_cannot_take_a_session_over() -> None:
    async with house() as home:
        first = await home.client(name="hut-1", client_id="same")
        await home.client(name="hut-2", client_id="same")
        await first.send(p.Pingreq())
        assert await first.next() == p.Pingresp()


@VERSIONS
@pytest.mark.parametrize("size", [300_000, 132_000])
async def test_a_payload_beyond_the_limit_is_refused_and_counted(version: int, size: int) -> None:
    async with house() as home:
        client = await home.client(version)
        await client.send(p.Publish(up(), bytes(size), 1, packet_id=1))
        if version == 5:
            assert await client.next() == p.Disconnect(0x95)
        assert await client.next() is None
        assert home.shelf.refusals == ["too-large"]
        assert home.shelf.got == []
        assert await alive(home)


async def test_the_largest_payload_allowed_comes_through() -> None:
    async with house() as home:
        client = await home.client()
        assert await client.publish(up(), bytes(131_072)) == p.Puback(1)


@VERSIONS
async def test_a_hub_that_blocks_holds_the_publisher_back_and_nothing_is_lost(version: int) -> None:
    async with house() as home:
        home.shelf.open.clear()
        client = await home.client(version)
        payloads = [b"%d" % number + bytes(1_000) for number in range(400)]
        said = [p.Publish(up(), payload, 1, packet_id=n) for n, payload in enumerate(payloads, 1)]
        sending = asyncio.create_task(client.send(*said))
        hearing = asyncio.create_task(client.next())
        other = await home.client(name="hut-2")  # logins and pings of others go on
        await other.send(p.Pingreq())
        assert await other.next() == p.Pingresp()
        assert not hearing.done()  # not one PUBACK
        assert home.shelf.got == []
        home.shelf.open.set()
        await sending
        answers = [await hearing] + [await client.next() for _ in range(399)]
        assert answers == [p.Puback(n) for n in range(1, 401)]
        assert home.shelf.payloads == payloads


async def test_a_hub_that_blocks_stops_the_reading_and_not_only_the_answers() -> None:
    async with house() as home:
        home.shelf.open.clear()
        client = await home.client()
        said = [p.Publish(up(), bytes(131_000), 1, packet_id=n) for n in range(1, 401)]
        sending = asyncio.create_task(client.send(*said))
        # A loaded machine may take long for 52 MB, so no clock decides: either we stop reading or we swallow them all.
        while not sending.done() and not any(line._read_paused for line in home.broker._lines):  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not sending.done()
        home.shelf.open.set()
        await sending
        assert [await client.next() for _ in range(400)] == [p.Puback(n) for n in range(1, 401)]


async def test_waiting_for_our_own_disk_is_not_the_clients_silence() -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        home.shelf.open.clear()
        client = await home.client(keep_alive_s=10)
        await client.send(p.Publish(up(), b"x", 1, packet_id=1))
        other = await home.client(name="hut-2", client_id="c9", keep_alive_s=300)
        clock.advance(30)
        await other.send(p.Pingreq())
        await other.next()
        home.shelf.open.set()
        assert await client.next() == p.Puback(1)


async def test_a_flood_beyond_the_receive_maximum_ends_an_mqtt_5_line() -> None:
    async with house(limits=Limits(receive_maximum=3)) as home:
        home.shelf.settling = False
        client = await home.client()
        await client.send(*(p.Publish(up(), b"x", 1, packet_id=n) for n in range(1, 5)))
        assert await client.next() == p.Disconnect(0x93)
        assert len(home.shelf.got) == 3


async def test_a_flood_of_3_1_1_is_held_back_by_tcp() -> None:
    async with house(limits=Limits(receive_maximum=3)) as home:
        home.shelf.settling = False
        client = await home.client(4)
        await client.send(*(p.Publish(up(), b"x", 1, packet_id=n) for n in range(1, 8)))
        await home.shelf.holds(3)
        other = await home.client(4, "hut-2")
        await other.send(p.Pingreq())
        await other.next()
        assert len(home.shelf.got) == 3
        home.shelf.settling = True
        for uplink in tuple(home.shelf.got):
            uplink.settle(Verdict.STORED)
        assert [await client.next() for _ in range(7)] == [p.Puback(n) for n in range(1, 8)]


async def test_a_slow_subscriber_loses_qos_0_and_is_cut_at_qos_1_alone() -> None:
    limits = Limits(queue_messages_max=10, write_buffer_bytes=10_000)
    async with house(limits=limits) as home:
        lossy, strict = await home.client(name="watch", client_id="q0"), await home.client(name="watch", client_id="q1")
        quick = await home.client(name="watch", client_id="ok")
        assert await lossy.subscribe("home/#", qos=0) == (0,)
        assert await strict.subscribe("home/#", qos=1) == (1,)
        await quick.subscribe("home/#", qos=1)
        heard = 0
        while not home.broker.counters.slow_cut or not home.broker.counters.dropped:
            await home.broker.publish("home/x", bytes(60_000))
            assert len((await quick.message()).payload) == 60_000
            heard += 1
            assert heard < 2_000
        await home.broker.publish("home/x", b"last")
        assert (await quick.message()).payload == b"last"
        assert home.broker.counters.slow_cut == 1


async def test_a_subscriber_that_was_away_gets_what_it_missed() -> None:
    async with house() as home:
        kept = Properties(session_expiry_s=60)
        away = await home.client(name="watch", clean=False, properties=kept)
        await away.subscribe("home/#")
        await home.broker.publish("home/x", b"unacknowledged")
        assert isinstance(first := await away.next(), p.Publish)
        await away.vanish()
        await home.broker.publish("home/x", b"missed")
        await home.broker.publish("home/x", b"qos 0 is not kept", qos=0)
        back = await home.stranger()
        answer = await back.login("watch", clean=False, properties=kept)
        assert answer.session_present
        again = await back.message()
        assert (again.payload, again.dup, again.packet_id) == (b"unacknowledged", True, first.packet_id)
        assert (await back.message()).payload == b"missed"
        await home.broker.publish("home/x", b"now")
        assert (await back.message()).payload == b"now"


async def test_a_session_ends_with_its_expiry() -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        kept = Properties(session_expiry_s=60)
        client = await home.client(name="hut-1", clean=False, properties=kept)
        await client.vanish()
        await home.shelf.until(lambda: len(home.shelf.links) == 2)
        await alive(home)
        assert home.broker.sessions == 2
        clock.advance(61)
        answer = await (await home.stranger()).login("hut-1", clean=False, properties=kept)
        assert not answer.session_present


async def test_qos_2_out_is_finished_step_by_step() -> None:
    async with house() as home:
        watcher = await home.client(name="watch")
        await watcher.subscribe("home/#", qos=2)
        await home.broker.publish("home/x", b"once", qos=2)
        packet = await watcher.next()
        assert isinstance(packet, p.Publish)
        assert packet.qos == 2
        await watcher.send(p.Pubrec(packet.packet_id))
        assert await watcher.next() == p.Pubrel(packet.packet_id)
        await watcher.send(p.Pubcomp(packet.packet_id), p.Pubrec(77))
        assert await watcher.next() == p.Pubrel(77, 0x92)


async def test_a_fault_of_ours_ends_one_line_and_tells_no_payload(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as home:
        put = home.shelf.put

        async def failing(uplink: Uplink) -> None:
            if uplink.payload == b"poison":
                raise RuntimeError(f"cannot store {uplink.payload!r}")
            await put(uplink)

        home.shelf.put = failing  # type: ignore[method-assign]
        with caplog.at_level(logging.DEBUG):
            client = await home.client()
            assert await client.publish(up(), b"poison") == p.Disconnect(0x80)
            assert await client.next() is None
            assert await alive(home)
        assert home.broker.counters.faults == 1
        assert "poison" not in caplog.text
        assert all("poison" not in str(record.__dict__) for record in caplog.records)
        home.broker.counters.faults = 0
        again = await home.client()
        assert await again.publish(up(), b"sound") == p.Puback(1)


async def test_retained_messages_are_bounded_for_each_account() -> None:
    async with house(limits=Limits(retained_per_account=2)) as home:
        client = await home.client()
        for number in range(3):
            await client.publish(f"linli/1/{AREA}/hut-1/twin/{number}/reported", b"x", retain=True)
        assert (home.broker.retained.count, home.broker.counters.retained_refused) == (3, 1)  # two, and the hub's own
        await client.publish(f"linli/1/{AREA}/hut-1/twin/0/reported", b"", retain=True)
        await client.publish(f"linli/1/{AREA}/hut-1/twin/2/reported", b"x", retain=True)
        assert home.broker.retained.count == 3


async def test_thousands_retained_reach_a_subscriber_with_a_small_window() -> None:
    limits = Limits(queue_messages_max=10, write_buffer_bytes=2_000)
    async with house(limits=limits) as home:
        for number in range(2_000):
            await home.broker.publish(f"home/{number}", b"state", retain=True)
        watcher = await home.client(name="watch", properties=Properties(receive_maximum=5))
        await watcher.subscribe("home/#")
        assert {(await watcher.message()).topic for _ in range(2_000)} == {f"home/{number}" for number in range(2_000)}
        assert home.broker.counters.slow_cut == 0

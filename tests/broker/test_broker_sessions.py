"""What one session may expect: flow control both ways, redelivery, properties that travel, aliases, cuts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import directory, registry
from hub.broker import Broker, Limits
from hub.broker import packets as p
from hub.broker.counters import Counters
from hub.broker.message import Message, Parcel
from hub.broker.properties import Properties
from hub.broker.session import Session
from hub.clock import ManualClock
from hub.db import Tx
from tests.broker.rig import AREA, START, Book, House, Shelf, house
from tests.world import make_store

pytestmark = pytest.mark.anyio
VERSIONS = pytest.mark.parametrize("version", [4, 5])
KEPT = Properties(session_expiry_s=3_600)


async def test_a_client_never_has_more_in_flight_than_it_allows_also_when_it_comes_back_with_less() -> None:
    async with house() as home:
        client = await home.client(5, "watch", clean=False, properties=KEPT)
        await client.subscribe("home/#")
        for number in range(10):
            await home.broker.publish("home/x", b"%d" % number)
        sent = [await client.next() for _ in range(10)]
        await client.vanish()
        narrow = Properties(session_expiry_s=3_600, receive_maximum=2)
        client = await home.client(5, "watch", clean=False, properties=narrow)
        await home.broker.publish("home/x", b"new")
        for number in range(0, 10, 2):
            again = [await client.next(), await client.next()]
            assert [(each.packet_id, each.dup) for each in again if isinstance(each, p.Publish)] == [
                (each.packet_id, True) for each in sent[number : number + 2] if isinstance(each, p.Publish)
            ]
            await client.send(p.Pingreq())
            assert await client.next() == p.Pingresp()  # a third one would have come before
            await client.send(*(p.Puback(each.packet_id) for each in again if isinstance(each, p.Publish)))
        last = await client.message()
        assert (last.payload, last.dup) == (b"new", False)


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_order_of_answers_nothing_is_lost_doubled_or_beyond_the_window(data: st.DataObject) -> None:
    """A model of one subscriber: connects and goes, answers or not; QoS 1 at least once, QoS 2 exactly once."""
    session = Session("s", "watch", "c", Limits(receive_maximum=3), lambda message: True, counters=Counters())
    session.expiry_s = 60.0
    session.resume(0.0)
    offered = 0
    waiting: list[p.Publish | p.Pubrel] = []
    got: dict[int, list[bytes]] = {1: [], 2: []}
    unreleased: set[int] = set()  # the subscriber's own memory of QoS 2
    done = False
    while True:
        waiting += session.take()
        assert sum(isinstance(each, p.Publish) for each in waiting) <= 3
        step = "answer" if done else data.draw(st.sampled_from(["publish", "reconnect", *["answer"] * 3]))
        if step == "publish" and offered < 12:
            qos = data.draw(st.sampled_from([1, 2]))
            session.offer(Parcel(Message("home/x", b"%d" % offered, qos)), qos, False, (), 0.0)
            offered += 1
        elif step == "reconnect":
            session.pause()
            waiting.clear()
            session.resume(0.0)
        elif waiting:
            packet = waiting.pop(0)
            if isinstance(packet, p.Pubrel):
                unreleased.discard(packet.packet_id)
                session.acknowledged(packet.packet_id, 0.0)
            elif packet.qos == 1:
                got[1].append(packet.payload)
                session.acknowledged(packet.packet_id, 0.0)
            else:
                if packet.packet_id not in unreleased:
                    got[2].append(packet.payload)
                unreleased.add(packet.packet_id)
                session.recorded(packet.packet_id)
                waiting.append(p.Pubrel(packet.packet_id))
        elif done:
            break
        done = done or offered == 12 or (offered > 6 and data.draw(st.booleans(), label="enough"))
    assert len(got[2]) == len(set(got[2]))
    assert sorted({*got[1], *got[2]}) == sorted(b"%d" % number for number in range(offered))


async def test_a_session_that_is_taken_over_goes_on_on_the_new_line() -> None:
    async with house() as home:
        first = await home.client(5, "watch", clean=False, properties=KEPT)
        await first.subscribe("home/#")
        await home.broker.publish("home/x", b"unanswered")
        assert isinstance(sent := await first.next(), p.Publish)
        second = await home.client(5, "watch", clean=False, properties=KEPT)
        again = await second.message()
        assert (again.payload, again.packet_id, again.dup) == (b"unanswered", sent.packet_id, True)
        assert await first.next() == p.Disconnect(0x8E)
        await home.broker.publish("home/x", b"now")
        assert (await second.message()).payload == b"now"


@VERSIONS
async def test_a_queue_has_an_end_and_what_does_not_fit_is_counted(version: int) -> None:
    clock = ManualClock(START)
    async with house(clock, Limits(queue_messages_max=3)) as home:
        kept = KEPT if version == 5 else Properties()
        away = await home.client(version, "watch", clean=False, properties=kept)
        await away.subscribe("home/#")
        await away.send(p.Disconnect())
        assert await away.next() is None
        sender = await home.client(5, "watch", client_id="c2")
        fading = Properties(message_expiry_s=10)
        for number in range(1, 3):
            await sender.publish("home/x", b"fading", number, properties=fading)
        for number in range(2):
            await home.broker.publish("home/x", b"%d" % number)
        assert home.broker.counters.dropped == 1
        clock.advance(11)
        await home.broker.publish("home/x", b"2")  # the faded ones make room
        assert (home.broker.counters.dropped, home.broker.counters.expired) == (1, 2)
        away = await home.client(version, "watch", clean=False, properties=kept)
        assert [(await away.message()).payload for _ in range(2)] == [b"0", b"2"]


async def test_every_property_of_a_message_travels_and_none_of_the_hop() -> None:
    async with house() as home:
        watcher, sender = await home.client(5, "watch"), await home.client(5, "watch", client_id="c2")
        await watcher.send(p.Subscribe(1, (p.Subscription("home/#", 2),), Properties(subscription_ids=(300,))))
        await watcher.next()
        said = Properties(
            payload_format=1,
            message_expiry_s=60,
            content_type="text/plain",
            response_topic="home/answers",
            correlation=b"\x00\xff",
            user=(("a", "1"), ("a", "2"), ("b", "")),
        )
        await sender.publish("home/x", "读数".encode(), properties=said)
        await sender.send(p.Publish("home/x", b"2", 2, packet_id=2, properties=Properties(topic_alias=1)))
        got = await watcher.message()
        expected = Properties(
            payload_format=1,
            message_expiry_s=got.properties.message_expiry_s,
            content_type="text/plain",
            response_topic="home/answers",
            correlation=b"\x00\xff",
            user=(("a", "1"), ("a", "2"), ("b", "")),
            subscription_ids=(300,),
        )
        assert got.properties == expected
        assert got.properties.message_expiry_s in (59, 60)
        second = await watcher.next()
        assert isinstance(second, p.Publish)
        assert second.properties == Properties(subscription_ids=(300,))


async def test_topics_are_said_once_to_a_client_that_takes_aliases() -> None:
    async with house() as home:
        two = Properties(topic_alias_maximum=2, session_expiry_s=60)
        client = await home.client(5, "watch", properties=two)
        await client.subscribe("home/#")
        for topic in ("home/a", "home/b", "home/a", "home/c", "home/b"):
            await home.broker.publish(topic, b"x")
        got = [await client.message() for _ in range(5)]
        assert [(each.topic, each.properties.topic_alias) for each in got] == [
            ("home/a", 1),
            ("home/b", 2),
            ("", 1),
            ("home/c", None),
            ("", 2),
        ]
        await client.vanish()
        client = await home.client(5, "watch", clean=False, properties=two)
        await home.broker.publish("home/b", b"x")
        said = await client.message()
        assert (said.topic, said.properties.topic_alias) == ("home/b", 1)  # aliases end with the line


async def test_what_is_larger_than_a_client_takes_is_not_sent_and_counted() -> None:
    async with house() as home:
        small = Properties(maximum_packet_bytes=60, topic_alias_maximum=5, session_expiry_s=60)
        client = await home.client(5, "watch", clean=False, properties=small)
        await client.subscribe("home/#")
        for size in range(30, 70):
            await home.broker.publish("home/x", b"y" * size)
        await home.broker.publish("home/x", b"last")
        sizes = []
        while (got := await client.message()).payload != b"last":
            sizes.append(len(got.payload))
        # header 2, topic 8, identifier 2, properties 1 or more
        assert sizes == list(range(30, 48))
        assert home.broker.counters.dropped_too_large == 70 - 48


async def test_an_answer_larger_than_a_client_takes_ends_the_line_and_is_not_sent() -> None:
    async with house() as home:
        client = await home.client(5, "watch", properties=Properties(maximum_packet_bytes=32))
        await client.send(p.Subscribe(1, tuple(p.Subscription(f"home/{n}", 0) for n in range(40))))
        assert await client.next() == p.Disconnect(0x95)


@VERSIONS
async def test_keep_alive_0_is_lawful_and_never_runs_out(version: int) -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        client = await home.stranger(version)
        answer = await client.login(keep_alive_s=0)
        assert (answer.reason, answer.properties.server_keep_alive_s) == (0, None)
        await home.client(name="hut-2")
        clock.advance(100_000)
        await client.send(p.Pingreq())
        assert await client.next() == p.Pingresp()


async def test_enhanced_authentication_is_refused_in_words_of_the_protocol() -> None:
    async with house() as home:
        answer = await (await home.stranger()).login(properties=Properties(auth_method="SCRAM-SHA-256"))
        assert answer.reason == 0x8C
        client = await home.client()
        await client.send(p.Auth(0x18, Properties(auth_method="SCRAM-SHA-256")))
        assert await client.next() == p.Disconnect(0x82)


async def test_a_clean_start_ends_the_old_session_and_with_it_the_delay_of_its_will() -> None:
    async with house() as home:
        state = f"linli/1/{AREA}/hut-1/state"
        will = p.Will(state, b"offline", 1, properties=Properties(will_delay_s=600))
        hut = await home.client(will=will, clean=False, properties=KEPT)
        await hut.vanish()
        await home.shelf.until(lambda: len(home.shelf.links) == 2)
        again = await home.client(clean=True, properties=KEPT)
        await again.publish(state, b"online")
        assert home.shelf.payloads == [b"offline", b"online"]


@pytest.mark.parametrize("how", ["revoke", "rotate"])
async def test_a_credential_that_changes_cuts_its_lines_and_sessions_within_five_seconds(
    how: str, tmp_path: Path
) -> None:
    """The real registry over a real store, on a clock that moves a second at a time."""
    clock = ManualClock(START)
    store = make_store(tmp_path, clock=clock)
    secret = await store.write(_furnish)
    book = registry.Registry(store, clock)
    await book.load()
    broker = Broker(book, shelf := Shelf(), clock, store.rng)
    home = House(broker, shelf, Book(), *await broker.listen("127.0.0.1", 0))
    following = asyncio.create_task(book.follow(broker))
    client = await home.stranger()
    assert (await client.login("gw-1", secret=secret, clean=False, properties=KEPT)).reason == 0
    change = registry.revoke_credential if how == "revoke" else registry.rotate_credential
    await store.write(lambda tx: change(tx, "gw-1"))
    waiting = asyncio.create_task(client.next())
    for _ in range(5):
        clock.advance(1)
        await asyncio.wait({waiting}, timeout=0.5)
    assert waiting.done()
    assert waiting.result() == p.Disconnect(0x87)
    assert broker.sessions == 0
    assert (await (await home.stranger()).login("gw-1", secret=secret)).reason == 0x86
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await broker.stop()
    for each in home.clients:
        await each.vanish()
    store.close()


def _furnish(tx: Tx) -> str:
    directory.found_area(tx, AREA, "district", "东宝区", "Dongbao")
    return registry.add_gateway(tx, "gw-1", AREA)

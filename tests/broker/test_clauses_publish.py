"""Clauses of PUBLISH and its acknowledgements (3.3 to 3.7), of QoS and repetition (4.3 to 4.5)."""

from __future__ import annotations

import pytest

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.properties import Properties
from hub.clock import ManualClock
from hub.uplink import Verdict
from tests.broker.clausekit import (
    BOTH,
    assert_closed,
    assert_quiet,
    enter,
    hall,
    kept_subscriber,
    next_by_qos,
    next_publish,
    stays,
)
from tests.broker.rig import START, Client

pytestmark = pytest.mark.anyio


@BOTH
async def test_what_is_sent_first_is_no_duplicate_and_what_is_repeated_is(version: int) -> None:
    """[MQTT-4.3.1-1] [3.1.1: MQTT-4.3.1-1] QoS 0 goes out with DUP 0 ([MQTT-3.3.1-2] [3.1.1: MQTT-3.3.1-2]), so do
    QoS 1 ([MQTT-4.3.2-2]) and 2 ([MQTT-4.3.3-2]) the first time. [MQTT-3.3.1-1] [3.1.1: MQTT-3.3.1-1] On the next
    line they come with DUP 1 and [MQTT-4.4.0-1] [3.1.1: MQTT-4.4.0-1] [3.1.1: MQTT-2.3.1-3] the same identifier, in
    the old order."""
    async with hall() as home:
        client = await kept_subscriber(home, version)
        for qos in (0, 1, 2):
            await home.broker.publish("a", b"%d" % qos, qos=qos)
        first = await next_by_qos(client, 3)
        assert [(one.qos, one.dup) for one in first] == [(0, False), (1, False), (2, False)]
        await assert_quiet(client)
        await client.vanish()
        client, _ = await stays(home, version, "sub")
        again = await next_by_qos(client, 2)
        assert [(one.qos, one.dup, one.packet_id) for one in again] == [
            (one.qos, True, one.packet_id) for one in first[1:]
        ]


@BOTH
async def test_nothing_is_repeated_while_the_line_lasts(version: int) -> None:
    """[MQTT-4.4.0-1] Only a new line repeats; a silent subscriber is not pestered."""
    clock = ManualClock(START)
    async with hall(clock) as home:
        client = await enter(home, version, keep_alive_s=0)
        await client.subscribe("a", qos=1)
        await home.broker.publish("a", b"x")
        await next_publish(client)
        for _ in range(20):
            clock.advance(60)
            await assert_quiet(client)


@BOTH
async def test_the_publishers_dup_is_not_passed_on(version: int) -> None:
    """[MQTT-3.3.1-3] [3.1.1: MQTT-3.3.1-3] DUP says what this line has seen, not what another one has."""
    async with hall() as home:
        client = await enter(home, version)
        await client.subscribe("a", qos=1)
        await client.send(p.Publish("a", b"x", 1, dup=True, packet_id=5))
        heard = {type(one): one for one in (await client.next(), await client.next())}
        assert heard[p.Publish].dup is False  # type: ignore[union-attr]


@BOTH
async def test_the_newest_retained_message_replaces_the_older(version: int) -> None:
    """[MQTT-3.3.1-5] [3.1.1: MQTT-3.3.1-5] It is kept with its QoS, and [3.1.1: MQTT-3.3.1-7] of QoS 0 as well;
    [MQTT-3.3.1-9] [3.1.1: MQTT-3.3.1-6] [3.1.1: MQTT-3.3.1-8] a new subscription gets it with RETAIN 1;
    [MQTT-3.3.1-12] [3.1.1: MQTT-3.3.1-9] an old one gets it live with RETAIN 0. [MQTT-3.3.1-8] [3.1.1: MQTT-3.3.1-12] A
    message without RETAIN changes nothing of what is kept."""
    async with hall() as home:
        client, late = await enter(home, version), await enter(home, version, "late")
        await client.subscribe("a")
        for payload, retain in ((b"1", True), (b"2", True), (b"3", False)):
            await client.send(p.Publish("a", payload, 0, retain))
            packet = await client.message()
            assert (packet.payload, packet.retain) == (payload, False)
        await late.subscribe("a")
        packet = await late.message()
        assert (packet.payload, packet.retain, packet.qos) == (b"2", True, 0)
        await assert_quiet(late)


@BOTH
async def test_what_is_retained_outlives_the_session_that_sent_it(version: int) -> None:
    """[3.1.1: MQTT-3.1.2-7] It is no part of the session and is not deleted with it."""
    async with hall() as home:
        sender = await enter(home, version, "sender")
        assert await sender.publish("a", b"x", retain=True) == p.Puback(1)
        await sender.vanish()
        await (await enter(home, version, "sender")).vanish()
        late = await enter(home, version, "late")
        await late.subscribe("a")
        assert (await late.message()).payload == b"x"


@BOTH
async def test_an_empty_retained_message_clears_and_is_not_kept(version: int) -> None:
    """[MQTT-3.3.1-6] [3.1.1: MQTT-3.3.1-10] Who is subscribed gets it like any other; later ones get nothing:
    [MQTT-3.3.1-7] [3.1.1: MQTT-3.3.1-11] an empty one is never kept."""
    async with hall() as home:
        client, late = await enter(home, version), await enter(home, version, "late")
        await client.send(p.Publish("a", b"x", 0, True))
        await client.subscribe("a")
        assert (await client.message()).payload == b"x"
        await client.send(p.Publish("a", b"", 0, True))
        assert (await client.message()).payload == b""
        assert await late.subscribe("a") == (1,)
        await assert_quiet(late)


async def test_retain_handling_says_when_retained_messages_come() -> None:
    """[MQTT-3.3.1-9] 0: with every SUBSCRIBE; [MQTT-3.3.1-10] 1: only when the subscription is new; [MQTT-3.3.1-11] 2:
    never."""
    async with hall() as home:
        await home.broker.publish("a", b"x", retain=True)
        for handling, comes in ((0, (True, True)), (1, (True, False)), (2, (False, False))):
            client = await enter(home, 5, f"c{handling}")
            for expected in comes:
                await client.send(p.Subscribe(1, (p.Subscription("a", retain_handling=handling),)))
                assert await client.next() == p.Suback(1, (0,))
                if expected:
                    packet = await client.message()
                    assert (packet.payload, packet.retain) == (b"x", True)
                await assert_quiet(client)
            await client.vanish()


async def test_retain_as_published_keeps_the_flag() -> None:
    """[MQTT-3.3.1-13] With it RETAIN is what the publisher said; [MQTT-3.3.1-12] without it 0."""
    async with hall() as home:
        keeps, drops = await enter(home, 5, "keeps"), await enter(home, 5, "drops")
        await keeps.send(p.Subscribe(1, (p.Subscription("a", retain_as_published=True),)))
        await drops.send(p.Subscribe(1, (p.Subscription("a"),)))
        assert [await keeps.next(), await drops.next()] == [p.Suback(1, (0,))] * 2
        for retain in (True, False):
            await home.broker.publish("a", b"x", retain=retain)
            assert (await keeps.message()).retain is retain
            assert (await drops.message()).retain is False


# Properties on their way through.


async def test_properties_reach_the_subscriber_as_they_were() -> None:
    """[MQTT-3.3.2-4] payload format, [MQTT-3.3.2-15] response topic, [MQTT-3.3.2-16] correlation data, [MQTT-3.3.2-17]
    user properties in [MQTT-3.3.2-18] their order, [MQTT-3.3.2-20] content type; retained and live alike."""
    told = Properties(
        payload_format=1,
        response_topic="answers/\ufeff",
        correlation=b"\x00\xff" * 9,
        user=(("b", "1"), ("a", ""), ("b", "1")),
        content_type="text/plain",
    )
    async with hall() as home:
        client, late = await enter(home), await enter(home, client_id="late")
        await client.subscribe("a")
        await client.send(p.Publish("a", b"x", 0, True, properties=told))
        assert (await client.message()).properties == told
        await late.subscribe("a")
        assert (await late.message()).properties == told


async def test_messages_expire_on_the_shelf_and_tell_what_is_left() -> None:
    """[MQTT-3.3.2-5] What has waited longer than its interval is dropped; [MQTT-3.3.2-6] what is sent says how much is
    left of it. A retained one likewise."""
    clock = ManualClock(START)
    async with hall(clock) as home:
        away = await kept_subscriber(home, 5)
        await away.vanish()
        client = await enter(home)
        for payload, expiry_s in ((b"short", 5), (b"long", 50), (b"for ever", None)):
            said = Properties(message_expiry_s=expiry_s)
            await client.send(p.Publish("a", payload, 1, True, packet_id=1, properties=said))
            assert await client.next() == p.Puback(1)
        clock.advance(20)
        back, _ = await stays(home, 5, "sub")
        got = [await back.message() for _ in range(2)]
        assert [(one.payload, one.properties.message_expiry_s) for one in got] == [(b"long", 30), (b"for ever", None)]
        await client.send(p.Publish("b", b"x", 1, True, packet_id=1, properties=Properties(message_expiry_s=5)))
        assert await client.next() == p.Puback(1)
        clock.advance(6)
        assert await client.subscribe("b") == (1,)
        await assert_quiet(client)


async def test_expiry_does_not_touch_what_has_been_sent() -> None:
    """[MQTT-4.3.3-7] A QoS 2 message that has gone out once is repeated although its interval has passed;
    [MQTT-4.3.3-13] and the exchange is brought to its end, as is one we receive."""
    clock = ManualClock(START)
    async with hall(clock) as home:
        client = await kept_subscriber(home, 5)
        sender = await enter(home)
        await sender.send(p.Publish("a", b"x", 2, packet_id=1, properties=Properties(message_expiry_s=5)))
        assert await sender.next() == p.Pubrec(1)
        first = await next_publish(client)
        await client.vanish()
        clock.advance(60)
        client, _ = await stays(home, 5, "sub")
        again = await next_publish(client)
        assert (again.payload, again.dup, again.packet_id) == (b"x", True, first.packet_id)
        await client.send(p.Pubrec(first.packet_id))
        assert await client.next() == p.Pubrel(first.packet_id)
        await sender.send(p.Pubrel(1))
        assert await sender.next() == p.Pubcomp(1)


async def test_topic_aliases_of_clients() -> None:
    """[MQTT-3.3.2-12] Every number up to what CONNACK told is taken, [MQTT-3.2.2-18] none beyond; it may be given a new
    topic; [MQTT-3.3.2-7] it ends with the line."""
    async with hall() as home:
        client = await enter(home)
        await client.subscribe("#")
        most = Limits().topic_alias_max
        await client.send(*(p.Publish(f"t/{n}", b"", properties=Properties(topic_alias=n)) for n in range(1, most + 1)))
        await client.send(p.Publish("other", b"", properties=Properties(topic_alias=1)))
        await client.send(*(p.Publish("", b"", properties=Properties(topic_alias=n)) for n in (1, 2, most)))
        got = [(await client.message()).topic for _ in range(most + 5)]
        assert got[-3:] == ["other", "t/2", f"t/{most}"]
        fresh = await enter(home, 5, "c")
        await fresh.send(p.Publish("", b"", properties=Properties(topic_alias=2)))
        await assert_closed(fresh, 0x94)


async def test_topic_aliases_of_ours() -> None:
    """[MQTT-3.1.2-27] None to a client that allows none; [MQTT-3.1.2-26] [MQTT-3.3.2-11] none beyond what it allows,
    and [MQTT-3.3.2-8] never 0; each stands for the topic it was given on this line."""
    async with hall() as home:
        for allowed in (None, 0, 2):
            client = await enter(home, 5, "c", properties=Properties(topic_alias_maximum=allowed))
            await client.subscribe("t/#", qos=0)
            known: dict[int, str] = {}
            for number in (1, 2, 3, 1, 2, 3, 1):
                await home.broker.publish(f"t/{number}", b"x", qos=0)
                packet = await client.message()
                alias = packet.properties.topic_alias
                if alias is not None:
                    assert 1 <= alias <= (allowed or 0)
                    if packet.topic:
                        known[alias] = packet.topic
                assert (packet.topic or known[alias or 0]) == f"t/{number}"
            await client.vanish()


# Who gets it.


@BOTH
async def test_topics_are_compared_as_they_are_written(version: int) -> None:
    """[MQTT-4.7.3-4] [3.1.1: MQTT-4.7.3-4] Nothing is folded or tidied: case, blanks, empty levels, composed letters
    all count. [MQTT-3.3.2-3] [3.1.1: MQTT-3.3.2-3] What comes matches what was asked for."""
    names = ("a", "A", " a", "a/", "/a", "a//b", "a/b", "\u00e9", "e\u0301")
    async with hall() as home:
        for name in names:
            client = await enter(home, version)
            await client.subscribe(name, qos=0)
            await client.send(*(p.Publish(other, b"") for other in names))
            assert (await client.message()).topic == name
            await assert_quiet(client)
            await client.vanish()


@BOTH
async def test_wildcards_do_not_reach_what_begins_with_a_dollar(version: int) -> None:
    """[MQTT-4.7.2-1] [3.1.1: MQTT-4.7.2-1] # and +/... do not match $x/..., $x/# does."""
    async with hall() as home:
        wide, exact = await enter(home, version, "wide"), await enter(home, version, "exact")
        assert await wide.subscribe("#", "+/y", qos=0) == (0, 0)
        await quiet_after_state(wide)
        assert await exact.subscribe("$x/#", qos=0) == (0,)
        await home.broker.publish("$x/y", b"hidden", qos=0, retain=True)
        await home.broker.publish("x/y", b"open", qos=0)
        assert (await wide.message()).payload == b"open"
        assert (await exact.message()).payload == b"hidden"
        late = await enter(home, version, "late")
        assert await late.subscribe("+/y", qos=0) == (0,)
        await assert_quiet(late)


async def quiet_after_state(client: Client) -> None:
    """A subscription to everything begins with what the hub retains: its own state."""
    assert (await client.message()).topic == "linli/1/hub/state"
    await assert_quiet(client)


async def test_overlapping_subscriptions_bring_one_copy_at_the_highest_qos() -> None:
    """[MQTT-3.3.4-2] [3.1.1: MQTT-3.3.5-1] One copy; [MQTT-3.3.4-3] [MQTT-3.3.4-4] with the identifiers of all that
    match, and of those alone."""
    async with hall() as home:
        client = await enter(home)
        for number, (name, qos) in enumerate((("a/b", 0), ("a/+", 2), ("a/#", 1), ("other", 2)), 1):
            said = Properties(subscription_ids=(number,))
            await client.send(p.Subscribe(number, (p.Subscription(name, qos),), said))
            assert await client.next() == p.Suback(number, (qos,))
        await home.broker.publish("a/b", b"x", qos=2)
        packet = await next_publish(client)
        assert (packet.qos, sorted(packet.properties.subscription_ids)) == (2, [1, 2, 3])
        old = await enter(home, 4, "old")
        await old.subscribe("a/b", qos=0)
        await old.subscribe("a/#", qos=2)
        await home.broker.publish("a/b", b"x", qos=2)
        assert (await next_publish(old)).qos == 2
        await assert_quiet(old)


@BOTH
async def test_every_matching_session_gets_it_connected_or_not(version: int) -> None:
    """[MQTT-4.5.0-1] [3.1.1: MQTT-4.5.0-1] What we have taken is added to each session that asked for it."""
    async with hall() as home:
        away = await kept_subscriber(home, version, name="away")
        await away.vanish()
        here, sender = await enter(home, version, "here"), await enter(home, version, "sender")
        await here.subscribe("a")
        assert await sender.publish("a", b"x") == p.Puback(1)
        assert (await here.message()).payload == b"x"
        back, _ = await stays(home, version, "away")
        assert (await back.message()).payload == b"x"


@BOTH
async def test_each_qos_gets_its_own_answer(version: int) -> None:
    """[MQTT-3.3.4-1] [3.1.1: MQTT-3.3.4-1] None for 0, [MQTT-4.3.2-4] [3.1.1: MQTT-4.3.2-2] PUBACK for 1,
    [MQTT-4.3.3-8] [3.1.1: MQTT-4.3.3-2] PUBREC for 2 and [MQTT-4.3.3-11] PUBCOMP for its PUBREL: all once it is
    ours."""
    async with hall() as home:
        home.shelf.settling = False
        client = await enter(home, version)
        await client.send(*(p.Publish("a", b"x", qos, packet_id=qos) for qos in (0, 1, 2)))
        for uplink in await home.shelf.holds(3):
            await assert_quiet(client)
            uplink.settle(Verdict.STORED)
            if uplink is home.shelf.got[0]:
                await assert_quiet(client)
            else:
                assert isinstance(await client.next(), p.Puback | p.Pubrec)
        await client.send(p.Pubrel(2))
        assert await client.next() == p.Pubcomp(2)


@BOTH
async def test_an_acknowledged_identifier_is_free(version: int) -> None:
    """[MQTT-4.3.2-5] After PUBACK, [MQTT-4.3.3-12] after PUBCOMP, and [MQTT-4.3.3-9] after a PUBREC that refused, the
    same identifier is a new message, whatever its DUP says."""
    async with hall() as home:
        client = await enter(home, version)
        for _ in range(2):
            assert await client.publish("a", b"x", 7, dup=True) == p.Puback(7)
            await client.send(p.Publish("a", b"y", 2, packet_id=8))
            assert await client.next() == p.Pubrec(8)
            await client.send(p.Pubrel(8))
            assert await client.next() == p.Pubcomp(8)
        assert home.shelf.payloads == [b"x", b"y"] * 2
        if version == 5:
            await client.send(p.Publish("x" * 2_000, b"", 2, packet_id=9))
            assert await client.next() == p.Pubrec(9, 0x90)
            await client.send(p.Publish("a", b"z", 2, packet_id=9))
            assert await client.next() == p.Pubrec(9)
            assert home.shelf.payloads[-1] == b"z"


@BOTH
async def test_until_pubrel_a_qos_2_message_is_taken_once(version: int) -> None:
    """[MQTT-4.3.3-10] [3.1.1: MQTT-4.3.3-2] Its repetition gets PUBREC and goes to nobody, on the next line neither."""
    async with hall() as home:
        listener = await enter(home, version, "listener")
        await listener.subscribe("a", qos=0)
        sender, _ = await stays(home, version, "sender")
        await sender.send(p.Publish("a", b"x", 2, packet_id=3))
        assert await sender.next() == p.Pubrec(3)
        await sender.vanish()
        sender, _ = await stays(home, version, "sender")
        for _ in range(2):
            await sender.send(p.Publish("a", b"x", 2, dup=True, packet_id=3))
            assert await sender.next() == p.Pubrec(3)
        await sender.send(p.Pubrel(3))
        assert await sender.next() == p.Pubcomp(3)
        assert (await listener.message()).payload == b"x"
        await assert_quiet(listener)
        assert home.shelf.payloads == [b"x"]


@BOTH
async def test_what_goes_out_stays_unacknowledged_until_it_is(version: int) -> None:
    """[MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-2.2.1-4] [3.1.1: MQTT-2.3.1-4] [3.1.1: MQTT-4.3.2-1] [3.1.1: MQTT-4.3.3-1]
    Identifiers in use are not used again, and none is 0; [MQTT-4.3.2-3] [MQTT-4.3.3-3] each waits for its PUBACK or
    PUBREC; [MQTT-4.3.3-4] PUBREL answers PUBREC under the same identifier, [MQTT-4.3.3-5] waits for PUBCOMP, and
    [MQTT-4.3.3-6] after it the PUBLISH is not sent again."""
    async with hall() as home:
        client = await kept_subscriber(home, version)
        for number in range(6):
            await home.broker.publish("a", b"%d" % number, qos=1 + number % 2)
        sent = [await next_publish(client) for _ in range(6)]
        numbers = [one.packet_id for one in sent]
        assert len(set(numbers)) == 6
        assert 0 not in numbers
        await client.send(p.Puback(numbers[0]), p.Pubrec(numbers[1]), p.Pubrec(numbers[3]))
        assert [await client.next() for _ in range(2)] == [p.Pubrel(numbers[1]), p.Pubrel(numbers[3])]
        await client.send(p.Pubcomp(numbers[1]))
        await assert_quiet(client)
        await client.vanish()
        client, _ = await stays(home, version, "sub")
        again = [await client.next() for _ in range(4)]
        assert {(type(one), one.packet_id) for one in again} == {  # type: ignore[union-attr]
            (p.Publish, numbers[2]),
            (p.Pubrel, numbers[3]),
            (p.Publish, numbers[4]),
            (p.Publish, numbers[5]),
        }
        await assert_quiet(client)


async def test_a_refusal_ends_the_exchange() -> None:
    """[MQTT-4.4.0-2] A PUBACK or PUBREC of 0x80 or above is an answer: the message is not sent again, and there is no
    PUBREL."""
    async with hall() as home:
        client = await kept_subscriber(home, 5)
        for qos in (1, 2):
            await home.broker.publish("a", b"x", qos=qos)
        one, two = await next_publish(client), await next_publish(client)
        await client.send(p.Puback(one.packet_id, 0x97), p.Pubrec(two.packet_id, 0x83))
        await assert_quiet(client)
        await client.vanish()
        client, answer = await stays(home, 5, "sub")
        assert answer.session_present
        await assert_quiet(client)

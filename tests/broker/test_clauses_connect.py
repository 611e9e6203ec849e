"""Clauses of CONNECT and CONNACK (3.1, 3.2), of enhanced authentication (4.12) and of the session's life (4.1)."""

from __future__ import annotations

import asyncio

import pytest

from hub.broker import Limits, reasons
from hub.broker import packets as p
from hub.broker.codec import encode
from hub.broker.properties import Properties
from hub.clock import ManualClock
from tests.broker.clausekit import BOTH, KEPT, assert_closed, assert_quiet, enter, hall, next_by_qos, stays
from tests.broker.rig import START, House, up

pytestmark = pytest.mark.anyio


async def left(home: House, count: int) -> None:
    """So many lines are left; of the others all has been done, wills too."""
    for _ in range(100_000):
        if len(home.broker._live) == count:
            return
        await asyncio.sleep(0)
    pytest.fail("a line did not end")


@BOTH
async def test_a_clean_start_forgets_the_old_session(version: int) -> None:
    """[MQTT-3.1.2-4] [3.1.1: MQTT-3.1.2-6] [MQTT-3.1.4-4] [3.1.1: MQTT-3.1.4-3] The old session is thrown away, and
    [MQTT-3.2.2-2] [3.1.1: MQTT-3.2.2-1] Session Present is 0."""
    async with hall() as home:
        client, _ = await stays(home, version)
        await client.subscribe("a")
        await client.vanish()
        clean = await home.stranger(version)
        assert await clean.login("free", client_id="c") == p.Connack(False, 0, _told(version))
        await home.broker.publish("a", b"x")
        await assert_quiet(clean)


def _told(version: int) -> Properties:
    if version == 4:
        return Properties()
    limits = Limits()
    return Properties(
        receive_maximum=limits.receive_maximum,
        maximum_packet_bytes=limits.packet_bytes_max,
        topic_alias_maximum=limits.topic_alias_max,
    )


@BOTH
async def test_a_session_goes_on_where_it_was(version: int) -> None:
    """[MQTT-3.1.2-5] [3.1.1: MQTT-3.1.2-4] The session of this client id is resumed, if it is there, else
    [MQTT-3.1.2-6] made. [MQTT-3.2.2-3] [3.1.1: MQTT-3.2.2-2] [3.1.1: MQTT-3.2.2-3] Session Present says which.
    [MQTT-3.1.2-23] [3.1.1: MQTT-3.1.2-5] [3.1.1: MQTT-4.1.0-1] What came while it was away is kept for it."""
    async with hall() as home:
        client, answer = await stays(home, version)
        assert answer.session_present is False
        await client.subscribe("a", qos=2)
        await client.send(p.Disconnect())
        assert await client.next() is None
        await left(home, 0)
        for qos in (0, 1, 2):
            await home.broker.publish("a", b"%d" % qos, qos=qos)
        client, answer = await stays(home, version)
        assert answer.session_present is True
        assert [one.payload for one in await next_by_qos(client, 2)] == [b"1", b"2"]


@BOTH
async def test_the_client_id_is_whose_session_it_is(version: int) -> None:
    """[MQTT-3.1.3-2] [3.1.1: MQTT-3.1.3-2] Another client id is another session."""
    async with hall() as home:
        one, _ = await stays(home, version, "one")
        await one.vanish()
        _, answer = await stays(home, version, "two")
        assert answer.session_present is False
        _, answer = await stays(home, version, "one")
        assert answer.session_present is True


@BOTH
async def test_the_session_lives_as_long_as_its_line(version: int) -> None:
    """[MQTT-4.1.0-1] [3.1.1: MQTT-4.1.0-2] However long it lasts, and whatever its expiry interval is."""
    clock = ManualClock(START)
    async with hall(clock, Limits(session_expiry_s_max=5)) as home:
        client, _ = await stays(home, version)
        await client.subscribe("a", qos=0)
        for _ in range(4):
            clock.advance(30)
            await assert_quiet(client)
        await home.broker.publish("a", b"x")
        assert (await client.message()).payload == b"x"


@BOTH
async def test_the_session_ends_after_its_line_and_its_interval(version: int) -> None:
    """[MQTT-4.1.0-2] Not a moment before the interval has passed, and for good afterwards."""
    clock = ManualClock(START)
    async with hall(clock, Limits(session_expiry_s_max=60)) as home:
        for wait_s, there in ((58, True), (62, False)):
            client, _ = await stays(home, version)
            await client.vanish()
            await left(home, 0)
            clock.advance(wait_s)
            await (await enter(home, client_id="other")).vanish()  # the sweeper has had its turn
            await left(home, 0)
            client, answer = await stays(home, version)
            assert answer.session_present is there
            await client.vanish()
            await left(home, 0)


@BOTH
@pytest.mark.parametrize("retain", [False, True])
async def test_the_will_is_kept_and_published_when_the_line_breaks(version: int, retain: bool) -> None:
    """[MQTT-3.1.2-7] [MQTT-3.1.2-8] [3.1.1: MQTT-3.1.2-8] It is published once, at its QoS, and [MQTT-3.1.2-10]
    [3.1.1: MQTT-3.1.2-10] forgotten; retained when it says so ([MQTT-3.1.2-15] [3.1.1: MQTT-3.1.2-17]) and not when it
    does not ([MQTT-3.1.2-14] [3.1.1: MQTT-3.1.2-16])."""
    async with hall() as home:
        watcher = await enter(home, client_id="watcher")
        await watcher.subscribe("will", qos=2)
        torn = await enter(home, version, "torn", will=p.Will("will", b"gone", 1, retain))
        await torn.vanish()
        packet = await watcher.message()
        assert (packet.payload, packet.qos) == (b"gone", 1)
        polite = await enter(home, version, "torn")
        await polite.vanish()
        await assert_quiet(watcher)
        late = await enter(home, client_id="late")
        await late.subscribe("will")
        if retain:
            assert (await late.message()).payload == b"gone"
        await assert_quiet(late)


@BOTH
async def test_without_a_will_nothing_is_published(version: int) -> None:
    """[3.1.1: MQTT-3.1.2-12] A client without a will goes without a message; and one that says goodbye takes its will
    with it: [MQTT-3.14.4-3] [3.1.1: MQTT-3.14.4-3] [MQTT-3.1.2-10]."""
    async with hall() as home:
        watcher = await enter(home, client_id="watcher")
        await watcher.subscribe("will")
        await (await enter(home, version, "none")).vanish()
        polite = await enter(home, version, "polite", will=p.Will("will", b"gone", 1))
        await polite.send(p.Disconnect())
        assert await polite.next() is None
        await left(home, 1)
        await assert_quiet(watcher)


async def test_a_goodbye_with_will_publishes_it() -> None:
    """[MQTT-3.1.2-8] Also when DISCONNECT carries 0x04, and when a protocol error of the client ends the line."""
    async with hall() as home:
        watcher = await enter(home, client_id="watcher")
        await watcher.subscribe("will")
        first = await enter(home, client_id="first", will=p.Will("will", b"one", 0))
        await first.send(p.Disconnect(0x04))
        assert (await watcher.message()).payload == b"one"
        second = await enter(home, client_id="second", will=p.Will("will", b"two", 0))
        await second.raw(b"\x00\x00")
        assert (await watcher.message()).payload == b"two"


async def test_a_will_that_waits_is_taken_back_by_coming_home() -> None:
    """[MQTT-3.1.3-9] A new line of the session within the delay: no will. After it: the will. And never later than the
    end of the session."""
    clock = ManualClock(START)
    async with hall(clock) as home:
        watcher = await enter(home, client_id="watcher")
        await watcher.subscribe("will")
        will = p.Will("will", b"gone", 0, properties=Properties(will_delay_s=30))
        for wait_s, expiry_s, comes in ((20, 600, False), (31, 600, True), (11, 10, True)):
            kept = Properties(session_expiry_s=expiry_s)
            client = await enter(home, 5, "c", clean=False, properties=kept, will=will)
            await client.vanish()
            await left(home, 1)
            clock.advance(wait_s)
            if comes:
                assert (await watcher.message()).payload == b"gone"
            back = await enter(home, 5, "c", clean=False, properties=kept)
            await back.send(p.Disconnect())
            assert await back.next() is None
            await left(home, 1)
            await assert_quiet(watcher)


async def test_a_will_keeps_the_order_of_its_user_properties() -> None:
    """[MQTT-3.1.3-10] They are published in the order in which CONNECT had them."""
    async with hall() as home:
        watcher = await enter(home, client_id="watcher")
        await watcher.subscribe("will")
        told = (("b", "1"), ("a", "2"), ("b", "0"))
        torn = await enter(home, 5, "torn", will=p.Will("will", b"x", 0, properties=Properties(user=told)))
        await torn.vanish()
        assert (await watcher.message()).properties.user == told


@BOTH
async def test_silence_of_one_and_a_half_keep_alives_ends_the_line(version: int) -> None:
    """[MQTT-3.1.2-22] [3.1.1: MQTT-3.1.2-24] The line ends as if the net had failed; [MQTT-3.2.2-22] what counts is the
    client's own figure while we name no other."""
    clock = ManualClock(START)
    async with hall(clock) as home:
        client = await home.stranger(version)
        answer = await client.login("free", keep_alive_s=20)
        assert answer.properties.server_keep_alive_s is None
        clock.advance(29)
        await assert_quiet(client)
        clock.advance(31)
        await assert_closed(client, 0x8D)


async def test_keep_alive_0_is_never_silent() -> None:
    """3.1.2.10: 0 switches it off in both versions."""
    clock = ManualClock(START)
    async with hall(clock) as home:
        clients = [await enter(home, version, f"c{version}", keep_alive_s=0) for version in (4, 5)]
        clock.advance(40_000)
        for client in clients:
            await assert_quiet(client)


@BOTH
async def test_plain_client_ids_are_always_taken(version: int) -> None:
    """[MQTT-3.1.3-5] [3.1.1: MQTT-3.1.3-5] 1 to 23 letters and digits; 64 bytes here, and more is refused in words:
    [MQTT-3.1.3-8] [3.1.1: MQTT-3.1.3-9] with 0x85 (3.1.1: 2), and the line ends."""
    async with hall() as home:
        for name in ("0", "abcdefghijklmnopqrstuvw", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"):
            await (await enter(home, version, name)).vanish()
        client = await home.stranger(version)
        assert (await client.login("free", client_id="x" * 65)).reason == (0x85 if version == 5 else 2)
        assert await client.next() is None


@BOTH
async def test_an_empty_client_id_gets_a_name_of_its_own(version: int) -> None:
    """[MQTT-3.1.3-6] [3.1.1: MQTT-3.1.3-6] The client is given a unique name, [MQTT-3.1.3-7] and MQTT 5 is told it;
    [MQTT-3.2.2-16] no two are the same."""
    async with hall() as home:
        names = set()
        for _ in range(3):
            client = await home.stranger(version)
            answer = await client.login("free", client_id="")
            assert answer.reason == 0
            names.add(answer.properties.assigned_client_id)
            await assert_quiet(client)
        assert len(names) == (3 if version == 5 else 1)
        assert (None in names) is (version == 4)


async def test_an_empty_client_id_needs_a_clean_session_in_3_1_1() -> None:
    """[3.1.1: MQTT-3.1.3-8] [3.1.1: MQTT-3.1.3-7] Else return code 2 and the end."""
    async with hall() as home:
        client = await home.stranger(4)
        assert await client.login("free", client_id="", clean=False) == p.Connack(False, 2)
        assert await client.next() is None


@BOTH
async def test_the_newer_line_of_a_session_ends_the_older(version: int) -> None:
    """[MQTT-3.1.4-3] [3.1.1: MQTT-3.1.4-2] MQTT 5 is told 0x8E."""
    async with hall() as home:
        old = await enter(home, version)
        new = await enter(home, version)
        await assert_closed(old, 0x8E)
        await assert_quiet(new)


@BOTH
async def test_connack_comes_first_and_once(version: int) -> None:
    """[MQTT-3.1.4-5] [3.1.1: MQTT-3.1.4-4] CONNACK with 0 answers, [MQTT-3.2.0-1] [3.1.1: MQTT-3.2.0-1] before anything
    else, although messages wait; [MQTT-3.2.0-2] once; [MQTT-3.2.2-1] its reserved flags are 0."""
    async with hall() as home:
        away, _ = await stays(home, version)
        await away.subscribe("a")
        await away.vanish()
        await left(home, 0)
        await home.broker.publish("a", b"x")
        client = await home.stranger(version)
        hello = p.Connect(version, "c", False, 60, "free", b"open-sesame", None, KEPT if version == 5 else Properties())
        await client.send(hello, p.Pingreq())
        head = await client.reader.readexactly(4)
        assert (head[0], head[2:]) == (0x20, b"\x01\x00")
        kinds = [type(one) for one in client._parser.feed(head + await client.reader.readexactly(head[1] - 2))]
        assert kinds == [p.Connack]
        rest = [await client.next(), await client.next()]
        assert {type(one) for one in rest} == {p.Publish, p.Pingresp}


@BOTH
@pytest.mark.parametrize(("name", "secret", "code"), [("free", "wrong", (4, 0x86)), (None, None, (5, 0x87))])
async def test_who_is_refused_is_told_a_code_and_closed(
    version: int, name: str | None, secret: str | None, code: tuple[int, int]
) -> None:
    """[MQTT-3.1.4-2] [MQTT-3.2.2-7] [3.1.1: MQTT-3.2.2-5] The line ends after a code that is not 0; [MQTT-3.2.2-6]
    [3.1.1: MQTT-3.2.2-4] Session Present is 0 with it; [MQTT-3.2.2-8] the code is one of the table; [MQTT-3.1.4-6]
    [3.1.1: MQTT-3.1.4-5] nothing that came behind the CONNECT is looked at."""
    async with hall() as home:
        away, _ = await stays(home, version)
        await away.vanish()
        client = await home.stranger(version)
        password = None if secret is None else secret.encode()
        await client.send(
            p.Connect(version, "c", False, 60, name, password), p.Publish(up(), b"x", 1, packet_id=1), p.Pingreq()
        )
        assert await client.next() == p.Connack(False, code[version - 4])
        assert await client.next() is None
        assert home.shelf.got == home.shelf.refusals == []


async def test_what_is_not_limited_is_not_announced() -> None:
    """[MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] QoS 0, 1 and 2 and [MQTT-3.2.2-13] retained messages are taken, so
    no Maximum QoS and no Retain Available is sent; [MQTT-3.1.2-28] [MQTT-3.2.2-19] no Response Information, asked or
    not; [MQTT-3.2.2-20] no Server Reference; [MQTT-4.12.0-6] no authentication method."""
    async with hall() as home:
        for asked in (None, 0, 1):
            client = await home.stranger()
            answer = await client.login("free", client_id="c", properties=Properties(request_response=asked))
            assert answer.properties == _told(5)
        for qos in (0, 1, 2):
            await client.send(p.Publish("a", b"x", qos, True, packet_id=qos))
        assert [await client.next(), await client.next()] == [p.Puback(1), p.Pubrec(2)]
        assert await client.subscribe("b", qos=2) == (2,)


async def test_enhanced_authentication_is_refused_in_words() -> None:
    """[MQTT-4.12.0-1] A method we do not offer: 0x8C, and the line ends. Data without a method is a protocol error."""
    async with hall() as home:
        client = await home.stranger()
        answer = await client.login("free", properties=Properties(auth_method="SCRAM-SHA-256", auth_data=b"n,,"))
        assert answer == p.Connack(False, 0x8C)
        assert await client.next() is None
        client = await home.stranger()
        await client.raw(encode(p.Connect(5, "c", properties=Properties(auth_data=b"x")), 5))
        assert await client.next() is None


async def test_no_packet_is_larger_than_the_client_allows() -> None:
    """[MQTT-3.1.2-24] A PUBLISH beyond it is [MQTT-3.1.2-25] dropped as if it had been sent; what cannot be dropped
    ends the line with 0x95."""
    async with hall() as home:
        small = Properties(maximum_packet_bytes=30)
        client = await enter(home, 5, properties=small)
        assert await client.subscribe("a") == (1,)
        await home.broker.publish("a", bytes(40))
        await home.broker.publish("a", b"x")
        packet = await client.message()
        assert (packet.payload, len(encode(packet, 5)) <= 30) == (b"x", True)
        await client.send(p.Subscribe(7, tuple(p.Subscription(f"b/{number}") for number in range(40))))
        await assert_closed(client, 0x95)
        tiny = await home.stranger()
        await tiny.send(p.Connect(5, "t", True, 60, "free", b"open-sesame", None, Properties(maximum_packet_bytes=5)))
        assert await tiny.next() is None


async def test_reasons_are_codes_and_never_strings() -> None:
    """[MQTT-3.1.2-29] Asked or not, refusals carry no reason string and no user property, so none can be too long:
    [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2]
    [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4];
    and no session expiry stands in our DISCONNECT: [MQTT-3.14.2-2]. The codes are those of each packet's table:
    [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2] [MQTT-3.14.2-1]."""
    async with hall() as home:
        for problem in (None, 0, 1):
            client = await home.client(5, "hut-1", properties=Properties(request_problem=problem))
            await client.send(
                p.Publish("foreign", b"x", 1, packet_id=1),
                p.Publish("foreign", b"x", 2, packet_id=2),
                p.Pubrel(3),
                p.Pubrec(4),
                p.Subscribe(5, (p.Subscription("foreign"), p.Subscription("linli/1/hub/state"))),
                p.Unsubscribe(6, ("foreign",)),
            )
            said = [await client.next() for _ in range(7)]
            await client.raw(b"\x00\x00")
            said.append(await client.next())
            assert await client.next() is None
            assert all(one.properties == Properties() for one in said if not isinstance(one, p.Publish))  # type: ignore[union-attr]
            assert {(type(one), getattr(one, "reason", getattr(one, "reasons", None))) for one in said} == {
                (p.Puback, reasons.NOT_AUTHORIZED),
                (p.Pubrec, reasons.NOT_AUTHORIZED),
                (p.Pubcomp, reasons.ID_NOT_FOUND),
                (p.Pubrel, reasons.ID_NOT_FOUND),
                (p.Suback, (reasons.NOT_AUTHORIZED, 0)),
                (p.Unsuback, (reasons.NO_SUBSCRIPTION_EXISTED,)),
                (p.Publish, None),
                (p.Disconnect, reasons.MALFORMED),
            }

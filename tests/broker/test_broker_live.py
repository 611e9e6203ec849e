"""The embedded broker over real sockets: logins, rights, what is retained, wills, and PUBACK only after settle."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.codec import encode
from hub.broker.properties import Properties
from hub.clock import ManualClock
from hub.uplink import Account, Verdict
from tests.broker.rig import AREA, SECRET, START, house, up

pytestmark = pytest.mark.anyio
VERSIONS = pytest.mark.parametrize("version", [4, 5])
BOARD = f"linli/1/{AREA}/board"
STATE = f"linli/1/{AREA}/hut-1/state"


@VERSIONS
@pytest.mark.parametrize(
    ("name", "secret", "told"),
    [("hut-1", "wrong", (4, 0x86)), ("nobody", SECRET, (4, 0x86)), (None, None, (5, 0x87)), ("hut-1", None, (5, 0x87))],
)
async def test_nobody_comes_in_without_the_right_password(
    version: int, name: str | None, secret: str | None, told: tuple[int, int]
) -> None:
    async with house() as home:
        client = await home.stranger(version)
        answer = await client.login(name, secret=secret)
        assert (answer.reason, answer.session_present) == (told[version - 4], False)
        assert await client.next() is None
        assert home.shelf.links == []


async def test_what_holds_here_is_told_at_the_door() -> None:
    async with house() as home:
        told = (await (await home.stranger()).login(client_id="", keep_alive_s=4_000)).properties
        assert told.assigned_client_id
        assert (told.server_keep_alive_s, told.receive_maximum, told.shared_available) == (300, 500, None)


@VERSIONS
async def test_a_client_id_has_a_length_and_an_empty_one_needs_a_clean_start(version: int) -> None:
    async with house() as home:
        told = 2 if version == 4 else 0x85
        assert (await (await home.stranger(version)).login(client_id="x" * 65)).reason == told
        assert (await (await home.stranger(version)).login(client_id="", clean=False)).reason == told
        assert (await (await home.stranger(version)).login(client_id="")).reason == 0


@VERSIONS
async def test_puback_leaves_only_after_the_hub_has_settled(version: int) -> None:
    async with house() as home:
        home.shelf.settling = False
        client = await home.client(version)
        await client.send(p.Publish(up(), b"one", 1, packet_id=7), p.Pingreq())
        (uplink,) = await home.shelf.holds(1)
        assert await client.next() == p.Pingresp()  # it came after the PUBLISH, and no PUBACK stood before it
        assert (uplink.account, uplink.topic, uplink.payload) == ("hut-1", up(), b"one")
        uplink.settle(Verdict.STORED)
        assert await client.next() == p.Puback(7)
        uplink.settle(Verdict.STORED)  # twice changes nothing
        await client.send(p.Pingreq())
        assert await client.next() == p.Pingresp()


@VERSIONS
async def test_acknowledgements_leave_in_the_order_of_arrival(version: int) -> None:
    async with house() as home:
        home.shelf.settling = False
        client = await home.client(version)
        await client.send(*(p.Publish(up(), b"%d" % n, 1, packet_id=n) for n in (3, 1, 2)))
        for uplink in reversed(await home.shelf.holds(3)):
            uplink.settle(Verdict.STORED)
        assert [await client.next() for _ in range(3)] == [p.Puback(3), p.Puback(1), p.Puback(2)]


@VERSIONS
async def test_qos_2_is_taken_once_however_often_it_is_sent(version: int) -> None:
    async with house() as home:
        client = await home.client(version)
        publish = p.Publish(up(), b"two", 2, packet_id=5)
        await client.send(publish)
        assert await client.next() == p.Pubrec(5)
        await client.send(p.Publish(up(), b"two", 2, dup=True, packet_id=5))
        assert await client.next() == p.Pubrec(5)
        await client.send(p.Pubrel(5))
        assert await client.next() == p.Pubcomp(5)
        await client.send(p.Pubrel(5))
        assert await client.next() == p.Pubcomp(5, 0x92 if version == 5 else 0)
        assert home.shelf.payloads == [b"two"]


async def test_a_repeat_of_what_is_on_its_way_is_not_put_twice() -> None:
    async with house() as home:
        home.shelf.settling = False
        client = await home.client()
        again = p.Publish(up(), b"x", 1, dup=True, packet_id=1)
        await client.send(p.Publish(up(), b"x", 1, packet_id=1), again, p.Pingreq())
        assert await client.next() == p.Pingresp()
        (uplink,) = home.shelf.got
        uplink.settle(Verdict.STORED)
        assert await client.next() == p.Puback(1)
        await client.send(p.Publish(up(), b"y", 1, packet_id=1))  # the identifier is free again
        assert (await home.shelf.holds(2))[1].delivery != uplink.delivery


async def test_a_redelivery_on_the_next_connection_keeps_its_name() -> None:
    async with house() as home:
        home.shelf.settling = False
        kept = Properties(session_expiry_s=60)
        client = await home.client(clean=False, properties=kept)
        await client.send(p.Publish(up(), b"x", 1, packet_id=1))
        first = (await home.shelf.holds(1))[0]
        await client.vanish()
        client = await home.client(clean=False, properties=kept)
        await client.send(p.Publish(up(), b"x", 1, dup=True, packet_id=1))
        second = (await home.shelf.holds(2))[1]
        assert (second.delivery, second.dup) == (first.delivery, True)
        first.settle(Verdict.STORED)  # belongs to a line that is gone
        await client.send(p.Pingreq())
        assert await client.next() == p.Pingresp()
        second.settle(Verdict.DUPLICATE)
        assert await client.next() == p.Puback(1)
        await client.send(p.Publish(up(), b"other", 1, dup=True, packet_id=1))
        assert (await home.shelf.holds(3))[2].delivery != first.delivery


async def test_a_foreign_topic_is_refused_in_the_protocols_own_words() -> None:
    async with house() as home:
        modern, old = await home.client(5), await home.client(4, client_id="c2")
        assert await modern.publish(up("hut-2"), b"x") == p.Puback(1, 0x87)
        assert await modern.publish(up(), b"mine", 2) == p.Puback(2)  # the line goes on
        assert await old.publish(up("hut-2"), b"x") is None  # closed without PUBACK
        await modern.send(p.Publish("linli/1/hub/state", b"x", 2, packet_id=3))
        assert await modern.next() == p.Pubrec(3, 0x87)
        assert home.shelf.payloads == [b"mine"]
        assert home.shelf.refusals == ["acl"] * 3
        assert home.broker.counters.refused_acl == 3


@VERSIONS
async def test_a_filter_beyond_ones_rights_is_not_granted(version: int) -> None:
    async with house() as home:
        client = await home.client(version)
        own, no = f"linli/1/{AREA}/hut-1/dn/#", 0x87 if version == 5 else 0x80
        wanted = (own, "linli/1/hub/state", "#", f"linli/1/{AREA}/+/dn/#", up(), "$SYS/#")
        assert await client.subscribe(*wanted) == (1, 1, no, no, no, no)
        shared = await home.client(version, client_id="c2")
        assert await shared.subscribe(f"$share/g/{own}", "$share/g/#", f"$share/g/{up()}") == (1, no, no)


@VERSIONS
async def test_what_is_retained_comes_with_the_subscription(version: int) -> None:
    async with house() as home:
        await home.broker.publish(BOARD, b"board 1", retain=True)
        screen = await home.client(version, "screen-1")
        await screen.subscribe(BOARD, "linli/1/hub/state")
        board, hub = await screen.message(), await screen.message()
        assert (board.payload, board.retain, board.qos) == (b"board 1", True, 1)
        assert json.loads(hub.payload)["s"] == "online"
        await home.broker.publish(BOARD, b"board 2", retain=True)
        live = await screen.message()
        assert (live.payload, live.retain) == (b"board 2", False)
        await home.broker.publish(BOARD, b"", retain=True)  # clears it
        assert (await screen.message()).payload == b""
        late = await home.client(version, "screen-1", client_id="c2")
        assert await late.subscribe(BOARD) == (1,)
        await late.send(p.Pingreq())
        assert await late.next() == p.Pingresp()


async def test_nothing_is_forwarded_before_it_is_stored() -> None:
    async with house() as home:
        home.shelf.settling = False
        watcher, hut = await home.client(name="watch"), await home.client()
        await watcher.subscribe(up(), STATE)
        await hut.send(p.Publish(up(), b"1", 1, packet_id=1), p.Publish(STATE, b"on", 0, True))
        reading, state = await home.shelf.holds(2)
        await watcher.send(p.Pingreq())
        assert await watcher.next() == p.Pingresp()
        late = await home.client(name="watch", client_id="c2")
        await late.subscribe(STATE)
        await late.send(p.Pingreq())
        assert await late.next() == p.Pingresp()  # not retained either
        reading.settle(Verdict.STORED)
        assert (await watcher.message()).payload == b"1"
        state.settle(Verdict.NOTED)
        assert (await watcher.message()).payload == b"on"
        assert (await late.message()).payload == b"on"


@VERSIONS
async def test_the_will_is_published_when_the_line_breaks_and_not_after_a_goodbye(version: int) -> None:
    async with house() as home:
        watcher = await home.client(name="watch")
        await watcher.subscribe(STATE)
        will = p.Will(STATE, b"offline", 1, True)
        polite = await home.client(version, client_id="polite", will=will)
        await polite.send(p.Disconnect())
        assert await polite.next() is None
        torn = await home.client(version, client_id="torn", will=will)
        await torn.vanish()
        assert (await watcher.message()).payload == b"offline"
        (uplink,) = home.shelf.got
        assert (uplink.topic, uplink.retain, uplink.account) == (STATE, True, "hut-1")
        assert home.broker.counters.wills == 1
        await home.shelf.until(lambda: len(home.shelf.links) == 4)
        assert [up for _, _, up in home.shelf.links] == [True, False, True, False]
        assert uplink.connection == home.shelf.links[-1][1]


async def test_a_will_needs_the_right_to_publish_it() -> None:
    async with house() as home:
        for version, told in ((4, 5), (5, 0x87)):
            stranger = await home.stranger(version)
            assert (await stranger.login(will=p.Will(f"linli/1/{AREA}/hut-2/state", b"x"))).reason == told


async def test_a_delayed_will_is_taken_back_by_coming_home() -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        will = p.Will(STATE, b"offline", 1, properties=Properties(will_delay_s=30))
        kept = Properties(session_expiry_s=600)
        client = await home.client(will=will, clean=False, properties=kept)
        await client.vanish()
        await home.shelf.until(lambda: len(home.shelf.links) == 2)
        clock.advance(20)
        client = await home.client(will=will, clean=False, properties=kept)
        clock.advance(20)
        await client.publish(up(), b"still here")
        assert home.shelf.payloads == [b"still here"]
        await client.vanish()
        await home.shelf.until(lambda: len(home.shelf.links) == 4)
        clock.advance(31)
        assert (await home.shelf.holds(2))[1].payload == b"offline"


async def test_the_hub_can_cut_a_revoked_gateway_at_once() -> None:
    async with house() as home:
        modern, old = await home.client(5), await home.client(4, client_id="c2")
        other = await home.client(5, "hut-2")
        del home.book.accounts["hut-1"]
        await home.broker.cut("hut-1")
        assert await modern.next() == p.Disconnect(0x87)
        assert await modern.next() is None
        assert await old.next() is None
        assert (await (await home.stranger(5)).login()).reason == 0x86
        await other.send(p.Pingreq())
        assert await other.next() == p.Pingresp()


async def test_a_clean_stop_says_so_and_is_quick() -> None:
    async with house() as home:
        home.shelf.open.clear()  # even with the hub's queue full
        modern, old = await home.client(5), await home.client(4, client_id="c2")
        await modern.send(p.Publish(up(), b"x", 1, packet_id=1))
        async with asyncio.timeout(1):
            await home.broker.stop()
        assert await modern.next() == p.Disconnect(0x8B)
        assert await modern.next() is None
        assert await old.next() is None
        assert home.shelf.got == []


async def test_hush_lets_what_is_under_way_be_acknowledged() -> None:
    async with house() as home:
        home.shelf.settling = False
        client = await home.client()
        await client.send(p.Publish(up(), b"x", 1, packet_id=1))
        (uplink,) = await home.shelf.holds(1)
        home.broker.hush()
        uplink.settle(Verdict.STORED)
        assert await client.next() == p.Puback(1)
        with pytest.raises(ConnectionRefusedError):
            await home.stranger()


async def test_user_properties_travel_with_the_uplink() -> None:
    async with house() as home:
        client = await home.client()
        said = Properties(user=(("boot", "b7"), ("seq", "17")))
        assert await client.publish(up(), b"x", properties=said) == p.Puback(1)
        assert home.shelf.got[0].properties == {"boot": "b7", "seq": "17"}


async def test_topic_aliases_stand_for_topics_until_the_line_ends() -> None:
    async with house() as home:
        client = await home.client()
        alias = Properties(topic_alias=3)
        await client.publish(up(), b"1", properties=alias)
        await client.publish("", b"2", 2, properties=alias)
        assert [uplink.topic for uplink in home.shelf.got] == [up(), up()]
        assert await client.publish("", b"3", 3, properties=Properties(topic_alias=4)) == p.Disconnect(0x94)


async def test_rights_that_shrank_end_old_subscriptions() -> None:
    async with house() as home:
        kept = Properties(session_expiry_s=60)
        client = await home.client(name="watch", clean=False, properties=kept)
        await client.subscribe(up(), "home/#")
        await client.vanish()
        home.book.accounts["watch"] = Account("watch", "integrator", (), ("home/#",))
        client = await home.client(name="watch", clean=False, properties=kept)
        hut = await home.client(client_id="hut")
        await hut.publish(up(), b"not for you")
        await home.broker.publish("home/x", b"for you")
        assert (await client.message()).payload == b"for you"


async def test_a_message_outside_the_packet_size_a_client_allows_is_not_sent() -> None:
    async with house() as home:
        small = Properties(maximum_packet_bytes=100)
        screen = await home.client(name="screen-1", properties=small)
        await screen.subscribe(BOARD)
        await home.broker.publish(BOARD, b"x" * 200)
        await home.broker.publish(BOARD, b"short")
        assert (await screen.message()).payload == b"short"


async def test_one_account_has_at_most_four_connections() -> None:
    async with house() as home:
        for number in range(4):
            await home.client(client_id=f"c{number}")
        assert (await (await home.stranger(5)).login(client_id="c5")).reason == 0x97
        assert (await (await home.stranger(4)).login(client_id="c5")).reason == 3
        await home.client(client_id="c1")  # a take-over is not a fifth
        await home.client(name="hut-2", client_id="c1")


async def test_a_device_has_at_most_eight_subscriptions() -> None:
    async with house(limits=Limits(subscriptions_device=2)) as home:
        client = await home.client()
        names = [f"linli/1/{AREA}/hut-1/dn/{n}" for n in range(3)]
        assert await client.subscribe(*names) == (1, 1, 0x97)
        await client.send(p.Unsubscribe(4, (names[0], "home/x")))
        assert await client.next() == p.Unsuback(4, (0, 0x11))
        assert await client.subscribe(names[2]) == (1,)


async def test_a_second_connect_ends_the_line() -> None:
    async with house() as home:
        client = await home.client()
        await client.raw(encode(p.Connect(5, "c1", username="hut-1", password=SECRET.encode()), 5))
        assert await client.next() == p.Disconnect(0x82)

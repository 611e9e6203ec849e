"""Shared subscriptions (MQTT 5, 4.8.2): each message to one member. `$SYS`: to those with the right to it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.limits import DEFAULT
from hub.broker.message import Message, Parcel
from hub.broker.properties import Properties
from hub.broker.session import Entry, Session
from hub.broker.shares import Group
from hub.clock import ManualClock
from hub.uplink import Account
from tests.broker.lasting import Lasting, back, depart
from tests.broker.rig import START, Client, House, house, up

pytestmark = pytest.mark.anyio
VERSIONS = pytest.mark.parametrize("version", [4, 5])
KEPT = Properties(session_expiry_s=3_600)
SHARED = "$share/workers/home/#"


async def worker(home: House, client_id: str, version: int = 5, kept: bool = True, **wanted: object) -> Client:
    wanted.setdefault("properties", KEPT if kept and version == 5 else Properties())
    return await home.client(version, "watch", client_id=client_id, clean=not kept, **wanted)


async def silent(client: Client) -> bool:
    await client.send(p.Pingreq())
    return await client.next() == p.Pingresp()


@VERSIONS
async def test_each_message_goes_to_one_member_in_turn(version: int) -> None:
    async with house() as home:
        members = [await worker(home, f"w{number}", version) for number in range(3)]
        for member in members:
            assert await member.subscribe(SHARED) == (1,)
        other = await worker(home, "other")
        assert await other.subscribe("$share/others/home/#", "home/x") == (1, 1)
        for number in range(9):
            await home.broker.publish("home/x", b"%d" % number)
        shares = [(await member.message()).payload for member in members for _ in range(3)]
        assert sorted(shares) == [b"%d" % number for number in range(9)]
        assert Counter([(await other.message()).payload for _ in range(18)]) == {b"%d" % n: 2 for n in range(9)}
        for member in members:
            assert await silent(member)


async def test_what_is_retained_does_not_come_with_a_shared_subscription() -> None:
    async with house() as home:
        await home.broker.publish("home/x", b"old", retain=True)
        member = await worker(home, "w")
        await member.subscribe(SHARED)
        assert await silent(member)
        await home.broker.publish("home/x", b"new", retain=True)
        assert (await member.message()).payload == b"new"


async def test_the_granted_qos_and_the_identifier_are_those_of_the_member() -> None:
    async with house() as home:
        member = await worker(home, "w")
        await member.send(p.Subscribe(1, (p.Subscription(SHARED, 1),), Properties(subscription_ids=(7,))))
        await member.next()
        await home.broker.publish("home/x", b"two", qos=2)
        got = await member.message()
        assert (got.qos, got.properties.subscription_ids) == (1, (7,))


async def test_leaving_a_group_leaves_it() -> None:
    async with house() as home:
        stays, goes = await worker(home, "w1"), await worker(home, "w2")
        for member in (stays, goes):
            await member.subscribe(SHARED)
        await goes.send(p.Unsubscribe(4, (SHARED, SHARED)))
        assert await goes.next() == p.Unsuback(4, (0, 0x11))
        for number in range(3):
            await home.broker.publish("home/x", b"%d" % number)
        assert [(await stays.message()).payload for _ in range(3)] == [b"0", b"1", b"2"]
        assert await silent(goes)


async def test_no_local_on_a_shared_subscription_is_a_protocol_error() -> None:
    async with house() as home:
        member = await worker(home, "w")
        await member.send(p.Subscribe(1, (p.Subscription(SHARED, 1, no_local=True),)))
        assert await member.next() == p.Disconnect(0x82)


@pytest.mark.parametrize("name", ["$share//home/#", "$share/a+b/home", "$share/#/home", "$share/g", "$share/g/"])
async def test_a_share_needs_a_plain_name_and_a_filter(name: str) -> None:
    async with house() as home:
        member = await worker(home, "w")
        await member.send(p.Subscribe(1, (p.Subscription(name, 1),)))
        assert await member.next() == p.Disconnect(0x8F)


async def test_a_member_without_room_is_passed_over_and_qos_2_in_flight_goes_to_nobody_else() -> None:
    async with house() as home:
        busy = await worker(home, "busy", kept=False, properties=Properties(receive_maximum=1))
        await busy.subscribe(SHARED, qos=2)
        await home.broker.publish("home/x", b"begun", qos=2)
        first = await busy.next()
        assert isinstance(first, p.Publish)
        for number in range(3):
            await home.broker.publish("home/x", b"%d" % number, qos=2)  # they wait for the window
        helper = await worker(home, "helper")
        await helper.subscribe(SHARED, qos=1)
        await busy.vanish()  # its session ends with it
        assert [(await helper.message()).payload for _ in range(3)] == [b"0", b"1", b"2"]
        assert await silent(helper)


async def test_qos_1_in_flight_goes_to_another_when_its_session_ends() -> None:
    async with house() as home:
        weak, strong = await worker(home, "weak", kept=False), await worker(home, "strong")
        await weak.subscribe(SHARED)
        await home.broker.publish("home/x", b"unanswered")
        assert isinstance(await weak.next(), p.Publish)
        await strong.subscribe(SHARED)
        await weak.vanish()
        got = await strong.message()
        assert (got.payload, got.dup) == (b"unanswered", False)
        assert await silent(strong)


async def test_qos_1_in_flight_stays_with_a_session_that_is_kept_and_comes_once() -> None:
    async with house() as home:
        gone, other = await worker(home, "gone"), await worker(home, "other")
        await gone.subscribe(SHARED)
        await home.broker.publish("home/x", b"unanswered")
        assert isinstance(first := await gone.next(), p.Publish)
        await other.subscribe(SHARED)
        await depart(gone)
        assert await silent(other)
        gone, present = await back(home, client_id="gone", properties=KEPT)
        again = await gone.message()
        assert present
        assert (again.payload, again.packet_id, again.dup) == (b"unanswered", first.packet_id, True)


async def test_while_all_are_away_their_kept_sessions_take_turns_also_over_a_restart(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house(killed=True) as home:
        for client_id in ("w1", "w2"):
            member = await worker(home, client_id)
            await member.subscribe(SHARED)
            await depart(member)
        for number in range(4):
            await home.broker.publish("home/x", b"%d" % number)
    async with last.house(killed=True) as home:
        first, _ = await back(home, client_id="w1", properties=KEPT)
        assert [(await first.message()).payload for _ in range(2)] == [b"0", b"2"]
        await home.broker.publish("home/x", b"to whoever is here")
        assert (await first.message()).payload == b"to whoever is here"
        await first.send(p.Disconnect(properties=Properties(session_expiry_s=0)))
        assert await first.next() is None
    async with last.house() as home:
        second, _ = await back(home, client_id="w2", properties=KEPT)
        assert [(await second.message()).payload for _ in range(2)] == [b"1", b"3"]
        assert await silent(second)


async def test_what_the_expired_session_of_a_member_held_goes_to_another(tmp_path: Path) -> None:
    clock = ManualClock(START)
    last = Lasting(tmp_path / "broker.db", clock)
    async with last.house() as home:
        brief = await worker(home, "brief", properties=Properties(session_expiry_s=60))
        await brief.subscribe(SHARED)
        await home.broker.publish("home/x", b"begun")
        assert isinstance(await brief.next(), p.Publish)
        await depart(brief)
        await home.broker.publish("home/x", b"waiting")
        other = await worker(home, "other")
        await other.subscribe(SHARED)
        await depart(other)
    async with last.house() as home:
        other, _ = await back(home, client_id="other", properties=KEPT)
        assert await silent(other)
        clock.advance(61)
        assert [(await other.message()).payload for _ in range(2)] == [b"begun", b"waiting"]


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=5),
    st.lists(st.integers(0, 2), min_size=1, max_size=40),
)
def test_a_group_never_gives_a_message_to_two_and_never_to_nobody_who_could(
    members: list[tuple[bool, bool]], messages: list[int]
) -> None:
    group, held = Group(SHARED), Counter[int]()
    for place, (connected, roomy) in enumerate(members):
        session = Session(f"s{place}", "watch", f"w{place}", DEFAULT, lambda message: True)
        session.connected, session.expiry_s = connected, 60.0
        if not roomy:
            session.limits = Limits(queue_messages_max=0)
        group.members[session] = Entry(p.Subscription(SHARED, 2))
    for number, qos in enumerate(messages):
        session_or_none = group.pick(qos, 1, 0.0)
        able = [connected or (qos > 0 and roomy) for connected, roomy in members]
        assert (session_or_none is not None) == any(able)
        if session_or_none is not None:
            session_or_none.offer(Parcel(Message("home/x", b"%d" % number, qos)), qos, False, (), 0.0, SHARED)
            held[members[int(session_or_none.id[1:])][0]] += 1
    if any(connected for connected, _ in members) and all(roomy for _, roomy in members):
        assert held[False] == 0  # nobody who is away gets what one who is here could have


SYS = Account("ops", "integrator", ("$SYS/#", "home/#"), ("$SYS/#", "home/#"))


@VERSIONS
async def test_sys_is_told_to_those_with_the_right_and_to_nobody_else(version: int) -> None:
    clock = ManualClock(START)
    async with house(clock) as home:
        home.book.accounts["ops"] = SYS
        ops, watcher = await home.client(version, "ops"), await home.client(version, "watch", client_id="w")
        await (await home.client()).publish(up(), b"a reading")
        assert await ops.subscribe("$SYS/broker/clients/+", "$SYS/broker/messages/received") == (1, 1)
        at_once = {each.topic: each.payload for each in [await ops.message() for _ in range(5)] if each.retain}
        assert at_once["$SYS/broker/clients/connected"] == b"3"
        assert at_once["$SYS/broker/messages/received"] == b"1"
        assert await ops.subscribe("#", "+/broker/version") == (0x80 if version == 4 else 0x87,) * 2
        assert await watcher.subscribe("$SYS/#") == (0x80 if version == 4 else 0x87,)
        await watcher.vanish()
        await home.broker.publish("home/x", b"x")
        await ops.send(p.Pingreq())
        assert await ops.next() == p.Pingresp()
        clock.advance(11)
        news = await ops.message()
        assert news.topic.startswith("$SYS/broker/clients/")
        assert not news.retain


async def test_a_right_to_everything_is_no_right_to_sys() -> None:
    async with house(ManualClock(START)) as home:
        home.book.accounts["ops"] = Account("ops", "integrator", ("#",), ("#",))
        ops = await home.client(name="ops")
        assert await ops.subscribe("#", "$SYS/#", "+/broker/version") == (1, 0x87, 1)
        got = await ops.message()
        assert got.topic == "linli/1/hub/state"
        assert await silent(ops)


@VERSIONS
async def test_nobody_publishes_to_sys(version: int) -> None:
    async with house() as home:
        home.book.accounts["ops"] = SYS
        ops = await home.client(version, "ops")
        answer = await ops.publish("$SYS/broker/version", b"mine")
        assert answer == (p.Puback(1, 0x87) if version == 5 else None)
        assert home.shelf.refusals == ["acl"]
        stranger = await home.stranger(version)
        will = p.Will("$SYS/broker/version", b"mine")
        assert (await stranger.login("ops", client_id="c2", will=will)).reason == (0x87 if version == 5 else 5)

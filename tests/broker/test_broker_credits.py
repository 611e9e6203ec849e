"""Credits: who is held back when the hub cannot keep up, in which order, and that QoS 1 never pays with a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.credits import LOOK_S, Purse, Stage
from hub.broker.figures import BrokerFigures
from hub.clock import ManualClock
from hub.ingest import Ingest
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict
from tests.broker.rig import AREA, START, Client, House, house, up

pytestmark = pytest.mark.anyio
STATE = f"linli/1/{AREA}/hut-1/state"
SMALL = Limits(messages_burst=3.0, messages_per_s=2.0)


async def pass_time(clock: ManualClock, span_s: float) -> None:
    """Virtual time in the steps of those who look, with room for lines to answer in between."""
    for _ in range(round(span_s / LOOK_S)):
        clock.advance(LOOK_S)
        for _ in range(5):
            await asyncio.sleep(0)


def many(count: int, qos: int = 1, first: int = 1, size: int = 1) -> list[p.Publish]:
    return [
        p.Publish(up(), b"%d" % number + bytes(size - 1), qos, packet_id=number if qos else 0)
        for number in range(first, first + count)
    ]


async def heard(home: House, name: str = "hut-2") -> None:
    """Somebody else has been answered: what was sent before has been looked at."""
    client = await home.client(name=name, client_id="probe")
    await client.send(p.Pingreq())
    assert await client.next() == p.Pingresp()
    await client.vanish()


async def eventually(true: Callable[[], bool]) -> None:
    """Turns the loop until it is so."""
    for _ in range(100_000):
        if true():
            return
        await asyncio.sleep(0)
    pytest.fail("it never came")


async def settled(client: Client) -> None:
    await client.send(p.Pingreq())
    assert await client.next() == p.Pingresp()


@given(
    st.floats(0.1, 100),
    st.floats(1, 50),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 5)), max_size=40),
)
def test_a_purse_never_gives_more_than_its_burst_and_its_rate(
    per_s: float, most: float, asked: list[tuple[float, float]]
) -> None:
    purse, now, given_out = Purse(per_s, most, most, 0.0), 0.0, 0.0
    for pause_s, amount in asked:
        now += pause_s
        wait_s = purse.wait_s(amount) if not purse.covers(amount, now) else 0.0
        if not wait_s:
            purse.drain(amount, now)
            given_out += min(amount, most)
        else:  # what it says to wait is enough, and no more than needed
            assert Purse(per_s, most, purse.left, now).covers(amount, now + wait_s + 1e-6)
            assert not Purse(per_s, most, purse.left, now).covers(amount, now + wait_s * 0.99 - 1e-6)
        assert given_out <= most + per_s * now + 1e-6


async def test_nobody_is_held_while_the_queue_is_at_most_half_full() -> None:
    clock = ManualClock(START)
    async with house(clock, SMALL) as home:
        home.shelf.pressure = 0.5
        client = await home.client()
        await client.send(*many(200), *many(50, qos=0))
        assert [await client.next() for _ in range(200)] == [p.Puback(n) for n in range(1, 201)]
        await home.shelf.holds(250)
        assert home.broker.counters.paused_messages == home.broker.counters.shed_rate == 0
        assert home.broker.credits.stage is Stage.CALM


@pytest.mark.parametrize(
    ("pressure", "stage", "qos_0", "qos_1"),
    [(0.51, Stage.SHED, 3, 8), (0.6, Stage.CUT, 3, 3), (0.8, Stage.SLOW, 3, 3), (1.0, Stage.FULL, 0, 3)],
)
async def test_each_stage_costs_what_the_published_order_says(
    pressure: float, stage: Stage, qos_0: int, qos_1: int
) -> None:
    clock = ManualClock(START)
    async with house(clock, SMALL) as home:
        lossy, strict = await home.client(name="hut-2"), await home.client()
        home.shelf.pressure = pressure
        assert home.broker.credits.stage is stage
        await lossy.send(*(p.Publish(up("hut-2"), b"q0", 0) for _ in range(8)))
        await settled(lossy)
        assert home.shelf.payloads == [b"q0"] * qos_0
        assert home.shelf.refusals == ["rate"] * (8 - qos_0)
        assert home.broker.counters.shed_rate + home.broker.counters.shed_full == 8 - qos_0
        await strict.send(*many(8))
        assert [await strict.next() for _ in range(qos_1)] == [p.Puback(n) for n in range(1, qos_1 + 1)]
        if qos_1 < 8:
            await eventually(lambda: home.broker.credits.waiting == 1)
            assert home.broker.counters.paused_messages == 1
            home.shelf.pressure = 0.0
            await pass_time(clock, LOOK_S)
            assert [await strict.next() for _ in range(5)] == [p.Puback(n) for n in range(4, 9)]
        assert len([one for one in home.shelf.got if one.account == "hut-1"]) == 8


async def test_what_is_retained_is_never_shed() -> None:
    async with house(limits=SMALL) as home:
        home.shelf.pressure = 1.0
        client = await home.client()
        await client.send(p.Publish(up(), b"reading"), p.Publish(STATE, b"online", 0, True))
        await settled(client)
        assert home.shelf.payloads == [b"online"]


async def test_the_real_queue_says_how_full_it_is_and_loses_nothing_it_did_not_count() -> None:
    """The order as it comes in life: the queue fills, and nobody takes anything out of it."""
    waiting: asyncio.Queue[Uplink] = asyncio.Queue(20)
    clock = ManualClock(START)
    async with house(clock, Limits(messages_burst=2.0)) as home:
        home.shelf.fill(waiting)
        stages = []
        strict, lossy = await home.client(), await home.client(name="hut-2")
        for number in range(1, 13):
            await strict.send(p.Publish(up(), b"q1", 1, packet_id=number))
            await lossy.send(*[p.Publish(up("hut-2"), b"q0")] * 2)
            await heard(home, "watch")
            stages.append(home.broker.credits.stage)
        assert stages == sorted(stages)
        assert stages[-1] >= Stage.CUT
        counters = home.broker.counters
        assert counters.shed_rate + counters.shed_full == len(home.shelf.refusals) > 0
        assert waiting.qsize() <= 20
        while home.broker.credits.waiting or not waiting.empty():
            while not waiting.empty():
                waiting.get_nowait().settle(Verdict.STORED)
            await pass_time(clock, LOOK_S)
        # Each QoS 1 message once and in order; each QoS 0 one is either taken or counted.
        assert [await strict.next() for _ in range(12)] == [p.Puback(n) for n in range(1, 13)]
        assert home.shelf.payloads.count(b"q1") == 12
        assert home.shelf.payloads.count(b"q0") + len(home.shelf.refusals) == 24


async def test_over_the_limit_a_line_is_not_read_and_goes_on_by_the_clock() -> None:
    clock = ManualClock(START)
    async with house(clock, SMALL) as home:
        home.shelf.pressure = 0.9
        client = await home.client()
        await client.send(*many(9))
        assert [await client.next() for _ in range(3)] == [p.Puback(n) for n in (1, 2, 3)]
        flood = asyncio.create_task(client.send(*many(400, first=10, size=131_000)))
        await heard(home)
        assert (len(home.shelf.got), home.broker.counters.paused_messages) == (3, 1)
        assert not flood.done()  # 52 MB cannot all be under way unless we swallow them
        await pass_time(clock, 0.5)
        assert await client.next() == p.Puback(4)
        await pass_time(clock, 1.0)
        assert [await client.next() for _ in range(2)] == [p.Puback(5), p.Puback(6)]
        assert len(home.shelf.got) == 6
        home.shelf.pressure = 0.4  # room again: nobody waits for the clock
        await pass_time(clock, LOOK_S)
        assert [await client.next() for _ in range(403)] == [p.Puback(n) for n in range(7, 410)]
        await flood
        assert [one.payload.rstrip(b"\0") for one in home.shelf.got] == [b"%d" % n for n in range(1, 410)]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0.2, 0.55, 0.7, 0.9, 1.0])), max_size=25),
    st.integers(1, 5),
)
def test_whatever_the_pressure_does_qos_1_and_2_come_once_in_order(said: list[tuple[int, float]], burst: int) -> None:
    """And of QoS 0 each message is either taken or counted."""

    async def scenario() -> None:
        clock = ManualClock(START)
        async with house(clock, Limits(messages_burst=float(burst), messages_per_s=1.0)) as home:
            client = await home.client()
            for number, (qos, pressure) in enumerate(said, 1):
                home.shelf.pressure = pressure
                packet = p.Publish(up(), b"%d" % number, qos, packet_id=number if qos else 0)
                await client.send(packet)
                await pass_time(clock, LOOK_S)
            home.shelf.pressure = 0.0
            pinging = asyncio.create_task(until_pong(client))
            while not pinging.done():
                await pass_time(clock, LOOK_S)
            owed = [number for number, (qos, _) in enumerate(said, 1) if qos]
            assert pinging.result() == owed
            assert [int(one.payload) for one in home.shelf.got if int(one.payload) in owed] == owed
            assert len(home.shelf.got) + len(home.shelf.refusals) == len(said)

    asyncio.run(scenario())


async def until_pong(client: Client) -> list[int]:
    """The identifiers of all acknowledgements before the answer to a ping."""
    await client.send(p.Pingreq())
    found = []
    while not isinstance(packet := await client.next(), p.Pingresp):
        assert isinstance(packet, p.Puback | p.Pubrec)
        found.append(packet.packet_id)
    return found


async def test_who_is_within_credit_is_not_held_by_who_is_not() -> None:
    clock = ManualClock(START)
    async with house(clock, SMALL) as home:
        home.shelf.pressure = 0.9
        greedy, modest = await home.client(), await home.client(name="hut-2")
        await greedy.send(*many(50))
        assert [await greedy.next() for _ in range(3)] == [p.Puback(n) for n in (1, 2, 3)]
        assert await modest.publish(up("hut-2"), b"mine") == p.Puback(1)
        second = await home.client(client_id="c2")  # another line of the same account has the same purse
        await second.send(*many(2))
        await heard(home)
        assert home.broker.credits.waiting == 2
        assert home.broker.counters.paused_messages == 2
        home.shelf.pressure = 0.0
        await pass_time(clock, LOOK_S)


async def test_bytes_are_counted_as_well_as_messages() -> None:
    clock = ManualClock(START)
    async with house(clock, Limits(payload_bytes_burst=250_000.0, payload_bytes_per_s=100_000.0)) as home:
        home.shelf.pressure = 0.9
        client = await home.client()
        await client.send(*many(4, size=100_000))
        assert [await client.next() for _ in range(2)] == [p.Puback(1), p.Puback(2)]
        await heard(home)
        assert (home.broker.counters.paused_bytes, home.broker.counters.paused_messages) == (1, 0)
        await pass_time(clock, 0.5)
        assert await client.next() == p.Puback(3)
        await pass_time(clock, 1.0)
        assert await client.next() == p.Puback(4)


async def test_waiting_for_credit_is_not_the_clients_silence_and_a_take_over_does_not_wait() -> None:
    clock = ManualClock(START)
    async with house(clock, Limits(messages_burst=1.0, messages_per_s=0.01)) as home:
        home.shelf.pressure = 0.9
        will = p.Will(STATE, b"offline", 1, True)
        client = await home.client(keep_alive_s=10, will=will)
        await client.send(*many(3))
        assert await client.next() == p.Puback(1)
        await heard(home)
        await pass_time(clock, 40)
        assert home.broker.counters.keep_alive_expired == 0
        again = await home.client(keep_alive_s=10)
        assert await client.next() == p.Disconnect(0x8E)
        await settled(again)
        assert [one.payload for one in home.shelf.got] == [b"1", b"offline"]


async def test_a_line_that_breaks_while_held_tells_its_will_at_once() -> None:
    clock = ManualClock(START)
    async with house(clock, Limits(messages_burst=1.0, messages_per_s=0.01)) as home:
        home.shelf.pressure = 0.9
        client = await home.client(will=p.Will(STATE, b"offline", 1, True))
        await client.send(*many(3))
        assert await client.next() == p.Puback(1)
        await heard(home)
        await client.vanish()
        await home.shelf.until(lambda: b"offline" in home.shelf.payloads)
        assert home.shelf.payloads == [b"1", b"2", b"3", b"offline"]  # what was read already is not thrown away
        assert home.broker.credits.waiting == 0


async def test_a_storm_of_logins_is_let_in_in_order_at_its_rate() -> None:
    clock = ManualClock(START)
    async with house(clock, Limits(listener_logins_burst=2.0, listener_logins_per_s=4.0)) as home:
        names = ["hut-1", "hut-2", "screen-1", "watch", "hut-1", "hut-2"]
        callers = [await home.stranger() for _ in names]
        inside: list[int] = []

        async def come(number: int) -> None:
            assert (await callers[number].login(names[number], client_id=f"c{number}")).reason == 0
            inside.append(number)

        coming = []
        for number in range(6):
            coming.append(asyncio.create_task(come(number)))
            await eventually(lambda: len(inside) + home.broker.credits.waiting == len(coming))
        assert inside == [0, 1]
        coming[2].cancel()
        await callers[2].vanish()  # its place goes to the next
        await pass_time(clock, 0.25)
        await asyncio.wait({coming[3]})
        await pass_time(clock, 0.5)
        await asyncio.gather(*coming, return_exceptions=True)
        assert inside == [0, 1, 3, 4, 5]
        assert home.broker.counters.paused_logins == 4


async def test_new_connections_slow_down_only_from_three_quarters_on() -> None:
    clock = ManualClock(START)
    limits = Limits(listener_logins_pressed_per_s=1.0)
    async with house(clock, limits) as home:
        home.shelf.pressure = 0.7
        for number in range(4):
            await home.client(client_id=f"a{number}")
        home.shelf.pressure = 0.75
        await home.client(name="hut-2", client_id="b0")  # one a second, and the store is cut to that as well
        caller = await home.stranger()
        coming = asyncio.create_task(caller.login("hut-2", client_id="b1"))
        await eventually(lambda: home.broker.credits.waiting > 0)
        await pass_time(clock, 12)  # longer than a stranger may keep silent, but it is we who make it wait
        assert (await coming).reason == 0
        assert home.broker.counters.connect_timeouts == 0


async def test_an_account_in_a_loop_waits_and_a_wrong_password_costs_it_nothing() -> None:
    clock = ManualClock(START)
    async with house(clock, Limits(logins_burst=2.0)) as home:
        for _ in range(5):
            thief = await home.stranger()
            assert (await thief.login("hut-1", secret="guess")).reason == 0x86
        for _ in range(2):
            client = await home.client()
            await client.vanish()
        third = await home.stranger()
        coming = asyncio.create_task(third.login("hut-1"))
        await home.client(name="hut-2")
        await eventually(lambda: home.broker.credits.waiting > 0)
        await pass_time(clock, 1.0)
        assert (await coming).reason == 0


async def test_metrics_name_every_pause_and_every_shed_message() -> None:
    clock = ManualClock(START)
    async with house(clock, SMALL) as home:
        registry = CollectorRegistry()
        registry.register(BrokerFigures(home.broker))
        home.shelf.pressure = 0.9
        client = await home.client()
        await client.send(*many(5, qos=0), *many(1))
        await heard(home)
        said = generate_latest(registry).decode()
        for line in (
            'linli_broker_events_total{what="shed_rate"} 2.0',
            'linli_broker_events_total{what="paused_messages"} 1.0',
            "linli_broker_held 1.0",
            "linli_broker_stage 5.0",
        ):
            assert line in said
        home.shelf.pressure = 0.0
        await pass_time(clock, LOOK_S)


async def test_the_hubs_own_queue_tells_its_pressure() -> None:
    ingest = Ingest(None, None, ManualClock(START), SeededRng(1), queue_frames_max=4)  # type: ignore[arg-type]
    told = []
    for _ in range(4):
        await ingest.put(Uplink("hut-1", up(), b"x", START, lambda _: None))
        told.append(ingest.pressure)
    assert told == [0.25, 0.5, 0.75, 1.0]

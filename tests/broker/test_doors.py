"""The same claims on both front doors: the embedded broker, and mosquitto behind the paho door."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.broker import packets as p
from hub.broker.announce import HUB_STATE_TOPIC
from hub.clock import ManualClock, SystemClock
from hub.mqtt import DoorClosed, PahoDoor
from hub.mqtt_address import parse_url
from hub.rng import SeededRng
from hub.uplink import Account, Door, Verdict
from tests.broker.rig import AREA, SECRET, START, Client, Shelf, device, house, mosquitto, up
from tests.conftest import needs

pytestmark = [pytest.mark.anyio, needs("mosquitto")]
DOORS = pytest.mark.parametrize("kind", ["embedded", "paho-5", "paho-3.1.1"])
PAHO = pytest.mark.parametrize("version", ["5", "3.1.1"])
STATE = f"linli/1/{AREA}/hut-1/state"
BOARD = f"linli/1/{AREA}/board"


class Front:
    """A door, the sink behind it, and the way for devices to it."""

    def __init__(self, door: Door, shelf: Shelf, port: int) -> None:
        self.door = door
        self.shelf = shelf
        self.port = port
        self.stack = contextlib.AsyncExitStack()

    async def client(self, version: int = 5, name: str = "hut-1", **wanted: object) -> Client:
        return await self.stack.enter_async_context(device(self.port, version, name, **wanted))


def paho_door(port: int, shelf: Shelf, version: str = "5", more: str = "") -> PahoDoor:
    url = f"mqtt://hub:{SECRET}@127.0.0.1:{port}/?version={version}{more}"
    return PahoDoor(url, shelf, SystemClock(), SeededRng(3))


@contextlib.asynccontextmanager
async def front(kind: str, folder: Path) -> AsyncIterator[Front]:
    async with contextlib.AsyncExitStack() as stack:
        if kind == "embedded":
            home = await stack.enter_async_context(house())
            it = Front(home.broker, home.shelf, home.port)
        else:
            port = await stack.enter_async_context(mosquitto(folder))
            shelf = Shelf()
            door = await stack.enter_async_context(running(paho_door(port, shelf, kind.removeprefix("paho-"))))
            it = Front(door, shelf, port)
        await stack.enter_async_context(it.stack)
        yield it


@contextlib.asynccontextmanager
async def running(door: PahoDoor) -> AsyncIterator[PahoDoor]:
    await door.start()
    try:
        async with asyncio.timeout(10):
            await door.wait_until_ready()
        yield door
    finally:
        await door.stop()


@DOORS
async def test_a_reading_reaches_the_sink_with_the_gateways_name(kind: str, tmp_path: Path) -> None:
    async with front(kind, tmp_path) as it:
        hut = await it.client()
        assert isinstance(await hut.publish(up(), b"\x16\xff", 4), p.Puback)
        (uplink,) = await it.shelf.holds(1)
        assert (uplink.account, uplink.topic, uplink.payload) == ("hut-1", up(), b"\x16\xff")
        assert uplink.received.tzinfo is not None


@DOORS
async def test_birth_state_twin_and_a_will_reach_the_sink(kind: str, tmp_path: Path) -> None:
    async with front(kind, tmp_path) as it:
        hut = await it.client(will=p.Will(STATE, b"offline", 1, True))
        tree = f"linli/1/{AREA}/hut-1"
        for number, tail in enumerate(("birth", "state", "twin/bp-1/reported"), 1):
            await hut.publish(f"{tree}/{tail}", tail.encode(), number, retain=True)
        await hut.vanish()
        await it.shelf.holds(4)
        assert it.shelf.payloads == [b"birth", b"state", b"twin/bp-1/reported", b"offline"]


@DOORS
async def test_a_foreign_topic_never_reaches_the_sink(kind: str, tmp_path: Path) -> None:
    async with front(kind, tmp_path) as it:
        hut = await it.client()
        await hut.publish(up("hut-2"), b"forged", 1)
        await hut.publish("somewhere/else", b"forged", 2)
        await hut.publish(up(), b"true", 3)
        assert (await it.shelf.holds(1))[0].payload == b"true"


async def test_another_makers_topic_is_taken_only_when_its_vendor_is_named(tmp_path: Path) -> None:
    """The embedded door takes it from any account that may publish there; an operator's broker by `vendors=`."""
    topic, advert = "home/gw/BTtoMQTT/A4C138000001", b'{"id":"A4:C1:38:00:00:01","tempc":21.4}'
    reader = Account("hub-2", "hub", ("linli/1/#",), ("linli/1/#", "home/#", "dusun_pub", "dusun_sub"))
    async with mosquitto(tmp_path, [(reader, SECRET)]) as port:
        shelf, url = Shelf(), f"mqtt://hub-2:{SECRET}@127.0.0.1:{port}/?vendors=theengs,dusun"
        door = PahoDoor(url, shelf, SystemClock(), SeededRng(3))
        async with running(door), device(port, 5, "watch") as gateway:
            assert isinstance(await gateway.publish(topic, advert, 1), p.Puback)
            assert isinstance(await gateway.publish("home/other", b"chatter", 2), p.Puback)
            (uplink,) = await shelf.holds(1)
            assert (uplink.account, uplink.topic, uplink.payload) == ("foreign", topic, advert)
    assert parse_url("mqtt://h/").foreign == ()
    with pytest.raises(ValueError, match="no vendor with topics: yolanda"):
        parse_url("mqtt://h/?vendors=yolanda")


@DOORS
async def test_the_hub_reaches_screens_and_huts_and_they_learn_that_it_is_there(kind: str, tmp_path: Path) -> None:
    async with front(kind, tmp_path) as it:
        await it.door.publish(BOARD, b"board", retain=True)
        screen, hut = await it.client(name="screen-1"), await it.client()
        await screen.subscribe(BOARD)
        assert (await screen.message()).payload == b"board"
        await hut.subscribe(HUB_STATE_TOPIC)
        assert json.loads((await hut.message()).payload)["s"] == "online"
        await hut.subscribe(f"linli/1/{AREA}/hut-1/receipt")
        await it.door.publish(f"linli/1/{AREA}/hut-1/receipt", b'{"boot":"b1","seq":1}')
        assert (await hut.message()).payload == b'{"boot":"b1","seq":1}'
        await it.door.publish(BOARD, b"new", qos=0)
        assert (await screen.message()).payload == b"new"


@DOORS
async def test_a_hub_that_blocks_loses_nothing(kind: str, tmp_path: Path) -> None:
    async with front(kind, tmp_path) as it:
        it.shelf.open.clear()
        hut = await it.client()
        await hut.send(*(p.Publish(up(), b"%d" % n, 1, packet_id=n) for n in range(1, 401)))
        other = await it.client(name="hut-2")
        await other.send(p.Pingreq())
        assert await other.next() == p.Pingresp()
        assert it.shelf.got == []
        it.shelf.open.set()
        await it.shelf.holds(400)
        assert it.shelf.payloads == [b"%d" % n for n in range(1, 401)]


@PAHO
async def test_a_hub_that_dies_before_it_settles_gets_the_message_again(version: str, tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as port:
        first = Shelf(settling=False)
        async with running(paho_door(port, first, version)) as dying, device(port) as hut:
            for number in range(1, 21):
                await hut.publish(up(), b"%d" % number, number)
            got = await first.holds(20)
            for uplink in got[:5]:
                uplink.settle(Verdict.STORED)
            # Acknowledgements leave in a later turn of the loop; the answer to what stands behind them shows they did.
            await dying.publish(BOARD, b"behind the acknowledgements")
            await kill(dying)
        second = Shelf()
        async with running(paho_door(port, second, version)):
            await second.holds(15)
            assert second.payloads == [b"%d" % number for number in range(6, 21)]
            assert all(uplink.dup for uplink in second.got)
            for uplink in got[5:]:
                uplink.settle(Verdict.STORED)  # the dead one's commits come late and acknowledge nothing


@PAHO
async def test_a_commit_that_comes_after_the_line_broke_acknowledges_nothing(version: str, tmp_path: Path) -> None:
    """The packet identifier may name another message by then."""
    async with mosquitto(tmp_path) as port, device(port) as hut:
        first = Shelf(settling=False)
        async with running(paho_door(port, first, version)) as door:
            await hut.publish(up(), b"x")
            await first.holds(1)
            door._line._socket.shutdown(2)
            early, _ = await first.holds(2)  # on the next connection, under the same identifier
            early.settle(Verdict.STORED)
            await door.publish(BOARD, b"behind an acknowledgement, were there one")
            assert door.counters.acknowledged == 0
            await kill(door)
        second = Shelf()
        async with running(paho_door(port, second, version)):
            assert (await second.holds(1))[0].payload == b"x"


async def kill(door: PahoDoor) -> None:
    """What SIGKILL leaves: a closed socket, no DISCONNECT, no acknowledgement."""
    for task in door._tasks:
        task.cancel()
    await asyncio.gather(*door._tasks, return_exceptions=True)
    door._ready.clear()
    door._line.drop()


@PAHO
async def test_the_door_comes_back_after_a_broken_line(version: str, tmp_path: Path) -> None:
    async with (
        mosquitto(tmp_path) as port,
        device(port, 4) as hut,
        running(paho_door(port, Shelf(), version)) as door,
    ):
        await hut.subscribe(HUB_STATE_TOPIC)
        assert await said(hut) == "online"
        door._line._socket.shutdown(2)
        assert await said(hut) == "offline"  # its will
        assert await said(hut) == "online"
        await door.wait_until_ready()
        await door.publish(BOARD, b"still here")
        assert (door.counters.connects, door.counters.lost, door.faults) == (2, 1, 0)


async def said(hut: Client) -> str:
    return str(json.loads((await hut.message()).payload)["s"])


async def test_gateways_see_the_hub_come_and_go(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as port, device(port, 4) as hut:
        await hut.subscribe(HUB_STATE_TOPIC)
        async with running(paho_door(port, Shelf())) as door:
            assert await said(hut) == "online"
            await kill(door)
            assert await said(hut) == "offline"  # its will
        async with running(paho_door(port, Shelf())) as door:
            assert await said(hut) == "online"
        assert await said(hut) == "offline"  # its farewell
        with pytest.raises(DoorClosed):
            await door.publish(BOARD, b"x")


async def test_workers_of_one_share_take_each_reading_once(tmp_path: Path) -> None:
    shelf = Shelf()
    one, two = "&share=linli&client_id=w1", "&share=linli&client_id=w2"
    async with (
        mosquitto(tmp_path) as port,
        device(port) as hut,
        running(paho_door(port, shelf, more=one)) as left,
        running(paho_door(port, shelf, more=two)) as right,
    ):
        for number in range(1, 51):
            await hut.publish(up(), b"%d" % number, number)
        await shelf.holds(50)
        assert sorted(map(int, shelf.payloads)) == list(range(1, 51))
        assert left.counters.publishes_in > 5
        assert right.counters.publishes_in > 5


async def test_user_properties_come_through_the_operators_broker(tmp_path: Path) -> None:
    async with front("paho-5", tmp_path) as it:
        hut = await it.client()
        said = p.Publish(up(), b"x", 1, packet_id=1, properties=p.Properties(user=(("boot", "b7"), ("seq", "17"))))
        await hut.send(said)
        assert (await it.shelf.holds(1))[0].properties == {"boot": "b7", "seq": "17"}


def test_the_address_is_one_url_and_its_password_stays_out_of_sight() -> None:
    address = parse_url("mqtts://hub:p%40ss@broker.example/?version=3.1.1&share=g&client_id=w1")
    assert (address.host, address.port, address.tls, address.password) == ("broker.example", 8883, True, "p@ss")
    assert (address.version, address.share, address.client_id) == ("3.1.1", "g", "w1")
    assert "p@ss" not in repr(address)
    for wrong in ("http://x", "mqtt://", "mqtt://x/?version=3", "mqtt://x/?colour=red"):
        with pytest.raises(ValueError, match=r"The broker's"):
            parse_url(wrong)


async def test_our_accounts_mean_the_same_to_mosquitto(tmp_path: Path) -> None:
    """Deny wins there as well, and a wrong password is wrong."""
    async with mosquitto(tmp_path) as port:
        with pytest.raises(AssertionError):
            async with device(port, secret="wrong"):
                pass
        async with device(port, name="watch") as watch:
            await watch.subscribe("linli/1/#")
            for name in ("hut-2", "hut-1"):
                async with device(port, name=name) as hut:
                    await hut.publish(up(name), name.encode())
            assert (await watch.message()).payload == b"hut-1"  # hut-2 is denied to it


class Patience(ManualClock):
    """A clock whose sleepers wake at once and are written down; it rests after five."""

    def __init__(self) -> None:
        super().__init__(START)
        self.slept: list[float] = []
        self.enough = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        if len(self.slept) == 5:
            self.enough.set()
            await asyncio.Event().wait()


class Ceiling(SeededRng):
    def uniform(self, low: float, high: float) -> float:
        assert low == 0  # full jitter: ten thousand clients must not come back in step
        return high


async def test_a_broker_that_is_not_there_is_tried_again_with_growing_patience() -> None:
    clock = Patience()
    door = PahoDoor("mqtt://hub:x@127.0.0.1:1/", Shelf(), clock, Ceiling(1))
    await door.start()
    try:
        async with asyncio.timeout(10):
            await clock.enough.wait()
        assert clock.slept == [1, 2, 4, 8, 16]
        assert (door.counters.connect_failures, door.connected, door.faults) == (5, False, 0)
    finally:
        await door.stop()

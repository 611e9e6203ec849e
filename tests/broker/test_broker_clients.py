"""Foreign clients against the embedded broker: paho-mqtt and Debian's mosquitto_pub and mosquitto_sub."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hub.uplink import Verdict
from tests.broker.rig import AREA, SECRET, House, house, up
from tests.conftest import needs, program

pytestmark = pytest.mark.anyio
Result = TypeVar("Result")
PAHO = pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
BOARD = f"linli/1/{AREA}/board"


async def in_thread(work: Callable[[], Result]) -> Result:
    return await asyncio.to_thread(work)


class Phone:
    """A paho client on its own thread, as a stranger would use it."""

    def __init__(self, home: House, version: MQTTProtocolVersion, name: str = "hut-1", secret: str = SECRET) -> None:
        self.answers: list[str] = []
        self.codes: list[int] = []
        self.messages: list[tuple[str, bytes, bool]] = []
        self._changed = threading.Condition()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"paho-{name}", protocol=version)
        self.client.username_pw_set(name, secret)
        self.client.on_connect = lambda *said: self._note(self.answers, str(said[3]))
        self.client.on_publish = lambda *said: self._note(self.codes, said[3].value)
        self.client.on_disconnect = lambda *said: self._note(self.answers, "gone")
        self.client.on_subscribe = lambda *said: self._note(self.answers, "subscribed")
        self.client.on_message = lambda _c, _u, m: self._note(self.messages, (m.topic, m.payload, m.retain))
        self._address = (home.host, home.port)

    def start(self) -> None:
        self.client.connect(*self._address, keepalive=30)
        self.client.loop_start()

    def _note(self, where: list[Any], what: object) -> None:
        with self._changed:
            where.append(what)
            self._changed.notify_all()

    def wait(self, true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, 10)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@PAHO
async def test_paho_publishes_every_qos_and_a_screen_sees_its_board(version: MQTTProtocolVersion) -> None:
    async with house() as home:
        hut, screen = Phone(home, version), Phone(home, version, "screen-1")

        def work() -> None:
            screen.start()
            screen.wait(lambda: "Success" in screen.answers)
            screen.client.subscribe(BOARD, 1)
            screen.wait(lambda: "subscribed" in screen.answers)
            hut.start()
            for qos in (0, 1, 2):
                hut.client.publish(up(), b"%d" % qos, qos).wait_for_publish(10)

        await in_thread(work)
        await home.shelf.holds(3)
        assert sorted(home.shelf.payloads) == [b"0", b"1", b"2"]
        await home.broker.publish(BOARD, b"notice", retain=True)
        await in_thread(lambda: screen.wait(lambda: len(screen.messages) == 1))
        assert screen.messages == [(BOARD, b"notice", False)]
        await in_thread(hut.stop)
        await in_thread(screen.stop)


@PAHO
async def test_paho_hears_that_its_password_is_wrong(version: MQTTProtocolVersion) -> None:
    async with house() as home:
        phone = Phone(home, version, secret="wrong")

        def work() -> None:
            phone.start()
            phone.wait(lambda: bool(phone.answers))
            phone.stop()

        await in_thread(work)
        assert phone.answers[0] in ("Bad user name or password", "Not authorized")


async def test_paho_hears_0x87_for_a_foreign_topic_and_goes_on() -> None:
    async with house() as home:
        phone = Phone(home, MQTTProtocolVersion.MQTTv5)

        def work() -> None:
            phone.start()
            phone.client.publish(up("hut-2"), b"x", 1)
            phone.wait(lambda: phone.codes == [0x87])
            phone.client.publish(up(), b"y", 1)
            phone.wait(lambda: phone.codes == [0x87, 0])
            phone.stop()

        await in_thread(work)
        assert home.shelf.payloads == [b"y"]


async def test_paho_repeats_what_was_not_acknowledged_when_the_line_broke() -> None:
    async with house() as home:
        home.shelf.settling = False
        phone = Phone(home, MQTTProtocolVersion.MQTTv5)
        phone.client.reconnect_delay_set(1, 1)
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        kept.SessionExpiryInterval = 60
        phone.client.connect(home.host, home.port, clean_start=False, properties=kept)
        phone.client.loop_start()
        phone.client.publish(up(), b"x", 1)
        first = (await home.shelf.holds(1))[0]
        next(iter(home.broker._lines)).abort()
        again = (await home.shelf.holds(2))[1]
        assert (again.payload, again.dup, again.delivery) == (b"x", True, first.delivery)
        again.settle(Verdict.STORED)
        await in_thread(lambda: phone.wait(lambda: phone.codes == [0]))
        await in_thread(phone.stop)


async def run(home: House, tool: str, *words: str, user: str, secret: str = SECRET) -> tuple[int, str]:
    binary = program(tool)
    assert binary is not None
    login = ("-h", home.host, "-p", str(home.port), "-u", user, "-P", secret)
    process = await asyncio.create_subprocess_exec(
        binary, *login, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(10):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@needs("mosquitto_pub")
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_and_sub_work_as_with_their_own_broker(version: str) -> None:
    async with house() as home:
        state = f"linli/1/{AREA}/hut-1/state"
        for qos in "012":
            code, said = await run(home, "mosquitto_pub", "-V", version, "-q", qos, "-t", up(), "-m", qos, user="hut-1")
            assert (code, said) == (0, "")
        await run(home, "mosquitto_pub", "-V", version, "-q", "1", "-r", "-t", state, "-m", "on", user="hut-1")
        assert home.shelf.payloads == [b"0", b"1", b"2", b"on"]
        listening = ("-V", version, "-q", "1", "-v", "-C", "1", "-t", state, "-W", "5")
        assert await run(home, "mosquitto_sub", *listening, user="watch") == (0, f"{state} on\n")
        code, said = await run(home, "mosquitto_pub", "-V", version, "-t", up(), "-m", "x", user="hut-1", secret="no")
        assert code
        assert "bad user name or password" in said.lower()
        code, said = await run(home, "mosquitto_pub", "-V", version, "-q", "1", "-t", "x", "-m", "x", user="hut-1")
        assert "Not authorized" in said if version == "mqttv5" else code

"""The interop matrix: what every foreign client must be able to do, in both versions of MQTT."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from tests.interop.libraries import Aiomqtt, Gmqtt, Paho
from tests.interop.place import WAIT_S, Guest, Heard, Place, Refused, Wish
from tests.interop.programs import MosquittoClients, MqttJs, stop_node

ALONE = {"mosquitto clients": {"websocket"}, "gmqtt": {"websocket"}}  # what a client cannot do at any broker
GUESTS: dict[str, Callable[[], Guest]] = {
    "paho-mqtt": Paho,
    "aiomqtt": Aiomqtt,
    "gmqtt": Gmqtt,
    "mosquitto clients": MosquittoClients,
    "mqtt.js": MqttJs,
}
VERSIONS = (4, 5)
_names = count()


@dataclass
class Trial:
    """One guest in one version at one broker."""

    make: Callable[[], Guest]
    version: int
    place: Place
    opened: list[Guest] = field(default_factory=list)

    async def guest(self, **wanted: object) -> Guest:
        made = self.make()
        name = wanted.pop("name", f"guest-{next(_names)}")
        self.opened.append(made)
        await made.open(self.place, Wish(self.version, name, **wanted))  # type: ignore[arg-type]
        return made


async def login(trial: Trial) -> None:
    await (await trial.guest()).close()


async def wrong_password(trial: Trial) -> None:
    try:
        guest = await trial.guest(secret="wrong")
    except Refused:
        return
    await guest.close()
    raise AssertionError("let in")


async def every_qos(trial: Trial) -> None:
    for qos in (0, 1, 2):
        sender, listener = await trial.guest(), await trial.guest()
        await listener.subscribe("home/a", qos)
        for number in range(3):
            await sender.publish("home/a", f"{qos} {number}", qos)
        for number in range(3):
            assert await listener.message() == Heard("home/a", f"{qos} {number}", qos, False)
        await sender.close()
        await listener.close()


async def retained(trial: Trial) -> None:
    sender, listener = await trial.guest(), await trial.guest()
    await sender.publish("home/kept-message", "state", 1, True)
    await listener.subscribe("home/kept-message", 1)
    assert await listener.message() == Heard("home/kept-message", "state", 1, True)
    await sender.publish("home/kept-message", "", 1, True)
    await listener.close()
    await sender.close()


async def will(trial: Trial) -> None:
    watcher = await trial.guest()
    await watcher.subscribe("home/will", 1)
    torn = await trial.guest(will=("home/will", "gone"))
    await torn.tear()
    assert (await watcher.message()).payload == "gone"
    await watcher.close()


async def offline_queue(trial: Trial) -> None:
    name = f"kept-{next(_names)}"
    away = await trial.guest(name=name, keeps=True)
    await away.subscribe("home/kept", 1)
    await away.close()
    sender = await trial.guest()
    for number in range(3):
        await sender.publish("home/kept", str(number), 1)
    back = await trial.guest(name=name, keeps=True)
    assert [(await back.message()).payload for _ in range(3)] == ["0", "1", "2"]
    await back.close()
    await sender.close()


async def shared(trial: Trial) -> None:
    members = [await trial.guest(), await trial.guest()]
    for member in members:
        await member.subscribe("$share/g/home/shared", 1)
    sender = await trial.guest()
    for number in range(10):
        await sender.publish("home/shared", str(number), 1)
    got: asyncio.Queue[str] = asyncio.Queue()
    hearing = [asyncio.create_task(_collect(member, got)) for member in members]
    try:
        async with asyncio.timeout(WAIT_S):
            found = [await got.get() for _ in range(10)]
    finally:
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)
    assert sorted(found) == [str(number) for number in range(10)]
    for each in (*members, sender):
        await each.close()


async def _collect(member: Guest, got: asyncio.Queue[str]) -> None:
    while True:
        got.put_nowait((await member.message()).payload)


async def over(trial: Trial, way: str) -> None:
    guest = await trial.guest(way=way)
    await guest.subscribe("home/way", 1)
    await guest.publish("home/way", "x" * 20_000, 1)
    assert len((await guest.message()).payload) == 20_000
    await guest.close()


ABILITIES: dict[str, Callable[[Trial], Awaitable[None]]] = {
    "login": login,
    "wrong password": wrong_password,
    "QoS 0, 1, 2": every_qos,
    "retained": retained,
    "will": will,
    "offline queue": offline_queue,
    "shared": shared,
    "TLS": lambda trial: over(trial, "tls"),
    "websocket": lambda trial: over(trial, "ws"),
}


async def column(guest: str, version: int, place: Place) -> dict[str, str]:
    """What one client in one version can do there: ok, - (it cannot anywhere), or what went wrong."""
    try:
        return await _tried(guest, Trial(GUESTS[guest], version, place))
    finally:
        await stop_node()


async def _tried(guest: str, trial: Trial) -> dict[str, str]:
    found = {}
    for ability, attempt in ABILITIES.items():
        if ability in ALONE.get(guest, set()):
            found[ability] = "-"
            continue
        try:
            async with asyncio.timeout(20):
                await attempt(trial)
            found[ability] = "ok"
        except (AssertionError, TimeoutError, Refused, OSError) as error:
            found[ability] = f"{type(error).__name__} {str(error)[:60]}".strip()
            # What failed half-way has left programs and threads behind; those that are closed already say so.
            await asyncio.gather(*(guest.tear() for guest in trial.opened), return_exceptions=True)
        trial.opened.clear()
    return found

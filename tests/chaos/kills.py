"""P1 and P3: the hub is killed with -9 at random instants under load, in any weather, behind either door.

The oracle is the driver's own file, a line for each PUBACK it saw, fsynced. At the end every acknowledged reading must
stand in the store exactly once, with the very bytes that were sent. Behind an operator's broker it is that broker that
acknowledges; what it has acknowledged must still come through every death of the hub.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hub.clock import SystemClock
from hub.db import Tx
from hub.main import victim, wiring
from hub.main.driver import Driver
from hub.registry import Registry
from hub.settings import load as load_settings
from hub.uplink import Account as DoorAccount
from simulators.line import Address
from simulators.load import Account
from tests.broker.rig import HUB, SECRET, mosquitto
from tests.chaos.hub_process import HubProcess, free_port
from tests.chaos.judge import Judgement, count, judge
from tests.chaos.proxy import WEATHERS, Proxy
from tests.world import lay_store

UP_S = (0.3, 2.5)  # how long a hub lives before it is killed: from "just accepting" to "well warmed up"
PAUSE_S = (0.1, 1.5)  # a SIGSTOP now and then: everything stands, nothing is told
PAUSES = 0.15
FOUL = 0.4  # of the time between two kills the net has some weather
CLEARS = 0.5  # of the weathers end before the kill: something is acknowledged and something is being said again
DRAIN_S = 120.0
SILENCE_S = 60.0  # mosquitto saving its queue at every change (our peer) is silent for long when the queue is long
# Behind a broker the next kill waits until no more than this is left: a hub that lives two seconds at a time on a busy
# machine falls behind for ever, and mosquitto, saving its whole queue at every change, needs minutes for a thousand.
BACKLOG_MAX = 2_000
EMBEDDED, MOSQUITTO = "embedded", "mosquitto"


@dataclass(frozen=True)
class Kill:
    """What a kill met, by the driver's journal and by the dead hub's file."""

    weather: str
    acknowledged: int  # since the last kill
    in_flight: int  # sent and not acknowledged; behind a broker: acknowledged by it and not in the store yet
    ready_s: float = 0.0  # how long the next hub took


@dataclass
class Verdict:
    door: str
    seed: int
    kills: list[Kill]
    pauses: int
    offered: int
    resent: int
    outstanding: int
    judgement: Judgement
    weather: dict[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """One line for who runs it: how much really happened, and what came of it."""
        ready = sorted(kill.ready_s for kill in self.kills) or [0.0]
        return {
            "scenario": "kill",
            "door": self.door,
            "seed": self.seed,
            "kills": len(self.kills),
            "pauses": self.pauses,
            "offered": self.offered,
            "acknowledged_before_a_kill": [kill.acknowledged for kill in self.kills],
            "in_flight_at_a_kill": [kill.in_flight for kill in self.kills],
            "kills_with_some_in_flight": sum(kill.in_flight > 0 for kill in self.kills),
            "resent": self.resent,
            "outstanding": self.outstanding,
            "weather": self.weather,
            "ready_s": {"p50": ready[len(ready) // 2], "p99": ready[int(len(ready) * 0.99)], "max": ready[-1]},
            **asdict(self.judgement),
        }


@asynccontextmanager
async def doors(kind: str, folder: Path, accounts: list[tuple[DoorAccount, str]]) -> AsyncIterator[tuple[int, str]]:
    """The port that gateways speak to, and the URL a hub is given for an operator's broker."""
    if kind == EMBEDDED:
        yield free_port(), ""
        return
    async with mosquitto(folder / "mosquitto", accounts) as port:
        yield port, f"mqtt://{HUB.id}:{SECRET}@127.0.0.1:{port}/"


def furnish(data: Path) -> tuple[list[Account], list[tuple[DoorAccount, str]]]:
    lay_store(data)
    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        accounts = [Account.parse(line) for line in store.write_now(_furnish)]
        book = Registry(store, SystemClock())
        book.look()
        secrets = {account.id: account.password for account in accounts}
        return accounts, [(account, secrets[account.id]) for account in book.accounts() if account.id in secrets]
    finally:
        store.close()


def _furnish(tx: Tx) -> list[str]:
    return victim.furnish(tx)


async def run(
    folder: Path,
    *,
    seed: int,
    kills: int = 0,
    seconds: float = 0.0,
    rate: float = 500,
    door: str = EMBEDDED,
    weather: bool = True,
    readme: bool = False,
    certain: int = 0,
) -> Verdict:
    """So many kills, or as many as fit into the time; with both, whichever ends first.

    The first `certain` ones strike only when something is on its way: of very few kills at random instants none might
    meet anything, the less so the faster the disk.
    """
    data, oracle = folder / "data", folder / "oracle.jsonl"
    accounts, door_accounts = furnish(data)
    dice, loop = random.Random(seed), asyncio.get_running_loop()
    async with doors(door, folder, door_accounts) as (port, url):
        hub = HubProcess(data, 0 if url else port, url, readme=readme)
        proxy = Proxy(port, random.Random(f"{seed} net"))
        await proxy.open()
        driver = Driver(Address("127.0.0.1", proxy.port), accounts, oracle, str(seed), rate)
        met, pauses = list[Kill](), 0
        try:
            await hub.start()
            driver.start()
            deadline = loop.time() + (seconds or float("inf"))
            while (not kills or len(met) < kills) and loop.time() < deadline:
                if url:
                    await _settled(data / "linli.db", driver, BACKLOG_MAX)
                proxy.turn(dice.choice(WEATHERS) if weather and dice.random() < FOUL else "clear")
                up_s = dice.uniform(*UP_S)
                await asyncio.sleep(up_s / 2)
                if dice.random() < CLEARS:
                    proxy.turn("clear")
                await asyncio.sleep(up_s / 2)  # the random instant is what is being tested
                if dice.random() < PAUSES:
                    hub.signal(signal.SIGSTOP)
                    pauses += 1
                    await asyncio.sleep(dice.uniform(*PAUSE_S))
                    hub.signal(signal.SIGCONT)
                if len(met) < certain:
                    if proxy.weather == "stall":
                        proxy.turn("clear")  # on a line that is held nothing sets out
                    await _on_the_way(hub, driver, behind_a_broker=bool(url))
                met.append(await _kill(hub, driver, proxy, met, behind_a_broker=bool(url)))
                print(f"kill {len(met)}: {met[-1]}", file=sys.stderr, flush=True)
            proxy.turn("clear")
            await driver.drain(DRAIN_S)
            outstanding = driver.waiting
            await _settled(data / "linli.db", driver)
        finally:
            await driver.close()
            await proxy.close()
            await hub.stop()
    return Verdict(
        door=door,
        seed=seed,
        kills=met,
        pauses=pauses,
        offered=driver.offered,
        resent=driver.resent,
        outstanding=outstanding,
        judgement=judge(data / "linli.db", oracle),
        weather=dict(proxy.met),
    )


async def _on_the_way(hub: HubProcess, driver: Driver, *, behind_a_broker: bool) -> None:
    """The hub stands still until something waits for it, and is not let go on."""
    hub.signal(signal.SIGSTOP)

    def waits() -> bool:
        return driver.acknowledged > count(hub.data / "linli.db")

    async with asyncio.timeout(SILENCE_S):
        while not (await asyncio.to_thread(waits) if behind_a_broker else driver.in_flight):
            await driver.turned()


async def _kill(hub: HubProcess, driver: Driver, proxy: Proxy, met: list[Kill], *, behind_a_broker: bool) -> Kill:
    weather, on_the_way = proxy.weather, driver.in_flight
    await hub.kill()
    acknowledged = driver.acknowledged - sum(kill.acknowledged for kill in met)
    if behind_a_broker:
        on_the_way = max(0, driver.acknowledged - count(hub.data / "linli.db"))
    if proxy.weather == "stall":
        proxy.turn("clear")
    await hub.start()
    return Kill(weather, acknowledged, on_the_way, round(hub.ready_s, 2))


async def _settled(database: Path, driver: Driver, short_of: int = 0) -> None:
    """Until the store holds as many as were acknowledged, or so many less, or nothing more comes: an operator's broker
    hands over what it still has, and what is lost never comes."""
    loop = asyncio.get_running_loop()
    held, since = -1, loop.time()
    while held < driver.acknowledged - short_of and loop.time() - since < SILENCE_S:
        now = await asyncio.to_thread(count, database)
        if now != held:
            held, since = now, loop.time()
        await asyncio.sleep(0.1)  # another process writes it

"""P12: ten thousand devices connected; the hub dies and is started again, and all of them come back at once,
without any politeness about it. A page must still answer meanwhile.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from hub import directory, registry
from hub.db import Tx
from hub.main import wiring
from hub.settings import load as load_settings
from simulators.load import PROFILE, Account
from tests.chaos.flood import Flooder, lost
from tests.chaos.hub_process import HubProcess, free_port
from tests.world import lay_store

AREA = "420802002001"
LINES_PER_GATEWAY = 4  # what one account may hold open
AT_ONCE = 500  # connects on their way: more only fills the listening socket's queue
BACK_S_MAX, PAGE_S_MAX, RSS_MIB_MAX = 60.0, 2.0, 512.0
TRY_AGAIN_S = 0.2
ANSWER_S = 30.0
LOOK_S = 0.25


@dataclass(frozen=True)
class Figures:
    clients: int
    connected_s: float
    back_s: float
    page_s_max: float
    rss_mib: float
    rss_mib_back: float
    attempts: int
    came_back: int
    acknowledged: int
    lost: int
    troubles: dict[str, int]

    def kept(self) -> bool:
        return (
            self.came_back == self.acknowledged == self.clients
            and self.back_s <= BACK_S_MAX
            and self.page_s_max <= PAGE_S_MAX
            and max(self.rss_mib, self.rss_mib_back) <= RSS_MIB_MAX
            and self.lost == 0
        )

    def as_dict(self) -> dict[str, object]:
        return {"scenario": "reconnect", **asdict(self)}


def furnish(data: Path, gateways: int) -> list[Account]:
    def work(tx: Tx) -> list[Account]:
        directory.found_area(tx, AREA, "community", "万台归来", "Ten thousand")
        accounts = []
        for number in range(gateways):
            gateway, cuff = f"gw-{number:05}", f"bp-{number:05}"
            password = registry.add_gateway(tx, gateway, AREA)
            registry.add_device(tx, cuff, gateway, PROFILE)
            accounts.append(Account(gateway, password, AREA, (cuff,)))
        return accounts

    lay_store(data)
    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        return store.write_now(work)
    finally:
        store.close()


class Crowd:
    """Every client tries until it is in."""

    def __init__(self, accounts: Sequence[Account], clients: int) -> None:
        self.attempts = 0
        self.troubles: Counter[str] = Counter()
        self.members = [
            Flooder(accounts[n // LINES_PER_GATEWAY], f"line-{n:05}", window=1, subscribe=True) for n in range(clients)
        ]
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def come(self, port: int) -> float:
        began = time.monotonic()
        await asyncio.gather(*(self._enter(client, port) for client in self.members))
        return time.monotonic() - began

    async def _enter(self, client: Flooder, port: int) -> None:
        loop = asyncio.get_running_loop()
        while not client.ready.is_set():
            async with self._gate:
                self.attempts += 1
                client.lost.clear()
                try:
                    async with asyncio.timeout(ANSWER_S):
                        await loop.create_connection(lambda: client, "127.0.0.1", port)
                        await _either(client.ready, client.lost)
                except OSError as error:
                    self.troubles[type(error).__name__] += 1
                    client.drop()
            if not client.ready.is_set():
                await asyncio.sleep(TRY_AGAIN_S)

    async def speak(self) -> None:
        """One reading from each line."""
        for number, client in enumerate(self.members):
            client._next = (number % LINES_PER_GATEWAY) * 1_000  # the lines of a gateway share its cuff
            client.due, client.window = 1.0, 1
            client.push()
        async with asyncio.timeout(BACK_S_MAX):
            while not all(client.acked for client in self.members):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    tasks = [asyncio.create_task(each.wait()) for each in (one, other)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _watch_page(hub: HubProcess, slowest: list[float]) -> None:
    while True:
        began = time.monotonic()
        with suppress(URLError, ConnectionError):
            await asyncio.to_thread(_page, hub.web_url)
            slowest.append(time.monotonic() - began)
        await asyncio.sleep(LOOK_S)


def _page(url: str) -> bytes:
    with urlopen(f"{url}/login", timeout=30) as answer:  # noqa: S310 (the hub's own address)
        return bytes(answer.read())


async def run(folder: Path, *, clients: int, readme: bool = True) -> Figures:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    accounts = furnish(folder / "data", -(-clients // LINES_PER_GATEWAY))
    hub = HubProcess(folder / "data", free_port(), readme=readme)
    await hub.start()
    crowd = Crowd(accounts, clients)
    slowest: list[float] = []
    watching: asyncio.Task[None] | None = None
    try:
        connected_s = await crowd.come(hub.mqtt_port)
        rss = hub.rss_mib()
        await hub.kill()
        async with asyncio.timeout(ANSWER_S):
            await asyncio.gather(*(client.lost.wait() for client in crowd.members))
        crowd.attempts = 0
        await hub.start()
        if hub.web_url:
            watching = asyncio.create_task(_watch_page(hub, slowest))
        back_s = await crowd.come(hub.mqtt_port)
        came_back = sum(client.ready.is_set() for client in crowd.members)
        await crowd.speak()
        rss_back = hub.rss_mib()
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
        for client in crowd.members:
            client.drop()
        await hub.stop()
    missing, _ = lost(folder / "data" / "linli.db", crowd.members)
    return Figures(
        clients=clients,
        connected_s=round(connected_s, 2),
        back_s=round(back_s, 2),
        page_s_max=round(max(slowest, default=0.0), 2),
        rss_mib=round(rss, 1),
        rss_mib_back=round(rss_back, 1),
        attempts=crowd.attempts,
        came_back=came_back,
        acknowledged=sum(len(client.acked) for client in crowd.members),
        lost=missing,
        troubles=dict(crowd.troubles),
    )

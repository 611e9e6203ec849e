"""A hub in parts on one PostgreSQL: two ingest workers behind mosquitto by `$share`, and a web worker beside one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from hub import login, registry
from hub.civic.health import kiosk
from hub.clock import SystemClock
from hub.db import Read, Store, Tx
from hub.main import victim, wiring
from hub.main.running import Running
from hub.mqtt import PahoDoor
from hub.readings import Reading
from hub.receipts import ReceiptRow
from hub.registry import Registry
from hub.settings import load as load_settings
from simulators.baseline import Pressure
from simulators.hut import Hut, new_boot
from simulators.journal import Journal
from simulators.line import Address
from simulators.load import Account, load
from tests.broker.rig import HUB, SECRET, mosquitto
from tests.conftest import needs
from tests.doors.town import CUFF, PLAN
from tests.postgres.cluster import MakeStore
from tests.world import KEY, LIUHE, people

pytestmark = [pytest.mark.anyio, needs("postgresql", "mosquitto")]
ROOT = Path(__file__).resolve().parents[2]
RATE, SECONDS, VISITS = 200, 4, 12
WAIT_S = 60  # two processes start at once, on a machine that runs other tests


@dataclass
class City:
    """One store, one broker, and the processes on them."""

    folder: Path
    store: Store
    port: int
    load_accounts: list[Account]
    hut: Hut

    def knobs(self, client_id: str) -> dict[str, str]:
        return {
            "data_dir": str(self.folder),
            "state_dir": str(self.folder),
            "key_file": str(self.folder / "seal.key"),
            "database_url": self.store.url.render_as_string(hide_password=False),
            "mqtt_url": f"mqtt://{HUB.id}:{SECRET}@127.0.0.1:{self.port}/?share=linli&client_id={client_id}",
            "http_port": "0",
            "log_level": "ERROR",
        }

    @asynccontextmanager
    async def part(self, role: str) -> AsyncIterator[Running]:
        """One role of a hub in this process: it shares nothing with another part but the store and the broker."""
        settings = load_settings(self.knobs("here"), {})
        hub = Running(wiring.services(settings))
        await hub.start(settings, (role,))
        try:
            yield hub
        finally:
            await hub.finish()

    async def worker(self, client_id: str) -> Process:
        """An ingest worker in a process of its own; returns when it takes readings."""
        words = [sys.executable, "-P", "-m", "hub", "serve", "--role", "ingest"]
        knobs = {f"LINLI_{name.upper()}": value for name, value in self.knobs(client_id).items()}
        here = {**os.environ, "PYTHONPATH": str(ROOT), **knobs}
        process = await asyncio.create_subprocess_exec(*words, stderr=PIPE, env=here, cwd=self.folder)
        assert process.stderr is not None
        async with asyncio.timeout(WAIT_S):
            while not (said := await process.stderr.readline()).startswith(b"behind the MQTT broker"):
                assert said, "it ended at once"
        return process

    def stored(self) -> list[Reading]:
        return self.store.read_now(lambda read: list(read.session.execute(select(Reading)).scalars()))

    async def until_stored(self, at_least: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while await self.store.read(count) < at_least:  # noqa: ASYNC110 - another process's commit is no event here
                await asyncio.sleep(0.1)


def count(read: Read) -> int:
    return int(read.session.execute(select(func.count()).select_from(Reading)).scalar_one())


async def end(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.communicate()


@asynccontextmanager
async def city(folder: Path, make_store: MakeStore) -> AsyncIterator[City]:
    store = make_store(clock=SystemClock())
    (folder / "seal.key").write_bytes(KEY)

    def furnish(tx: Tx) -> tuple[list[str], str]:
        people(tx)
        registry.found_hut(tx, PLAN.id, PLAN.area, PLAN.zh, PLAN.en)
        secret = registry.add_gateway(tx, PLAN.gateway, PLAN.area, PLAN.id)
        for each in PLAN.devices:
            registry.add_device(tx, each.id, PLAN.gateway, each.profile, kind=each.kind, serial=each.serial)
        return victim.cuffs(tx, LIUHE), secret

    named, secret = store.write_now(furnish)
    accounts = [Account.parse(each) for each in named]
    secrets = {account.id: account.password for account in accounts} | {PLAN.gateway: secret}
    book = Registry(store, store.clock)
    book.look()
    known = [(account, secrets[account.id]) for account in book.accounts() if account.id in secrets]
    async with mosquitto(folder / "mosquitto", known) as port:
        journal = Journal.open(folder / "outbox.jsonl", new_boot)
        hut = Hut(PLAN, secret, address=Address("127.0.0.1", port), journal=journal, seed="workers")
        try:
            yield City(folder, store, port, accounts, hut)
        finally:
            await hut.stop()


def acknowledged(oracle: Path) -> dict[str, str]:
    """What the broker took over, by the sender's own journal: key -> digest of its bytes."""
    lines = [json.loads(line) for line in oracle.read_text().splitlines()]
    return {line["key"]: hashlib.sha256(bytes.fromhex(line["hex"])).hexdigest() for line in lines}


async def test_two_workers_share_the_readings_and_the_death_of_one_loses_and_doubles_none(
    make_store: MakeStore, tmp_path: Path
) -> None:
    async with city(tmp_path, make_store) as it, AsyncExitStack() as stack:
        first, second = await asyncio.gather(it.worker("worker-1"), it.worker("worker-2"))
        stack.push_async_callback(end, first)
        stack.push_async_callback(end, second)
        it.hut.start()
        await asyncio.wait_for(it.hut.online(), WAIT_S)
        oracle = tmp_path / "oracle.jsonl"
        sending = asyncio.create_task(
            load(Address("127.0.0.1", it.port), it.load_accounts, rate=RATE, seconds=SECONDS, oracle=oracle, seed="1")
        )
        for number in range(VISITS):
            await it.hut.measure(CUFF, Pressure(120 + number, 80, 93, 70))
        await it.until_stored(RATE)
        first.kill()
        await first.wait()
        at_death = len(it.stored())
        await sending
        wanted = acknowledged(oracle)
        await it.until_stored(at_death + 1)  # the other one goes on alone
        alone = len(it.stored())
        stack.push_async_callback(end, await it.worker("worker-1"))
        await it.until_stored(len(wanted) + VISITS)
        await asyncio.wait_for(emptied(it.hut), WAIT_S)
        rows = it.stored()
        print(f"taken by the broker {len(wanted)}, stored at the death {at_death}, before its return {alone}")
        assert len(wanted) == RATE * SECONDS > at_death
        held = {row.key: row.raw_sha256 for row in rows}
        assert {key: held.get(key) for key in wanted} == wanted
        assert len(rows) == len(wanted) + VISITS
        assert len({(row.device, row.raw_sha256) for row in rows}) == len(rows)
        (receipt,) = it.store.read_now(lambda read: read.session.execute(select(ReceiptRow)).scalars().all())
        assert (receipt.gateway, receipt.contiguous, receipt.ahead) == (PLAN.gateway, VISITS, "[]")


async def emptied(hut: Hut) -> None:
    while hut.gateway.journal.pending():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def test_a_kiosk_on_the_web_worker_shows_what_an_ingest_worker_stored(
    make_store: MakeStore, tmp_path: Path
) -> None:
    async with city(tmp_path, make_store) as it, it.part("web") as web, it.part("ingest") as worker:
        assert isinstance(worker.door, PahoDoor)
        assert web.http is not None
        await asyncio.wait_for(worker.door.wait_until_ready(), WAIT_S)

        def sit_down(tx: Tx) -> str:
            kiosk.open_session(tx, PLAN.id, guest=True)
            kiosk.choose(tx, PLAN.id, "bp")
            return login.open_session(tx, "kiosk", "kiosk", PLAN.id, area=PLAN.area)

        token = await it.store.write(sit_down)
        it.hut.start()
        await asyncio.wait_for(it.hut.online(), WAIT_S)
        asked = {"t": f"{kiosk.TOPIC}:{PLAN.id}", "surface": "kiosk", "lang": "en"}
        async with (
            asyncio.timeout(WAIT_S),
            httpx.AsyncClient(base_url=web.http.url, trust_env=False, cookies={"linli_kiosk": token}) as browser,
            browser.stream("GET", "/live/events", params=asked) as screen,
        ):
            assert screen.status_code == 200
            frames = (line async for line in screen.aiter_lines() if line.startswith("data:"))
            shown = ">151"  # as a text: the screen's own times in milliseconds hold these digits now and then
            assert shown not in await anext(frames)
            await it.hut.measure(CUFF, Pressure(151, 93, 112, 70))
            async for frame in frames:
                if shown in frame:
                    break
        assert len(it.stored()) == 1

"""The blackout: a hub under load is killed with -9 and started again, and what it had acknowledged is counted.

    python -m hub.main.blackout FOLDER --rate 2000 --cut-after 3.5

A program apart from the hub it kills: it takes the readings, keeps the journal, pulls the plug, starts the hub again
and compares the journal with the database file. It says a `Report` as one line of JSON five times a second. A line on
its standard input pulls the plug at once; when that ends, so does everything here (`leash.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hub.main import leash
from hub.main.driver import Driver
from hub.main.tally import compare
from simulators.line import Address
from simulators.load import Account

ROOT = Path(__file__).resolve().parents[2]
SAY_EVERY_S = 0.2
START_S_MAX, DRAIN_S_MAX, STOP_S_MAX = 40.0, 20.0, 10.0
AFTERWARDS_S = 2.0  # readings go on for so long after the return: that it works again is part of the proof


@dataclass(frozen=True, slots=True)
class Report:
    phase: str = "starting"  # starting | flowing | dark | resending | comparing | done
    t_ms: int = 0  # since the first reading was offered
    offered: int = 0
    acknowledged: int = 0
    waiting: int = 0
    resent: int = 0
    first_pid: int = 0
    second_pid: int = 0
    cut_ms: int = 0
    acknowledged_at_cut: int = 0
    on_the_way_at_cut: int = 0
    dark_ms: int = 0  # from the kill to the next acknowledgement
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    sound: bool = False


class Blackout:
    def __init__(self, folder: Path, rate: float, cut_after_s: float, tell: Callable[[Report], None]) -> None:
        self._folder, self._rate, self._cut_after_s, self._tell = folder, rate, cut_after_s, tell
        self._report = Report()
        self._driver: Driver | None = None
        self._began = 0.0
        self.pulled = asyncio.Event()

    async def run(self) -> Report:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        saying = asyncio.create_task(self._keep_saying())
        hub: Process | None = None
        try:
            self._say()
            port = _free_port()
            hub = await self._start(port)
            self._say("flowing", first_pid=hub.pid)
            driver = self._driver = self._drive(port)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.pulled.wait(), self._cut_after_s)
            await self._cut(hub, driver)
            hub = await self._start(port)
            self._say(second_pid=hub.pid)
            await self._come_back(driver)
            await self._finish(hub, driver)
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
            if self._driver is not None:
                await self._driver.close()
            if hub is not None and hub.returncode is None:
                hub.kill()
                await hub.wait()
        self._say("comparing")
        found = await asyncio.to_thread(compare, self._folder / "journal.jsonl", self._folder / "data" / "linli.db")
        self._say("done", **asdict(found))
        return self._report

    def _drive(self, port: int) -> Driver:
        accounts = json.loads((self._folder / "accounts.json").read_text(encoding="utf-8"))
        driver = Driver(
            Address("127.0.0.1", port),
            [Account.parse(each) for each in accounts],
            self._folder / "journal.jsonl",
            f"blackout-{port}",
            self._rate,
        )
        self._began = asyncio.get_running_loop().time()
        driver.start()
        return driver

    async def _cut(self, hub: Process, driver: Driver) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        hub.send_signal(signal.SIGKILL)
        await hub.wait()
        while not driver.cut_off:  # acknowledgements it had already sent still count, and still bind it
            await driver.turned()
        self._say(
            "dark",
            cut_ms=round((at - self._began) * 1000),
            acknowledged_at_cut=driver.acknowledged,
            on_the_way_at_cut=driver.on_the_way,
        )

    async def _come_back(self, driver: Driver) -> None:
        before = self._report.acknowledged_at_cut
        async with asyncio.timeout(START_S_MAX):
            while driver.acknowledged <= before:
                await driver.turned()
        dark_ms = round((asyncio.get_running_loop().time() - self._began) * 1000) - self._report.cut_ms
        self._say("resending", dark_ms=dark_ms)
        await asyncio.sleep(AFTERWARDS_S)
        await driver.drain(DRAIN_S_MAX)

    async def _finish(self, hub: Process, driver: Driver) -> None:
        self._say()
        hub.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(hub.wait(), STOP_S_MAX)

    async def _start(self, port: int) -> Process:
        """A hub in a process of its own; returns when its door is open."""
        words = [sys.executable, "-P", "-m", "hub.main.victim", str(self._folder), str(port)]
        here = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = self._folder / "hub.log"
        with log.open("ab") as said:
            hub = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=said, stderr=PIPE, env=here)
        assert hub.stderr is not None  # noqa: S101 - asked for above
        try:
            async with asyncio.timeout(START_S_MAX):
                while not (line := await hub.stderr.readline()).startswith(b"mqtt "):
                    if not line:
                        raise RuntimeError("the hub did not start")
        except BaseException:
            hub.kill()
            await hub.wait()
            raise
        return hub

    async def _keep_saying(self) -> None:
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            self._say()

    def _say(self, phase: str = "", **fields: int) -> None:
        driver = self._driver
        if driver is not None:
            fields = {
                "t_ms": round((asyncio.get_running_loop().time() - self._began) * 1000),
                "offered": driver.offered,
                "acknowledged": driver.acknowledged,
                "waiting": driver.waiting,
                "resent": driver.resent,
                **fields,
            }
        self._report = replace(self._report, phase=phase or self._report.phase, **fields)  # type: ignore[arg-type]
        self._tell(self._report)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _run(folder: Path, rate: float, cut_after_s: float) -> None:
    loop = asyncio.get_running_loop()
    blackout = Blackout(folder, rate, cut_after_s, lambda report: print(json.dumps(asdict(report)), flush=True))

    def pull(_word: str) -> None:
        loop.call_soon_threadsafe(blackout.pulled.set)

    leash.hold(pull)
    await blackout.run()


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m hub.main.blackout", description=(__doc__ or "").splitlines()[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--rate", type=float, default=2_000)
    words.add_argument("--cut-after", type=float, default=3.5)
    said = words.parse_args()
    asyncio.run(_run(said.folder, said.rate, said.cut_after))


if __name__ == "__main__":
    main()

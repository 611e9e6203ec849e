"""P14 on a true full disk: the hub's data folder is a small tmpfs in a mount namespace of its own, and somebody
fills it.

Needs the right to make a namespace (root, or user namespaces); the same on a disk that refuses by command is in the
suite (tests/power/test_disk_faults.py) and needs nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from hub.main.driver import Driver
from simulators.line import Address
from tests.chaos.hub_process import ROOT, HubProcess, free_port
from tests.chaos.judge import judge
from tests.chaos.kills import furnish

DISK_MIB, RESERVE_BYTES = 32, 4 * 1024 * 1024
PER_S = 100
QUIET_S = 3.0  # so long without an acknowledgement: it stands
RECOVERS_S_MAX, PATIENCE_S = 10.0, 60.0
IN_TMPFS = f'mount -t tmpfs -o size={DISK_MIB}m tmpfs "$0" && cp -r "$1"/. "$0" && shift && exec "$@"'


@dataclass(frozen=True)
class Figures:
    acknowledged_before: int
    acknowledged_full: int  # after the disk had refused for the first time
    alive: bool
    said: str  # by /readyz, for the operator
    reserve_given_up: bool
    urgent_write_went: bool
    recovered_s: float
    reserve_taken_again: bool
    acknowledged: int
    lost: int
    doubled: int

    def kept(self) -> bool:
        return (
            self.alive
            and "disk is full" in self.said
            and self.reserve_given_up
            and self.urgent_write_went
            and self.recovered_s <= RECOVERS_S_MAX
            and self.reserve_taken_again
            and (self.acknowledged_full, self.lost, self.doubled) == (0, 0, 0)
        )

    def as_dict(self) -> dict[str, object]:
        return {"scenario": "full", **asdict(self)}


async def run(folder: Path, *, seed: int) -> Figures:
    accounts, _ = furnish(folder / "furnished")
    data = folder / "data"
    data.mkdir()
    alone = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
    hub = HubProcess(
        data,
        free_port(),
        readme=True,
        extra={"LINLI_RESERVE_BYTES": str(RESERVE_BYTES)},
        before=(*alone, "sh", "-c", IN_TMPFS, str(data), str(folder / "furnished")),
    )
    await hub.start()
    driver = Driver(Address("127.0.0.1", hub.mqtt_port), accounts, folder / "oracle.jsonl", str(seed), PER_S)
    inside = _Inside(hub)
    try:
        driver.start()
        await _until(lambda: driver.acknowledged > 2 * PER_S)
        await inside.run("sh", "-c", f"head -c {DISK_MIB}m /dev/zero > '{data}/filler'")
        before = await _standing(driver)
        gone = await inside.run("test", "-e", str(data / "reserve")) != 0
        urgent = await inside.run(
            sys.executable,
            "-m",
            "hub",
            "area",
            "create",
            "420800000000",
            "city",
            "荆门市",
            "Jingmen",
            "--data",
            str(data),
        )
        said = await asyncio.to_thread(_readyz, hub.web_url)
        after = driver.acknowledged
        alive = hub.running
        await inside.run("rm", str(data / "filler"))
        began = time.monotonic()
        await _until(lambda: driver.acknowledged > after)
        recovered_s = time.monotonic() - began
        await driver.drain(PATIENCE_S)
        taken = await inside.run("test", "-e", str(data / "reserve")) == 0
        await inside.run("cp", "-r", str(data), str(folder / "seen"))
    finally:
        await driver.close()
        await hub.stop()
    came = judge(folder / "seen" / "linli.db", folder / "oracle.jsonl")
    return Figures(
        acknowledged_before=before,
        acknowledged_full=after - before,
        alive=alive,
        said=said,
        reserve_given_up=gone,
        urgent_write_went=urgent == 0,
        recovered_s=round(recovered_s, 2),
        reserve_taken_again=taken,
        acknowledged=came.acknowledged,
        lost=came.lost,
        doubled=came.doubled,
    )


class _Inside:
    """Programs in the hub's own namespace, where its disk is."""

    def __init__(self, hub: HubProcess) -> None:
        self._words = ["nsenter", "-t", str(hub.pid), "-m", *([] if os.geteuid() == 0 else ["-U"])]

    async def run(self, *words: str) -> int:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self._words, *words, env=environment, stdout=quiet, stderr=quiet, cwd="/"
        )
        return await process.wait()


async def _until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # another process does it


async def _standing(driver: Driver) -> int:
    """What had been acknowledged when nothing more was."""
    loop = asyncio.get_running_loop()
    seen, since = driver.acknowledged, loop.time()
    async with asyncio.timeout(PATIENCE_S):
        while loop.time() - since < QUIET_S:
            if driver.acknowledged != seen:
                seen, since = driver.acknowledged, loop.time()
            await asyncio.sleep(0.05)
    return seen


def _readyz(url: str) -> str:
    try:
        with urlopen(f"{url}/readyz", timeout=30) as answer:  # noqa: S310 (the hub's own address)
            return str(answer.read().decode())
    except HTTPError as refused:
        return str(refused.read().decode())

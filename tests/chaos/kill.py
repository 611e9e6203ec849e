"""Kill the hub with -9 at random instants under load, and count what it had acknowledged.

    python -m tests.chaos.kill --kills 20 --rate 500 --seed 1

The oracle is a file of its own, written by the sender for each PUBACK it saw and fsynced; it never asks the hub. At the
end every acknowledged reading must stand in the store exactly once, with the very bytes that were sent.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import socket
import sqlite3
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from dataclasses import asdict, dataclass
from pathlib import Path

from hub import directory, registry
from hub.db import Tx
from hub.main import wiring
from hub.settings import load as load_settings
from simulators.line import Address
from simulators.load import Account, load

ROOT = Path(__file__).resolve().parents[2]
AREA, GATEWAY, DEVICES = "420802002001", "kill-gw", ("kill-bp-1", "kill-bp-2")
START_S = 60.0
UP_S = (0.3, 2.5)  # how long a hub lives before it is killed: from "just accepting" to "well warmed up"


@dataclass(frozen=True)
class Verdict:
    """What really happened, to be printed and asserted."""

    kills: int
    offered: int
    acknowledged: int
    resent: int
    outstanding: int
    stored: int
    lost: int
    doubled: int
    altered: int
    integrity: str


def furnish(tx: Tx) -> str:
    directory.found_area(tx, AREA, "community", "浏河社区", "Liuhe")
    password = registry.add_gateway(tx, GATEWAY, AREA)
    for device in DEVICES:
        registry.add_device(tx, device, GATEWAY, "generic.sig.2a35")
    return password


async def run(folder: Path, *, kills: int, rate: float, seed: int) -> Verdict:
    data, oracle = folder / "data", folder / "oracle.jsonl"
    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    password = store.write_now(furnish)
    store.close()
    port = _free_port()
    dice = random.Random(seed)
    hub = await _start(data, port)
    account = Account(GATEWAY, password, AREA, DEVICES)
    seconds = kills * (sum(UP_S) / 2 + 2.5)
    sending = asyncio.create_task(
        load(Address("127.0.0.1", port), [account], rate=rate, seconds=seconds, oracle=oracle, seed=str(seed))
    )
    killed = 0
    try:
        while killed < kills:
            await asyncio.sleep(dice.uniform(*UP_S))  # the random instant is what is being tested
            hub.send_signal(signal.SIGKILL)
            await hub.wait()
            killed += 1
            hub = await _start(data, port)
        report = await sending
    finally:
        sending.cancel()
        hub.send_signal(signal.SIGTERM)
        await hub.wait()
    return _judge(data / "linli.db", oracle, killed, report)


def _judge(database: Path, oracle: Path, kills: int, report: dict[str, object]) -> Verdict:
    """Read the store with nothing of ours but SQL."""
    with sqlite3.connect(database) as store:
        stored = dict(store.execute("SELECT key, raw_sha256 FROM reading"))
        rows = store.execute("SELECT count(*) FROM reading").fetchone()[0]
        integrity = store.execute("PRAGMA integrity_check").fetchone()[0]
    lost = altered = acknowledged = 0
    for line in oracle.read_text().splitlines():
        entry = json.loads(line)
        acknowledged += 1
        if entry["key"] not in stored:
            lost += 1
        elif stored[entry["key"]] != hashlib.sha256(bytes.fromhex(entry["hex"])).hexdigest():
            altered += 1
    return Verdict(
        kills=kills,
        offered=int(str(report["offered"])),
        acknowledged=acknowledged,
        resent=int(str(report["resent"])),
        outstanding=int(str(report["outstanding"])),
        stored=rows,
        lost=lost,
        doubled=rows - len(stored),
        altered=altered,
        integrity=integrity,
    )


async def _start(data: Path, port: int) -> Process:
    """A hub of its own process; returns when its doors are open."""
    command = [sys.executable, "-P", "-m", "hub", "serve", "--role", "front", "--role", "ingest"]
    command += ["--data", str(data), "--mqtt-port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LINLI_LOG_LEVEL": "ERROR"}
    hub = await asyncio.create_subprocess_exec(*command, stderr=PIPE, env=environment, cwd=data.parent)
    assert hub.stderr is not None
    said = b""
    async with asyncio.timeout(START_S):
        while not (line := await hub.stderr.readline()).startswith(b"mqtt "):
            said += line
            if not line:
                await hub.wait()
                raise RuntimeError(f"the hub did not start: {said.decode()[-2000:]}")
    return hub


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--rate", type=float, default=500)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdict = asyncio.run(run(Path(folder), kills=given.kills, rate=given.rate, seed=given.seed))
    print(json.dumps(asdict(verdict)))
    sys.exit(verdict.lost + verdict.doubled + verdict.altered > 0 or verdict.integrity != "ok")


if __name__ == "__main__":
    main()

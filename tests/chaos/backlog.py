"""P11: gateways were away for an hour and bring what they kept, each from its journal on disk, while another gateway's
readings go on coming in. Nothing is lost, the old ones keep their times, the new ones do not wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from devices.pack import Record
from simulators.gateway import Gateway
from simulators.journal import Journal
from simulators.line import Address
from simulators.load import CODEC, PROFILE, USERS, Account
from simulators.plan import DevicePlan
from tests.chaos.flood import Frames
from tests.chaos.hub_process import ROOT, HubProcess, free_port
from tests.chaos.reconnect import furnish

AWAY_S = 3_600
DEVICE_S = 1.0  # a cuff's clock shows whole seconds
LIVE_PER_S = 50
LIVE_P99_MS_MAX = 10_000.0
PATIENCE_S = 1_800.0


@dataclass(frozen=True)
class Figures:
    buffered: int
    gateways: int
    stored: int
    lost: int
    doubled: int
    wrong_time: int  # stored as of another moment than the one it was taken at
    left_in_journals: int
    flood_s: float
    flood_per_s: float
    live_ms_before: dict[str, Any]
    live_ms_during: dict[str, Any]
    rss_mib_max: float

    def kept(self) -> bool:
        return (
            (self.lost, self.doubled, self.wrong_time, self.left_in_journals) == (0, 0, 0, 0)
            and self.stored == self.buffered
            and self.live_ms_during["p99"] <= LIVE_P99_MS_MAX
        )

    def as_dict(self) -> dict[str, object]:
        return {"scenario": "backlog", **asdict(self)}


class Away:
    """One gateway with what it kept while it was away."""

    def __init__(self, account: Account, folder: Path, readings: int, address: Address) -> None:
        (device,) = account.devices
        frames, back = Frames(account), datetime.now(UTC).replace(microsecond=0)
        self.account, self.device = account, device
        self.times: dict[str, datetime] = {}
        records = []
        for n in range(readings):
            at = back - timedelta(seconds=AWAY_S * (readings - n) / readings)
            payload = frames.payload_at(n, at, n % USERS)
            self.times[hashlib.sha256(payload).hexdigest()] = at
            records.append([Record(CODEC, payload, at, None)])
        journal = Journal.open(folder / f"{account.id}.outbox", lambda: "b1")
        journal.extend(device, records)
        plan = DevicePlan(device, "", "bp", PROFILE, "", "", "", codec=CODEC)
        self.gateway = Gateway(account.id, account.area, account.password, [plan], address=address, journal=journal)


async def run(folder: Path, *, readings: int, gateways: int = 10, live_s: float = 20.0, readme: bool = True) -> Figures:
    accounts = furnish(folder / "data", gateways + 1)
    *flooding, living = accounts
    hub = HubProcess(folder / "data", free_port(), readme=readme)
    await hub.start()
    address = Address("127.0.0.1", hub.mqtt_port)
    away = [Away(account, folder, readings // gateways, address) for account in flooding]
    rss = 0.0
    try:
        before = await _live(hub, living, folder, min(5.0, live_s / 2))
        began = time.monotonic()
        during = asyncio.create_task(_live(hub, living, folder, live_s))
        for each in away:
            each.gateway.start()
        settled = asyncio.gather(*(each.gateway.settled() for each in away))
        async with asyncio.timeout(PATIENCE_S):
            while not settled.done():
                rss = max(rss, hub.rss_mib())
                await asyncio.wait([settled], timeout=0.25)
        flood_s = time.monotonic() - began
        await settled
        live = await during
    finally:
        left = sum(len(each.gateway.journal.pending()) for each in away)
        await asyncio.gather(*(each.gateway.stop() for each in away))
        await hub.stop()
    return _figures(folder, away, before, live, flood_s, left, rss)


async def _live(hub: HubProcess, account: Account, folder: Path, seconds: float) -> dict[str, Any]:
    """A gateway that was never away, in a process of its own, so that only the hub can make it wait."""
    words = ["--port", str(hub.mqtt_port), "--rate", str(LIVE_PER_S), "--seconds", str(seconds)]
    words += ["--gateway", f"{account.id}:{account.password}:{account.area}:{','.join(account.devices)}"]
    words += ["--oracle", str(folder / "live.jsonl"), "--seed", str(seconds)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.load", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    answer = json.loads(said)
    assert answer["outstanding"] == 0
    return {**answer["ack_ms"], "acked": answer["acked"]}


def _figures(
    folder: Path,
    away: Sequence[Away],
    before: dict[str, Any],
    during: dict[str, Any],
    flood_s: float,
    left: int,
    rss: float,
) -> Figures:
    with closing(sqlite3.connect(folder / "data" / "linli.db")) as store:
        rows = store.execute("SELECT device, raw_sha256, t_gateway_ms, t_effective_ms FROM reading").fetchall()
    stored: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for device, digest, noted_ms, effective_ms in rows:
        stored.setdefault((device, digest), []).append((noted_ms, effective_ms))
    wanted = {(each.device, digest): at for each in away for digest, at in each.times.items()}
    found = {entry: stored[entry] for entry in wanted if entry in stored}
    return Figures(
        buffered=len(wanted),
        gateways=len(away),
        stored=sum(map(len, found.values())),
        lost=len(wanted) - len(found),
        doubled=sum(len(each) - 1 for each in found.values()),
        wrong_time=sum(not _of(wanted[entry], *times) for entry, each in found.items() for times in each),
        left_in_journals=left,
        flood_s=round(flood_s, 2),
        flood_per_s=round(len(wanted) / flood_s),
        live_ms_before=before,
        live_ms_during=during,
        rss_mib_max=round(rss, 1),
    )


def _of(at: datetime, noted_ms: int, effective_ms: int) -> bool:
    moment_ms = int(at.timestamp() * 1000)
    return noted_ms == moment_ms and 0 <= moment_ms - effective_ms <= DEVICE_S * 1000

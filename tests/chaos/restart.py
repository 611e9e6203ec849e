"""P13: with a store of a GiB and a log in an unknown state, the hub is soon at work again by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.flood import Flooder, dial, lost
from tests.chaos.hub_process import HubProcess, free_port
from tests.chaos.kills import furnish

READY_P50_S, READY_P99_S = 2.0, 5.0
ROWS_AT_ONCE = 20_000
LOAD_S = 1.0
# Rows as ingest writes them in size, with content of no meaning: what is measured is the file, not what it says.
_READINGS = """
INSERT INTO reading (id, key, weak_key, kind, device, gateway, area, bound_by, quality, reasons, sealed_values, context,
  t_received_ms, t_effective_ms, t_basis, late, profile, codec, raw_sha256, cause)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
SELECT 'f' || lower(hex(randomblob(17))), lower(hex(randomblob(16))), 0, 'bp', 'filler-' || (i % 50), 'filler',
  '420802002001', 'none', 'ok', '', randomblob(200), '{"user_index":1}', 1790000000000 + i, 1790000000000 + i,
  'device', 0, 'generic.sig.2a35@1', 'sig.2a35@1', lower(hex(randomblob(32))), lower(hex(randomblob(18))) FROM n
"""


@dataclass(frozen=True)
class Figures:
    store_mib: float
    rows: int
    kills: int
    ready_s_p50: float
    ready_s_p99: float
    acknowledged: int
    lost: int
    doubled: int

    def kept(self) -> bool:
        return self.ready_s_p50 <= READY_P50_S and self.ready_s_p99 <= READY_P99_S and not (self.lost or self.doubled)

    def as_dict(self) -> dict[str, object]:
        return {"scenario": "restart", **asdict(self)}


def fill(database: Path, mib: float) -> int:
    with closing(sqlite3.connect(database, isolation_level=None)) as store:
        while database.stat().st_size < mib * 1024 * 1024:
            store.execute(_READINGS, {"rows": ROWS_AT_ONCE})
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(store.execute("SELECT count(*) FROM reading").fetchone()[0])


async def run(folder: Path, *, mib: float, kills: int, readme: bool = True) -> Figures:
    accounts, _ = furnish(folder / "data")
    database = folder / "data" / "linli.db"
    rows = await asyncio.to_thread(fill, database, mib)
    hub = HubProcess(folder / "data", free_port(), readme=readme)
    everybody, ready_s = list[Flooder](), list[float]()
    await hub.start()
    try:
        for number in range(kills):
            clients = [Flooder(account, f"{account.id}-{number}", window=50) for account in accounts]
            for client in clients:
                client._next = number * 1_000_000 // kills  # each life speaks of other moments
                client.due = float("inf")
            everybody += clients
            await dial(hub.mqtt_port, clients)
            for client in clients:
                client.push()
            await asyncio.sleep(LOAD_S)
            await hub.kill()
            for client in clients:
                client.drop()
            await hub.start()
            ready_s.append(hub.ready_s)
    finally:
        await hub.stop()
    missing, doubled = lost(database, everybody)
    ready_s.sort()
    return Figures(
        store_mib=round(database.stat().st_size / 1024 / 1024, 1),
        rows=rows,
        kills=kills,
        ready_s_p50=round(ready_s[len(ready_s) // 2], 2),
        ready_s_p99=round(ready_s[int(len(ready_s) * 0.99)], 2),
        acknowledged=sum(len(client.acked) for client in everybody),
        lost=missing,
        doubled=doubled,
    )

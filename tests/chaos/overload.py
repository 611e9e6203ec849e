"""P10: offered three times what it can store, the hub stores nearly as much as ever in bounded memory, and is well
again when the flood is over. What it does not take stays with the devices, unacknowledged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import urlopen

from tests.chaos.flood import Flooder, dial, lost, quantile_ms
from tests.chaos.hub_process import HubProcess, free_port
from tests.chaos.reconnect import furnish

TIMES = 3
RSS_MIB_MAX, GOODPUT_MIN, BACK_S_MAX = 512.0, 0.8, 60.0
LIGHT_PER_S = 200
LINES = 64
WINDOW = 16  # of each line in the closed loop: a thousand readings on their way keep a batch full
FLOOD_WINDOW = 500  # in the flood as many as the door allows: together three times what the hub's queue holds
TICK_S = 0.01


@dataclass(frozen=True)
class Figures:
    """`held` is what the devices could not even hand over; it is theirs to send later."""

    ceiling_per_s: float
    offered_per_s: float
    goodput_per_s: float
    goodput_share: float
    goodput_share_per_cpu_s: float  # the same by the hub's own CPU time, which other people's work does not change
    rss_mib_max: float
    offered: int
    acknowledged: int
    held: int
    drained_s: float
    light_p99_ms_before: float
    light_p99_ms_after: float
    lines_cut: int
    lost: int
    doubled: int
    refused: dict[str, float]

    def kept(self) -> bool:
        return (
            self.rss_mib_max <= RSS_MIB_MAX
            and self.goodput_share >= GOODPUT_MIN
            and self.drained_s <= BACK_S_MAX
            and (self.lost, self.doubled, self.lines_cut) == (0, 0, 0)
        )

    def as_dict(self) -> dict[str, object]:
        return {"scenario": "overload", **asdict(self)}


@dataclass
class Flood:
    hub: HubProcess
    clients: Sequence[Flooder]
    rss_mib_max: float = 0.0
    per_cpu_s: float = 0.0  # acknowledged in the last `offer`, for a second of the hub's CPU time

    @property
    def acked(self) -> int:
        return sum(len(client.acked) for client in self.clients)

    async def offer(self, per_s: float, seconds: float, window: int) -> tuple[float, float]:
        """An open loop at this rate (0: closed, as fast as the window turns); gives acknowledged a second, and how
        many were offered."""
        cpu_s = self.hub.cpu_s()
        loop = asyncio.get_running_loop()
        began = before_at = loop.time()
        before, offered, skipped = self.acked, 0.0, False
        for client in self.clients:
            client.window, client.due = window, client.due if per_s else float("inf")
        last = began
        while (now := loop.time()) - began < seconds:
            if per_s:
                more = per_s * (now - last)
                offered += more
                for client in self.clients:
                    client.due += more / len(self.clients)
            last = now
            for client in self.clients:
                client.push()
            if not skipped and now - began > seconds / 5:  # the first fifth is for finding the pace
                before, before_at, skipped, cpu_s = self.acked, now, True, self.hub.cpu_s()
            self.rss_mib_max = max(self.rss_mib_max, self.hub.rss_mib())
            await asyncio.sleep(TICK_S)
        self.per_cpu_s = (self.acked - before) / max(0.01, self.hub.cpu_s() - cpu_s)
        return (self.acked - before) / (loop.time() - before_at), offered

    async def drain(self) -> float:
        """Offer nothing more; how long until all that is on its way is acknowledged."""
        began = asyncio.get_running_loop().time()
        for client in self.clients:
            client.due = 0.0
        async with asyncio.timeout(2 * BACK_S_MAX):
            while any(client.in_flight for client in self.clients):  # noqa: ASYNC110
                await asyncio.sleep(TICK_S)
        return asyncio.get_running_loop().time() - began

    async def light(self, seconds: float) -> float:
        """p99 in milliseconds at a rate that any machine bears."""
        for client in self.clients:
            client.latencies_s.clear()
        await self.offer(LIGHT_PER_S, seconds, WINDOW)
        await self.drain()
        return quantile_ms((each for client in self.clients for each in client.latencies_s), 0.99)


async def run(folder: Path, *, seconds: float, readme: bool = True, times: float = TIMES) -> Figures:
    """A few seconds each of light load, of the closed loop that finds the ceiling, of the flood, and of light load."""
    accounts = furnish(folder / "data", LINES)
    hub = HubProcess(folder / "data", free_port(), readme=readme)
    await hub.start()
    clients = [Flooder(account, f"{account.id}-flood", window=WINDOW) for account in accounts]
    flood = Flood(hub, clients)
    try:
        await dial(hub.mqtt_port, clients)
        before_ms = await flood.light(seconds / 4)
        ceiling, _ = await flood.offer(0, seconds / 2, WINDOW)
        ceiling_per_cpu_s = flood.per_cpu_s
        await flood.drain()
        held_before = sum(client.sent for client in clients)
        goodput, offered = await flood.offer(times * ceiling, seconds, FLOOD_WINDOW)
        per_cpu_s = flood.per_cpu_s
        held = int(offered) - (sum(client.sent for client in clients) - held_before)
        drained_s = await flood.drain()
        after_ms = await flood.light(seconds / 4)
        refused = await asyncio.to_thread(_refusals, hub.web_url) if hub.web_url else {}
        cut = sum(client.lost.is_set() for client in clients)
    finally:
        for client in clients:
            client.drop()
        await hub.stop()
    missing, doubled = lost(folder / "data" / "linli.db", clients)
    return Figures(
        ceiling_per_s=round(ceiling),
        offered_per_s=round(times * ceiling),
        goodput_per_s=round(goodput),
        goodput_share=round(goodput / ceiling, 2),
        goodput_share_per_cpu_s=round(per_cpu_s / ceiling_per_cpu_s, 2),
        rss_mib_max=round(flood.rss_mib_max, 1),
        offered=sum(client.sent for client in clients) + held,
        acknowledged=flood.acked,
        held=held,
        drained_s=round(drained_s, 2),
        light_p99_ms_before=before_ms,
        light_p99_ms_after=after_ms,
        lines_cut=cut,
        lost=missing,
        doubled=doubled,
        refused=refused,
    )


def _refusals(web_url: str) -> dict[str, float]:
    """What the hub itself counts of messages it did not take or held back, by reason."""
    with urlopen(f"{web_url}/metrics", timeout=5) as answer:  # noqa: S310 (the hub's own address)
        text = answer.read().decode()
    found = re.findall(r'^linli_(?:broker_events|ingest_refused)_total\{\w+="([^"]+)"\} (\S+)$', text, re.MULTILINE)
    return {reason: float(count) for reason, count in found if float(count)}

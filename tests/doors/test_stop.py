"""SIGTERM in the middle of a flood: what was acknowledged is on disk, and the program goes by itself.

How long it takes (0.6 s, promised 3 s) is printed here and measured in bench/start.py: a busy machine is no defect.
"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from simulators.line import Address
from simulators.load import load
from tests.chaos.hub_process import HubProcess, free_port
from tests.chaos.judge import judge
from tests.chaos.kills import furnish

pytestmark = pytest.mark.anyio
STOPS = 2
STOP_S_MAX = 20.0  # the hub's own bounds add up to 3 s; the rest is the machine's other work


async def test_sigterm_under_load_loses_nothing_acknowledged_and_ends_by_itself(tmp_path: Path) -> None:
    data, oracle, port = tmp_path / "data", tmp_path / "oracle.jsonl", free_port()
    accounts, _ = furnish(data)
    hub = HubProcess(data, port)
    await hub.start()
    sending = asyncio.create_task(
        load(Address("127.0.0.1", port), accounts, rate=600, seconds=7, oracle=oracle, seed="stop")
    )
    took_s: list[float] = []
    try:
        for _ in range(STOPS):
            await _flowing(oracle)
            began = time.monotonic()
            hub.signal(signal.SIGTERM)
            assert await hub.ended() == 0
            took_s.append(time.monotonic() - began)
            await hub.start()
        report = await sending
    finally:
        sending.cancel()
        await hub.stop()
    came = judge(data / "linli.db", oracle)
    print(came, took_s)
    assert max(took_s) < STOP_S_MAX
    assert came.clean, came
    assert report["outstanding"] == 0
    # Nothing was half done: what went out twice was refused at the door, not stored without a PUBACK.
    assert came.stored == came.acknowledged


async def _flowing(oracle: Path) -> None:
    """Until a few hundred more readings have been acknowledged: the next moment finds some on their way."""
    before = _size(oracle)
    async with asyncio.timeout(30):
        while _size(oracle) < before + 50_000:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # another process writes it


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

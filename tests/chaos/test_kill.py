"""P1, the short form of `python -m tests.chaos.kill`: nothing acknowledged is lost when the hub is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.kill import run

KILLS = 4


def test_what_was_acknowledged_survives_kill_nine(tmp_path: Path) -> None:
    verdict = asyncio.run(run(tmp_path, kills=KILLS, rate=500, seed=7))
    print(verdict)
    assert verdict.kills == KILLS
    assert verdict.acknowledged > 1_000, "a test in which little happened proves little"
    assert verdict.resent > 0, "no kill met a reading on its way: the oracle saw nothing of interest"
    assert (verdict.lost, verdict.doubled, verdict.altered) == (0, 0, 0)
    assert verdict.outstanding == 0
    assert verdict.stored == verdict.acknowledged
    assert verdict.integrity == "ok"

"""P1 and P3, the short form of `python -m tests.chaos --kills 200`: nothing acknowledged is lost when the hub is
killed, and nothing counts twice.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.kills import EMBEDDED, MOSQUITTO, run
from tests.conftest import needs


@pytest.mark.parametrize(("door", "kills"), [(EMBEDDED, 3), pytest.param(MOSQUITTO, 1, marks=needs("mosquitto"))])
def test_what_was_acknowledged_survives_kill_nine(door: str, kills: int, tmp_path: Path) -> None:
    verdict = asyncio.run(run(tmp_path, kills=kills, rate=100, seed=7, door=door, certain=1))
    print(verdict.figures())
    came = verdict.judgement
    assert len(verdict.kills) == kills
    assert came.acknowledged > 50 * kills, "a test in which little happened proves little"
    assert any(kill.acknowledged for kill in verdict.kills), "no hub had acknowledged anything when it was killed"
    assert any(kill.in_flight for kill in verdict.kills), "no kill met a reading on its way"
    assert came.clean, came
    assert verdict.outstanding == 0
    assert came.stored == came.acknowledged

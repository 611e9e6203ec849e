"""P8, the short form of `python -m tests.chaos --scenario reach`: with the hub killed while it sends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos import reach


def test_nobody_is_told_twice_or_too_late_and_all_sums_hold_whenever_the_hub_is_killed(tmp_path: Path) -> None:
    came = asyncio.run(reach.run(tmp_path, seed=2, residents=40, notices=1, kills=1))
    print(came)
    assert came.looks == 2
    assert came.shown > 40, "a test in which little happened proves little"
    assert came.lost_acknowledgements + came.dropped > 0
    assert came.kept(), came

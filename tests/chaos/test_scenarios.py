"""The short forms of the long scenarios, where they are exact: what is counted, never how long it took."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos import backlog, overload, reconnect


def test_a_flood_of_three_times_the_ceiling_loses_nothing_and_stays_in_memory(tmp_path: Path) -> None:
    """P10."""
    came = asyncio.run(overload.run(tmp_path, seconds=1.0, readme=False))
    print(came)
    assert came.acknowledged > 500
    assert came.offered == came.acknowledged + came.held, "what was handed over was acknowledged in the end"
    assert (came.lost, came.doubled, came.lines_cut) == (0, 0, 0)
    assert came.rss_mib_max <= overload.RSS_MIB_MAX


def test_everybody_comes_back_after_a_kill_and_is_heard(tmp_path: Path) -> None:
    """P12, with two hundred lines."""
    came = asyncio.run(reconnect.run(tmp_path, clients=200, readme=False))
    print(came)
    assert came.came_back == came.acknowledged == 200
    assert came.lost == 0


def test_an_hour_of_buffered_readings_comes_in_whole_and_as_of_its_own_time(tmp_path: Path) -> None:
    """P11, with a thousand readings."""
    came = asyncio.run(backlog.run(tmp_path, readings=1_000, gateways=4, live_s=1.0, readme=False))
    print(came)
    assert came.stored == came.buffered == 1_000
    assert (came.lost, came.doubled, came.wrong_time, came.left_in_journals) == (0, 0, 0, 0)
    assert came.live_ms_during["acked"] == backlog.LIVE_PER_S

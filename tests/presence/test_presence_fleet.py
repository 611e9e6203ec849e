"""The city's 1,557 huts on the real ingest and store, 100 of them silenced in five ways: none missed, none false."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from tests.presence.city import BOUND, HEARTBEAT, City, Way

HUTS, SILENCED = 1_557, 100
pytestmark = pytest.mark.anyio


async def test_of_1557_huts_the_100_silenced_are_seen_and_no_other(tmp_path: Path) -> None:
    city = City(tmp_path, HUTS)
    await city.wake()
    assert set(city.states().values()) == {"online"}
    chance = random.Random(7)
    ways = list(Way)
    silenced = {hut: ways[n % len(ways)] for n, hut in enumerate(chance.sample(sorted(city.huts), SILENCED))}
    await city.silence(silenced)
    # What is said aloud is seen at once; nobody else is called anything.
    aloud = {hut: way.said_at_once for hut, way in silenced.items() if way.said_at_once}
    assert {hut: state for hut, state in city.states().items() if state != "online"} == aloud
    # What is silent is seen when the bound is over, and not a heartbeat earlier.
    city.clock.advance((BOUND - HEARTBEAT).total_seconds())
    await city.live()
    assert {hut: state for hut, state in city.states().items() if state != "online"} == aloud
    city.clock.advance((HEARTBEAT + timedelta(seconds=1)).total_seconds())
    await city.live()
    due = {hut: way.in_the_end for hut, way in silenced.items()}
    assert {hut: state for hut, state in city.states().items() if state != "online"} == due
    # And back: who speaks again is online, with nobody left behind.
    await city.revive()
    assert set(city.states().values()) == {"online"}
    city.close()

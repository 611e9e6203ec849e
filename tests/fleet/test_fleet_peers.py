"""A device that says otherwise than its like in other huts is told of; the differences between huts are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import registry
from hub.civic.fleet import holds, peers, rules
from hub.civic.fleet.rules import Middle
from hub.db import Tx
from tests.fleet.fleetrig import BP, HUT, LIUHE, Fleet

pytestmark = pytest.mark.anyio
RULE = rules.rules()["peer-drift"]
HUTS = [f"lh-hut-{number}" for number in range(2, 8)]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.store.close()


def furnish(tx: Tx) -> None:
    for hut in HUTS:
        registry.found_hut(tx, hut, LIUHE, "居民健康小屋", "Residents' health hut")
        registry.add_gateway(tx, hut, LIUHE, hut)
        registry.add_device(tx, f"bp-{hut}", hut, BP, serial=hut)


async def test_a_cuff_far_off_its_like_is_told_of_and_goes_on_measuring(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.act(furnish)
    few = replace(RULE, limits={**RULE.limits, "readings_min": 4, "part_min": 2})
    monkeypatch.setattr(rules, "rules", lambda: {"peer-drift": few})
    for _round in range(4):
        fleet.measure(sys=146)
        for number, hut in enumerate(HUTS):
            fleet.measure(f"bp-{hut}", sys=126 + number % 3, gateway=HUT)
    assert await peers.find(fleet.services) == [], "frames of a wrong gateway are no readings"
    for _round in range(4):
        for number, hut in enumerate(HUTS):
            fleet.clock.advance(60)
            fleet.up(*said(fleet, hut, 126 + number % 3))
    (found,) = await peers.find(fleet.services)
    assert (found.device, found.fields["percent"], found.fields["huts"]) == ("bp-1", "+15", 6)
    monkeypatch.undo()
    fleet.act(holds.place, found)
    assert (fleet.device("bp-1").state, fleet.measure().stored) == ("active", 1)
    assert "+15%" in fleet.look(holds.of_device, "bp-1")[0].sentence
    fleet.services.config = {"peer_drift": ""}
    assert await peers.find(fleet.services) == []


def said(fleet: Fleet, hut: str, sys: int) -> tuple[str, bytes, str]:
    from devices import topics
    from tests.fleet.fleetrig import cuff

    return topics.up(LIUHE, hut, f"bp-{hut}", "sig.2a35"), cuff(fleet.clock.now(), sys, 82), hut


@given(st.lists(st.integers(100, 160), min_size=5, max_size=9), st.integers(100, 160), st.integers(-4, 4))
@settings(max_examples=40)
def test_what_lies_among_the_other_huts_is_never_called_drift(others: list[int], own: int, shift: int) -> None:
    there = [(f"h{number}", {1: Middle(Decimal(each), 20)}) for number, each in enumerate(others)]
    found = rules.apart(RULE, "sys", {1: Middle(Decimal(own), 20)}, there)
    middle = sorted(others)[len(others) // 2]
    if found is not None:
        assert abs(own - middle) * 100 > 7 * middle
        assert (int(str(found["percent"])) > 0) == (own > middle)
    again = [(hut, {1: Middle(parts[1].value + shift, 20)}) for hut, parts in there]
    assert (rules.apart(RULE, "sys", {1: Middle(Decimal(own + shift), 20)}, again) is None) or abs(own - middle) > 5


def test_an_evening_is_not_set_beside_a_morning_and_few_prove_nothing() -> None:
    there = [(f"h{number}", {1: Middle(Decimal(120), 20), 3: Middle(Decimal(150), 20)}) for number in range(6)]
    high = {3: Middle(Decimal(151), 20)}
    assert rules.apart(RULE, "sys", high, there) is None
    assert rules.apart(RULE, "sys", {1: Middle(Decimal(151), 20)}, there) is not None
    assert rules.apart(RULE, "sys", {1: Middle(Decimal(151), 19)}, there) is None
    assert rules.apart(RULE, "sys", {1: Middle(Decimal(151), 20)}, there[:4]) is None
    assert rules.apart(RULE, "pulse", {1: Middle(Decimal(151), 20)}, there) is None

"""What somebody without a right to values learns of a reading: that it was there, and how the device did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from devices import topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import profile
from hub import frames
from hub.civic.fleet import lots
from hub.civic.fleet.lots import Strips
from hub.readings import BODILY_REASONS, as_json
from tests.fleet.fleetrig import BP, HUT, LIUHE, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.store.close()


def test_around_a_covered_value_stands_nothing_that_tells_of_a_person(fleet: Fleet) -> None:
    """A meal, a user's number or an irregular pulse says nearly as much as the number."""
    day = fleet.clock.now().date()
    fleet.act(lots.open_lot, "bp-1", Strips("L-7", day + timedelta(days=3), "4.9", "6.6"))
    values = tuple(Value(code, Decimal(number), "mm[Hg]") for code, number in (("sys", 150), ("dia", 90), ("map", 110)))
    said = Measurement("bp", values, None, ("irregular_pulse",), {"user_index": 2})
    fleet.up(topics.up(LIUHE, HUT, "bp-1", "sig.2a35"), codec("sig.2a35").encode(said, profile(BP)))
    (row,) = fleet.readings("bp-1")
    covered, opened = (
        fleet.look(lambda read, open_=open_: as_json(read, row, with_values=open_)) for open_ in (False, True)
    )
    assert (opened["context"], opened["reasons"]) == ({"user_index": 2, "lot": "L-7"}, ["irregular_pulse"])
    assert (covered["context"], covered["reasons"]) == ({"lot": "L-7"}, [])
    assert set(row.reasons.split()) <= BODILY_REASONS
    seen = fleet.look(frames.of_reading, fleet.who(), row.id)
    assert not [part for part in seen.parts if part.name == "status" and part.text is not None], "nor in the bytes"

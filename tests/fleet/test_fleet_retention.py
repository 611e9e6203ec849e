"""A frame's bytes are forgotten after their days, page by page; what somebody may still ask about stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from hub import frames, lifecycle, recall, retention
from hub.civic.health import spared
from hub.civic.health.models import HealthAlert, HealthTask
from hub.db import Tx
from hub.readings import RawFrame, Reading, from_ms
from tests.fleet.fleetrig import LIUHE, Fleet

pytestmark = pytest.mark.anyio


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.store.close()


def kept(fleet: Fleet) -> set[str]:
    return set(fleet.look(lambda read: read.session.execute(select(col(RawFrame.reading))).scalars()))


async def test_old_frames_go_by_pages_and_what_is_asked_about_stays(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(fleet.clock, "sleep", sleep)
    for _old in range(5):
        fleet.measure()
    plain, strip, recalled, open_alarm, last = [row.id for row in fleet.readings("bp-1")]
    fleet.act(lambda tx: tx.change(update(Reading).where(col(Reading.id) == strip).values(kind="ecg")))
    row = next(each for each in fleet.readings("bp-1") if each.id == recalled)
    moment = from_ms(row.t_effective_ms)
    query = recall.Query(moment, moment + timedelta(seconds=1), device="bp-1")
    assert fleet.act(recall.flag, query, "recalled", "厂家召回").readings == 1
    fleet.services.modules = (replace(fleet.services.modules[0], spares=lambda _read, page: {open_alarm} & set(page)),)
    fleet.measure("bp-2", gateway="ty-hut-1")
    (held,) = [each.id for each in fleet.readings("bp-2")]
    fleet.act(lifecycle.move, "bp-2", "quarantined", "being looked at")
    fleet.clock.advance(retention.RAW_DAYS * 86_400 + 1)
    fleet.measure()
    young = ({each.id for each in fleet.readings("bp-1")} - {plain, strip, recalled, open_alarm, last}).pop()
    assert await retention.prune(fleet.services) == 2
    assert kept(fleet) == {strip, recalled, open_alarm, held, young}
    assert slept, "ingest gets its turn between two pages"
    assert await retention.prune(fleet.services) == 0
    fleet.act(lifecycle.move, "bp-2", "active", "looked at")
    assert await retention.prune(fleet.services) == 1, "what nothing points at any more goes the next night"
    assert len(fleet.readings("bp-1")) == 6, "readings stay"


def test_the_inspector_says_since_when_the_bytes_are_gone(fleet: Fleet) -> None:
    fleet.measure()
    (row,) = fleet.readings("bp-1")
    fleet.act(retention.forget, [row.id], [])
    seen = fleet.look(frames.of_reading, fleet.who(), row.id, 30)
    assert (seen.kept, seen.gone) == (False, None), "dropped before its time: a guest's, or erased"
    fleet.clock.advance(31 * 86_400)
    seen = fleet.look(frames.of_reading, fleet.who(), row.id, 30)
    assert seen.gone == seen.at + timedelta(days=30)


def test_an_open_call_or_task_spares_both_of_its_readings(fleet: Fleet) -> None:
    def raised(tx: Tx) -> None:
        for ident, state in (("a-open", "open"), ("a-task", "done"), ("a-done", "done")):
            one = HealthAlert(id=ident, rule="bp", level="confirmed", area=LIUHE, state=state, raised=tx.now())
            one.reading, one.confirmed_by = f"{ident}-1", f"{ident}-2"
            tx.session.add(one)
        tx.session.add(
            HealthTask(
                id="t", alert="a-task", person="r-1", area=LIUHE, basis="app", opened=tx.now(), due=date(2026, 12, 6)
            )
        )

    fleet.act(raised)
    asked = [f"{alert}-{n}" for alert in ("a-open", "a-task", "a-done") for n in (1, 2)]
    assert fleet.look(spared.readings, asked) == {"a-open-1", "a-open-2", "a-task-1", "a-task-2"}
    assert retention.next_night(fleet.clock.now()) > fleet.clock.now()

"""A device held back and a certificate that ends stand in the operators' work queue until they are dealt with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devices.base import Value
from hub import lifecycle
from hub.civic.fleet import certificates, findings, holds, jobs
from hub.civic.fleet.certificates import Paper
from hub.civic.operations import matters, scope, stream, work
from hub.civic.operations.models import Figure
from hub.civic.operations.work import Task
from hub.db import Tx
from hub.events import ReadingsStored, StoredReading
from tests.fleet.fleetrig import HUT, LIUHE, OTHER, TAYING, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    listeners: Any = matters.LISTENERS
    for kind, listener in listeners:
        made.store.bus.on(kind, listener)
    yield made
    made.store.close()


def queue(fleet: Fleet, who: str = "s-operator") -> list[Task]:
    within = scope.of(fleet.who(who))
    tasks = fleet.look(work.look, within).tasks
    return [task for task in tasks if "/held-" in task.key or task.key.endswith("/calibration_due")]


def test_a_device_held_back_stands_in_the_queue_with_its_reason_until_it_is_released(fleet: Fleet) -> None:
    for number in range(21):
        fleet.measure(sys=90 if number < 2 else 128, dia=95 if number < 2 else 82)
    fleet.measure("ghost-1")
    for _look in range(2):
        fleet.act(jobs.place_all, fleet.look(findings.gather))
    held, stranger = queue(fleet)
    assert (held.key, held.word, held.href) == ("device/bp-1/held-implausible", matters.HELD, "/operate/fleet/bp-1")
    assert ("5%" in held.advice, held.area) == (True, fleet.look(lifecycle.area_of, fleet.device("bp-1")))
    assert (stranger.key, stranger.word) == ("device/ghost-1/held-unknown-device", matters.LOOK)
    assert [task.key for task in queue(fleet, "s-ty-op")] == [], "of another community"
    fleet.act(holds.release, fleet.look(holds.of_device, "bp-1")[0].id, "换了袖带")
    assert [task.key for task in queue(fleet)] == [stranger.key]


def test_a_certificate_that_ends_is_one_line_that_says_when(fleet: Fleet) -> None:
    today = fleet.clock.now().date()
    paper = Paper("C-1", "市计量所", "JJG 692-2010", today - timedelta(days=300), today + timedelta(days=7), True)
    fleet.act(certificates.enter, "bp-2", paper)
    fleet.measure("bp-2", gateway=OTHER)
    assert fleet.act(certificates.warn) == 1
    (task,) = queue(fleet, "s-ty-op")
    assert (task.key, task.word, task.area) == ("device/bp-2/calibration_due", matters.DUE, TAYING)
    assert "7 天" in task.advice
    began = task.since
    fleet.clock.advance(8 * 86_400)
    fleet.act(certificates.warn)
    over = next(each for each in queue(fleet, "s-ty-op") if each.key == task.key)
    assert (over.word, over.since) == (matters.OVER, began), "the same line, graver"
    fresh = Paper("C-2", "市计量所", "JJG 692-2010", fleet.clock.now().date(), today + timedelta(days=400), True)
    fleet.act(certificates.enter, "bp-2", fresh)
    assert task.key not in [each.key for each in queue(fleet, "s-ty-op")]


def test_a_failed_verification_stands_in_the_queue_until_a_good_one(fleet: Fleet) -> None:
    today = fleet.clock.now().date()
    paper = Paper("C-9", "市计量所", "JJG 692-2010", today - timedelta(days=1), today + timedelta(days=300), False)
    fleet.act(certificates.enter, "bp-1", paper)
    (task,) = queue(fleet)
    assert (task.word, "C-9" in task.advice) == (matters.HELD, True)
    fleet.act(certificates.enter, "bp-1", replace(paper, number="C-10", passed=True))
    assert queue(fleet) == []


def test_nobody_is_asked_about_a_device_that_is_retired(fleet: Fleet) -> None:
    from hub.civic.fleet.rules import Finding

    fields = {"readings": 3, "minutes": 16}
    fleet.act(holds.place, Finding("bp-1", HUT, "clock-skew", fields))
    assert len(queue(fleet)) == 1
    fleet.act(lifecycle.move, "bp-1", "retired", "broken")
    assert queue(fleet) == []


def test_an_older_word_of_a_device_does_not_take_the_newer_ones_place(fleet: Fleet) -> None:
    """A battery's 3 % of yesterday, taken in after its change, must not call anybody to change it again."""
    fleet.store.bus.on(ReadingsStored, stream.hear)
    now = fleet.clock.now()
    for at, level in ((now, "95"), (now - timedelta(days=1), "3"), (now + timedelta(hours=1), "94")):
        value = (Value("battery", Decimal(level), "%"),)
        said = StoredReading("x", "x", "battery", "bp-1", HUT, HUT, LIUHE, value, "ok", (), at, at, "received", False)
        fleet.act(Tx.emit, ReadingsStored, readings=(said,))
        last = fleet.look(lambda read: read.session.get(Figure, ("device:bp-1", "battery")).value)
        assert last == ("95" if level == "3" else level)

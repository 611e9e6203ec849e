"""Certificates: warned of in time, frozen into readings, and after their last day nothing is classified."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from hub.civic.fleet import certificates
from hub.civic.fleet.certificates import Paper
from hub.errors import Refused
from tests.fleet.fleetrig import Fleet

TODAY = date(2026, 11, 22)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.store.close()


def paper(due: date, number: str = "JD-1", *, passed: bool = True) -> Paper:
    return Paper(number, "荆门市计量所", "JJG 692-2010", due - timedelta(days=364), due, passed)


def test_an_expired_certificate_marks_readings_and_they_are_stored(fleet: Fleet) -> None:
    fleet.act(certificates.enter, "bp-1", paper(TODAY))
    fleet.measure()
    fleet.clock.advance(15 * 3600)  # past midnight in Jingmen
    fleet.measure()
    first, second = sorted(fleet.readings("bp-1"), key=lambda row: row.t_received_ms)
    assert (first.quality, first.reasons, first.calibration) == ("ok", "", "JD-1")
    assert (second.quality, second.reasons, second.calibration) == ("suspect", "uncalibrated", "JD-1")
    fleet.act(certificates.enter, "bp-1", paper(TODAY + timedelta(days=300), "JD-2"))
    fleet.measure()
    newest = max(fleet.readings("bp-1"), key=lambda row: row.t_received_ms)
    assert (newest.quality, newest.reasons, newest.calibration) == ("ok", "", "JD-2")
    assert first.calibration == "JD-1", "what a reading froze stays"


def test_each_warning_is_said_once_and_a_new_paper_silences_the_old(fleet: Fleet) -> None:
    fleet.act(certificates.enter, "bp-1", paper(TODAY + timedelta(days=31)))
    said = []
    for day in range(34):
        if fleet.act(certificates.warn):
            said.append(31 - day)
        assert fleet.act(certificates.warn) == 0
        fleet.clock.advance(86_400)
    assert said == [30, 7, 1, -1]
    assert fleet.audited("bp-1").count("CertificateDue") == 4
    assert fleet.device("bp-1").upkeep == "calibration_due"
    fleet.act(certificates.enter, "bp-1", paper(TODAY + timedelta(days=365), "JD-2"))
    assert fleet.device("bp-1").upkeep is None
    assert fleet.act(certificates.warn) == 0


def test_a_failed_verification_takes_the_device_out_of_use(fleet: Fleet) -> None:
    fleet.act(certificates.enter, "bp-1", paper(TODAY + timedelta(days=300), passed=False))
    assert fleet.device("bp-1").state == "quarantined"
    assert fleet.device("bp-1").calibration is None, "a failed paper vouches for nothing"


@pytest.mark.parametrize(
    "wrong",
    [
        Paper("", "x", "y", TODAY, TODAY + timedelta(days=1), True),
        Paper("n", "x", "y", TODAY, TODAY, True),
        Paper("n", "x", "y", TODAY + timedelta(days=1), TODAY + timedelta(days=9), True),
        Paper("n", "x", "y", TODAY, TODAY + timedelta(days=9), True, "abc"),
    ],
)
def test_a_paper_that_cannot_be_is_refused(fleet: Fleet, wrong: Paper) -> None:
    with pytest.raises(Refused):
        fleet.act(certificates.enter, "bp-1", wrong)

"""Coverage by building, whom to knock at first, and what the duty report takes home."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from hub import directory, login, reach
from hub.audience import Audience
from hub.audit import AuditRow
from hub.civic.notices import coverage
from hub.civic.notices.coverage import Door
from hub.civic.notices.models import Notice
from hub.db import Tx
from hub.directory import NewHousehold, NewResident
from hub.reach import Proof
from tests.conftest import needs
from tests.notices.office import Office, open_office
from tests.notices.test_notice_pages import Desk, Place, place  # noqa: F401 - the fixture of a served office
from tests.world import LIUHE, START, TAYING

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def see(office: Office, notice: Notice, *residents: str, level: str = "seen") -> None:
    proofs = [Proof(notice.id, notice.revision, f"r:{each}", "web", level, START) for each in residents]
    office.store.write_now(lambda tx: reach.record_all(tx, proofs))


def doors(office: Office, notice: Notice) -> list[Door]:
    return office.store.read_now(lambda read: coverage.doors(read, notice, LIUHE))


def house(tx: Tx, building: str, flat: str, *tags: str, born: int = 1990) -> None:
    ident = f"{building}-{flat.replace('单元', '-')}"
    one = NewResident(f"r-{ident}", f"h-{ident}", "何雨", "f", date(born, 1, 1), None, None, tags)
    directory.register_households(tx, LIUHE, [NewHousehold(f"h-{ident}", building, flat, (), (one,))])


def test_a_door_is_reached_when_anybody_behind_it_has_seen_the_notice(office: Office) -> None:
    made = office.released()
    see(office, made, "r-wang", level="delivered")
    see(office, made, "r-lin")
    wang, lin = doors(office, made)
    assert (wang.reached, wang.best, wang.people, wang.risks) == (False, "delivered", 1, ("alone", "aged80"))
    assert (lin.reached, lin.best, lin.people, lin.seen) == (True, "seen", 2, 1)
    [only] = office.store.read_now(lambda read: coverage.by_building(read, [wang, lin], LIUHE))
    assert (only.name, only.doors, only.reached, only.percent, only.risky) == ("1栋", 2, 1, 50, 1)


def test_only_whom_the_notice_is_meant_for_counts(office: Office) -> None:
    made = office.released(audience=Audience((LIUHE,), tags=("aged80",)))
    assert [(door.household, door.people) for door in doors(office, made)] == [("h-wang", 1)]


def test_an_older_revision_proves_nothing_for_the_next(office: Office) -> None:
    made = office.released()
    old = Proof(made.id, made.revision + 1, "r:r-lin", "web", "seen", START)
    office.store.write_now(lambda tx: reach.record(tx, old))
    assert not any(door.reached for door in doors(office, made))


def test_whoever_is_at_risk_is_knocked_at_first_and_then_the_way_is_walked(office: Office) -> None:
    def move_in(tx: Tx) -> None:
        directory.found_building(tx, "lh-b2", LIUHE, "2栋", "Building 2", grid=1)
        directory.found_building(tx, "lh-b10", LIUHE, "10栋", "Building 10", grid=1)
        directory.found_building(tx, "lh-b3", LIUHE, "3栋", "Building 3", grid=2)
        tx.session.flush()
        house(tx, "lh-b10", "1单元201")
        house(tx, "lh-b2", "2单元101", "disabled")
        house(tx, "lh-b2", "1单元1001")
        house(tx, "lh-b2", "1单元201", born=1940)  # nobody has tagged her; she is past eighty all the same
        house(tx, "lh-b3", "101", "alone")

    office.store.write_now(move_in)
    found = doors(office, office.released())
    way = [(door.building, door.flat) for door in coverage.unreached(found, by_risk=False)]
    assert way == [
        ("lh-b1", "101"), ("lh-b1", "102"), ("lh-b2", "1单元201"), ("lh-b2", "1单元1001"), ("lh-b2", "2单元101"),
        ("lh-b10", "1单元201"), ("lh-b3", "101"),
    ]  # fmt: skip
    first = [(door.building, door.flat, door.risks) for door in coverage.unreached(found)[:4]]
    assert first == [
        ("lh-b1", "101", ("alone", "aged80")), ("lh-b3", "101", ("alone",)), ("lh-b2", "1单元201", ("aged80",)),
        ("lh-b2", "2单元101", ("disabled",)),
    ]  # fmt: skip


DOOR = st.builds(
    Door, household=st.uuids().map(str), building=st.sampled_from(["b1", "b2", "b10"]), grid=st.integers(0, 3),
    flat=st.sampled_from(["101", "1单元201", "2单元1001", "东头"]), people=st.just(2), seen=st.integers(0, 2),
    best=st.just(""), risks=st.sets(st.sampled_from(list(coverage.RISKS))).map(tuple),
)  # fmt: skip


@settings(max_examples=80)
@given(st.lists(DOOR, max_size=25))
def test_reached_and_left_are_all_doors_and_no_greater_risk_waits_behind_a_smaller(found: list[Door]) -> None:
    whole = coverage.summed(found)
    for by_risk in (True, False):
        left = coverage.unreached(found, by_risk=by_risk)
        assert len(left) == len({door.household for door in left}) == whole.doors - whole.reached
        assert sum(bool(door.risks) for door in left) == whole.risky
        assert {door.household for door in left} == {door.household for door in found if door.seen == 0}
    first = [[risk in door.risks for risk in coverage.RISKS] for door in coverage.unreached(found)]
    assert first == sorted(first, reverse=True)
    assert (whole.percent == 100) == (whole.doors > 0 and whole.doors == whole.reached)


@settings(max_examples=12)
@given(st.lists(st.tuples(st.sampled_from(["r-wang", "r-lin", "r-boy"]), st.sampled_from(reach.LEVELS)), max_size=6))
def test_the_sums_over_the_buildings_are_what_the_ledger_says(proofs: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder), followers={})
        made = office.released()
        for resident, level in proofs:
            see(office, made, resident, level=level)
        found = doors(office, made)
        sums = office.store.read_now(lambda read: reach.sums(read, made.id))
        whole = coverage.summed(found)
        assert (whole.people, whole.seen) == (sums.audience, sums.at_least(reach.BEST, "seen"))
        office.store.close()


def test_only_the_place_of_a_new_reader_is_drawn_again(office: Office) -> None:
    made = office.released()
    touched: list[tuple[str, str]] = []
    office.store.bus.observe(lambda _events, topics: touched.extend(topics))
    see(office, made, "r-lin", level="delivered")
    assert ("notices.coverage", f"{made.id}.{LIUHE}") not in touched
    see(office, made, "r-lin")
    assert touched.count(("notices.coverage", f"{made.id}.{LIUHE}")) == 1
    see(office, made, "r-lin", level="acknowledged")
    assert touched.count(("notices.coverage", f"{made.id}.{LIUHE}")) == 1


def test_the_desk_sees_buildings_and_doors_and_takes_both_home(place: Place) -> None:  # noqa: F811
    made = place.office.released(title="=1+1 停水")
    see(place.office, made, "r-lin")
    desk = Desk(place, "s-staff")
    at = f"/desk/notices/{made.id}"
    assert f"{at}/coverage" in desk.get(at)
    page = desk.get(f"{at}/coverage")
    for words in ("1 of 2 doors reached: 50 %", "seen by 1 of 3 people", "Lives alone", "Aged 80 or more", "1 / 2"):
        assert words in page
    assert "王" not in page
    assert "Everybody is reached" in desk.get(f"{at}/coverage?building=lh-b9")
    rows = list(csv.reader(io.StringIO(desk.get(f"{at}/coverage.csv").removeprefix("\ufeff"))))
    assert rows[0][4:8] == ["Doors", "Doors reached", "Percent", "People"]
    assert [row[2:] for row in rows[1:]] == [
        ["Building 1", "1", "2", "1", "50", "3", "1", "1"], ["All together", "", "2", "1", "50", "3", "1", "1"],
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(desk.get(f"{at}/unreached.csv").removeprefix("\ufeff"))))
    assert len(rows) == 2
    assert rows[1][1] == "'=1+1 停水"  # a spreadsheet shall not calculate a title
    assert rows[1][3:] == ["1", "Building 1", "101", "1", "Lives alone; Aged 80 or more", "no proof", ""]


def test_the_list_of_doors_is_for_those_who_knock_and_taking_it_is_on_record(place: Place) -> None:  # noqa: F811
    made = place.office.released()
    at = f"/desk/notices/{made.id}"
    watcher = place.api("supervisor")
    page = watcher.get(f"{at}/coverage")
    assert page.status_code == 200
    assert "Lives alone" not in page.text
    assert watcher.get(f"{at}/unreached.csv").status_code == 403
    grid = Desk(place, "s-grid")
    grid.get(f"{at}/unreached.csv")
    taken = select(col(AuditRow.actor), col(AuditRow.subject)).where(col(AuditRow.kind) == "UnreachedListed")
    rows = place.office.store.read_now(lambda read: read.session.execute(taken).all())
    assert rows == [("staff:s-grid", made.id)]


def test_a_neighbours_desk_and_a_draft_have_no_coverage_page(place: Place) -> None:  # noqa: F811
    made, draft = place.office.released(), place.office.draft()
    assert place.api("staff", TAYING).get(f"/desk/notices/{made.id}/coverage").status_code == 404
    assert place.api("staff").get(f"/desk/notices/{draft.id}/coverage").status_code == 404
    assert place.api("staff").get(f"/desk/notices/{made.id}/coverage?area={TAYING}").status_code == 404


@needs("chromium")
def test_the_bars_rise_before_the_eyes_of_the_desk(place: Place, browser: Browser) -> None:  # noqa: F811
    made = place.office.released()
    token = place.office.store.write_now(lambda tx: login.open_session(tx, "staff", "staff", "s-staff"))
    context = browser.new_context(locale="zh-CN")
    context.add_cookies([{"name": "linli_staff", "value": token, "url": place.url}])
    page = context.new_page()
    page.goto(f"{place.url}/desk/notices/{made.id}/coverage")
    page.get_by_text("已触达 0 户，共 2 户：0%").wait_for()
    page.wait_for_function("() => document.documentElement.getAttribute('data-line') === 'on'")
    Desk(place, "r-lin", "resident").get(f"/n/{made.id}")
    page.get_by_text("已触达 1 户，共 2 户：50%").wait_for()
    context.close()

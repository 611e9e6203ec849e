"""Staff earn nothing in duty hours, by B and C only, and another community approves; twelve months are honoured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from hub import directory
from hub.civic.points import claims, docket, duty, honours, ledger
from hub.civic.points.why import Why
from hub.directory import Resident
from hub.errors import NotAllowed, Refused
from tests.points.claimants import TODAY, Hamlet, a_hamlet, heard, hours
from tests.points.ledgers import account, issue
from tests.world import LIUHE, TAYING

SUNDAY = "08:30-12:00 14:00-17:30"  # TODAY is one


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with a_hamlet(tmp_path) as made:
        made.write(lambda tx: directory.hire(tx, "s-zhao", "赵安", "r-zhao", [("staff", LIUHE)], household="h-zhao"))
        made.write(lambda tx: duty.set_hours(tx, made.staff("s-director"), "s-zhao", {TODAY.weekday(): SUNDAY}))
        yield made


def test_duty_hours_bring_nothing_and_others_are_approved_next_door(hamlet: Hamlet) -> None:
    mine = {"by": "r-zhao", "owner": "r-zhao", "item": "B05", "hours": hours(2)}
    with pytest.raises(Refused, match="开始时间"):
        hamlet.declare(**mine)
    with pytest.raises(NotAllowed, match="值班时间"):
        hamlet.declare(**mine, began=16 * 60)
    with pytest.raises(NotAllowed, match="公益美德类"):
        hamlet.declare(**mine | {"item": "A01"}, began=19 * 60)
    claim = hamlet.declare(**mine, began=19 * 60)
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), claim.id))
    with pytest.raises(NotAllowed, match="其他社区"):
        hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-director"), claim.id))
    beside = hamlet.store.read_now(lambda read: docket.waiting(read, TAYING))
    assert [each.id for each in beside] == [claim.id]
    done = hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-taying"), claim.id))
    assert (done.state, hamlet.balance("person-r-zhao")) == ("posted", 40)


def test_without_a_roster_a_supervisor_looks_first(hamlet: Hamlet) -> None:
    hamlet.write(lambda tx: duty.set_hours(tx, hamlet.staff("s-director"), "s-zhao", {}))
    claim = hamlet.declare("r-zhao", owner="r-zhao", item="B05", hours=hours(1))
    assert docket.needed(claim)[0] == "M"


def test_the_household_s_account_is_no_way_around_duty_hours(hamlet: Hamlet) -> None:
    """What somebody on the staff claims for their home falls under their hours; another one's act at home does not."""
    ours = {"item": "C03", "owner_kind": "household", "owner": "h-zhao"}
    for by in ("r-zhao", "s-director"):
        with pytest.raises(NotAllowed, match="值班时间"):
            hamlet.declare(by, **ours, began=9 * 60)
    with pytest.raises(NotAllowed, match="公益美德类"):
        hamlet.declare("r-zhao", **ours | {"item": "A07"}, began=19 * 60)
    new = directory.NewResident("r-zhen", "h-zhao", "赵真", "f", TODAY.replace(year=1972), card="LH-000009")
    hamlet.write(lambda tx: tx.session.execute(insert(Resident), [directory._resident_row(tx, LIUHE, new)]))
    claim = hamlet.declare("r-zhen", **ours, began=9 * 60)
    assert (claim.peer, claim.forced) == (True, False)
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), claim.id))
    with pytest.raises(NotAllowed, match="其他社区"):
        hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-director"), claim.id))
    hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-taying"), claim.id))
    assert hamlet.balance("household-h-zhao") == 5


def test_a_sheet_credits_no_home_in_which_only_staff_could_have_come(hamlet: Hamlet) -> None:
    homes = ["h-zhao", "h-lin", "h-xu"]
    assert hamlet.store.read_now(lambda read: duty.nobody_else(read, homes)) == {"r-zhao": "s-zhao"}
    assert hamlet.store.read_now(lambda read: sorted(duty.at_home(read, homes).values())) == ["s-grid", "s-zhao"]


@settings(max_examples=40)
@example(began=539, minutes=2, rows=[9])  # begun before, and a minute into it
@given(
    began=st.integers(0, 1380), minutes=st.integers(1, 60), rows=st.lists(st.integers(0, 23), unique=True, max_size=4)
)
def test_an_act_overlaps_duty_exactly_when_a_minute_of_it_does(began: int, minutes: int, rows: list[int]) -> None:
    text = " ".join(f"{hour:02}:00-{hour:02}:45" for hour in rows)
    on = {minute for starts, ends in duty.spans(text) for minute in range(starts, ends)}
    assert duty.overlap(duty.spans(text), began, minutes) == bool(on & set(range(began, began + minutes)))


@pytest.mark.parametrize("text", ["9-12", "12:00-09:00", "08:00-25:00", "08:00-10:00 09:00-11:00", "08:00-10:00 x"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        duty.spans(text)


def test_twelve_months_running_are_honoured_once_and_a_gap_begins_anew(hamlet: Hamlet) -> None:
    def earn(person: str) -> None:
        why = Why("award", "C03", "jingmen-46@1", hamlet.clock.now().date())
        hamlet.write(lambda tx: ledger.post(
            tx, issue(tx), account(tx, "person", person), 5, f"m:{person}:{hamlet.clock.now()}", why
        ))  # fmt: skip

    honoured = []
    for month in range(18):
        earn("r-wang")
        if month != 5:
            earn("r-lin")  # with a gap
        honoured.append(hamlet.write(honours.honour_continued))
        if month == 11:
            assert hamlet.write(honours.honour_continued) == 0  # asked again within the month
        hamlet.clock.advance(30.44 * 86_400)
    assert [(month, count) for month, count in enumerate(honoured) if count] == [(11, 1), (17, 1)]
    assert hamlet.balance("person-r-wang") == 18 * 5 + 30
    told = heard(hamlet)
    assert [each["title"] for each in told] == ["积分到账 +30"] * 2

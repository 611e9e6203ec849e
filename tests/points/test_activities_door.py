"""The door of an activity: places, a code of thirty seconds, one phone one person, hours from coming and going."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.activities import attendance, programme, signin
from hub.civic.activities.models import Activity, Presence
from hub.civic.activities.programme import Plan
from hub.errors import Conflict, NotAllowed, Refused
from hub.i18n import speaking
from tests.points.claimants import Hamlet, a_hamlet
from tests.world import LIUHE, START, TAYING


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with speaking("en"), a_hamlet(tmp_path) as made:
        yield made


def activity(hamlet: Hamlet, *, seats: int = 0, number: str = "", area: str = LIUHE, by: str = "s-staff") -> str:
    """From now on for two hours."""
    plan = Plan(area, "清洁日", "Clean-up", "C01", START, START + timedelta(hours=2), "广场", "", seats, number)
    return str(hamlet.write(lambda tx: programme.publish(tx, hamlet.staff(by), plan)).id)


def code(hamlet: Hamlet, ident: str) -> str:
    return hamlet.store.read_now(lambda read: signin.code(read, ident)).digits


def come(hamlet: Hamlet, ident: str, who: str, digits: str, device: str = "") -> Presence:
    phone = device or f"phone of {who}"
    return hamlet.write(lambda tx: signin.sign_in(tx, hamlet.resident(who), ident, digits, phone))  # type: ignore[no-any-return]


def test_a_code_holds_half_a_minute_and_a_little(hamlet: Hamlet) -> None:
    ident = activity(hamlet)
    shown = code(hamlet, ident)
    hamlet.clock.advance(29)
    assert come(hamlet, ident, "r-wang", shown).came
    hamlet.clock.advance(35)
    with pytest.raises(Refused, match="does not hold any more"):
        come(hamlet, ident, "r-lin", shown)
    assert code(hamlet, ident) != shown


def test_a_code_opens_no_other_activity(hamlet: Hamlet) -> None:
    one, other = activity(hamlet), activity(hamlet)
    with pytest.raises(Refused, match="does not hold"):
        come(hamlet, other, "r-wang", code(hamlet, one))


def test_the_hubs_clock_decides_whatever_a_kiosk_believes(hamlet: Hamlet) -> None:
    ident = activity(hamlet)
    shown = code(hamlet, ident)
    hamlet.clock.advance(4 * 3600)
    with pytest.raises(Conflict, match="while the activity takes place"):
        come(hamlet, ident, "r-wang", shown)


def test_a_phone_signs_in_one_person_and_the_counter_enters_the_next_with_a_reason(hamlet: Hamlet) -> None:
    ident = activity(hamlet)
    come(hamlet, ident, "r-zhao", code(hamlet, ident), "one phone")
    with pytest.raises(NotAllowed, match="signed in somebody else"):
        come(hamlet, ident, "r-xu", code(hamlet, ident), "one phone")
    with pytest.raises(Refused, match="why the counter"):
        hamlet.write(lambda tx: signin.at_counter(tx, hamlet.staff("s-staff"), ident, "LH-000004", " "))
    entered = hamlet.write(lambda tx: signin.at_counter(tx, hamlet.staff("s-staff"), ident, "LH-000004", "没带手机"))
    assert (entered.by, entered.why, entered.device) == ("s-staff", "没带手机", None)


def test_hours_run_from_coming_to_going_and_without_going_a_quarter_counts(hamlet: Hamlet) -> None:
    ident = activity(hamlet)
    come(hamlet, ident, "r-zhao", code(hamlet, ident))
    come(hamlet, ident, "r-xu", code(hamlet, ident))
    hamlet.clock.advance(2 * 3600)
    now = code(hamlet, ident)
    hamlet.write(lambda tx: signin.sign_out(tx, hamlet.resident("r-zhao"), ident, now))
    hamlet.clock.advance(60)
    keeper = hamlet.staff("s-staff")
    sheet = hamlet.write(lambda tx: attendance.open_sheet(tx, keeper, ident))
    assert hamlet.write(lambda tx: signin.take_over(tx, keeper, sheet.id)) == 2
    hamlet.write(lambda tx: attendance.enter_list(tx, keeper, sheet.id, "LH-000001 1.5\n\n"))
    rows = hamlet.store.read_now(lambda read: attendance.rows(read, sheet.id))
    assert {row.owner: row.minutes for row in rows} == {"r-zhao": 120, "r-xu": 15, "r-wang": 90}
    assert hamlet.write(lambda tx: signin.take_over(tx, keeper, sheet.id)) == 0
    hamlet.write(lambda tx: attendance.submit(tx, keeper, sheet.id))
    hamlet.write(lambda tx: attendance.approve(tx, hamlet.staff("s-director"), sheet.id))
    assert [hamlet.balance(f"person-{each}") for each in ("r-zhao", "r-xu", "r-wang")] == [20, 2, 15]
    served = hamlet.store.read_now(lambda read: signin.served(read, "r-zhao"))
    assert [minutes for _activity, minutes in served] == [120]


def test_a_paper_list_with_one_bad_line_enters_nobody_and_names_the_line(hamlet: Hamlet) -> None:
    keeper = hamlet.staff("s-staff")
    sheet = hamlet.write(lambda tx: attendance.open_sheet(tx, keeper, activity(hamlet)))
    with pytest.raises(Refused, match=r"Line 2: Nobody .* Line 3: Hours go"):
        hamlet.write(lambda tx: attendance.enter_list(tx, keeper, sheet.id, "LH-000001\nXX-1\nLH-000002 99"))
    assert hamlet.store.read_now(lambda read: attendance.rows(read, sheet.id)) == []


def test_the_last_place_is_taken_once_and_given_up_again(hamlet: Hamlet) -> None:
    ident = activity(hamlet, seats=1)
    hamlet.write(lambda tx: signin.sign_up(tx, hamlet.resident("r-wang"), ident))
    hamlet.write(lambda tx: signin.sign_up(tx, hamlet.resident("r-wang"), ident))
    with pytest.raises(Conflict, match="All places are taken"):
        hamlet.write(lambda tx: signin.sign_up(tx, hamlet.resident("r-lin"), ident))
    hamlet.write(lambda tx: signin.give_up(tx, hamlet.resident("r-wang"), ident))
    assert hamlet.write(lambda tx: signin.sign_up(tx, hamlet.resident("r-lin"), ident)).resident == "r-lin"
    with pytest.raises(NotAllowed, match="Residents of this community"):
        hamlet.write(lambda tx: signin.sign_up(tx, hamlet.resident("r-ty"), ident))


def test_two_communities_cannot_account_for_one_city_activity(hamlet: Hamlet) -> None:
    activity(hamlet, number="JM-2026-11")
    with pytest.raises(Conflict, match="Another community accounts"):
        activity(hamlet, number="jm-2026-11", area=TAYING, by="s-taying")


@settings(max_examples=40)
@given(came=st.integers(-60, 180), stayed=st.integers(0, 300), left=st.booleans())
def test_hours_are_whole_quarters_within_the_activity(came: int, stayed: int, left: bool) -> None:
    found = Activity(
        id="a", area=LIUHE, zh="", item="C01", starts=START, ends=START + timedelta(hours=2), place_zh="",
        published_by="", published_at=START,
    )  # fmt: skip
    start = START + timedelta(minutes=came)
    minutes = signin.minutes_between(start, start + timedelta(minutes=stayed) if left else None, found)
    assert minutes % 15 == 0
    assert 15 <= minutes <= 120
    if not left:
        assert minutes == 15

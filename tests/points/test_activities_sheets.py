"""An attendance sheet, from the door to the balance: twice signed, once credited, all or nothing, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import directory
from hub.access import Subject
from hub.civic.activities import attendance, people, programme
from hub.civic.activities.programme import Plan
from hub.civic.points import book, ledger
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.errors import Conflict, LinliError, NotAllowed, NotFound, Refused
from hub.events import PersonalMessage, SheetApproved
from tests.points.ledgers import a_store, crowd
from tests.world import LIUHE, START, TAYING, staff


class Desk:
    """Two members of staff, a grid worker who lives in 林's household, and an activity two hours long that is over."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keeper, self.second, self.grid = (staff(store, each) for each in ("s-staff", "s-director", "s-grid"))
        self.told: list[PersonalMessage] = []
        store.bus.on(PersonalMessage, lambda _tx, event: self.told.append(event))

    def activity(self, item: str = "C01", hours: int = 2) -> str:
        starts = START - timedelta(hours=3)
        plan = Plan(LIUHE, "周六清洁日", "Clean-up", item, starts, starts + timedelta(hours=hours), "中心广场")
        return self.store.write_now(lambda tx: programme.publish(tx, self.keeper, plan)).id

    def sheet(self, *who: str, item: str = "C01", hours: str = "2") -> str:
        activity = self.activity(item)

        def fill(tx: Tx) -> str:
            made = attendance.open_sheet(tx, self.keeper, activity)
            for each in who:
                attendance.add(tx, self.keeper, made.id, each, Decimal(hours))
            return made.id

        return self.store.write_now(fill)

    def submitted(self, *who: str, item: str = "C01", hours: str = "2") -> str:
        ident = self.sheet(*who, item=item, hours=hours)
        self.store.write_now(lambda tx: attendance.submit(tx, self.keeper, ident))
        return ident

    def approve(self, ident: str, by: Subject | None = None) -> str:
        return self.store.write_now(lambda tx: attendance.approve(tx, by or self.second, ident)).state

    def balance(self, account: str) -> int:
        found = self.store.read_now(lambda read: ledger.held(read, [account]))
        return found[account].balance if account in found else 0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_store(tmp_path, clock=ManualClock(START)) as store:
        yield Desk(store)


def test_one_approval_credits_persons_and_a_household_in_one_go(desk: Desk) -> None:
    ident = desk.submitted("r-wang", "household-h-lin")
    assert desk.balance("person-r-wang") == 0
    assert desk.approve(ident) == "approved"
    assert (desk.balance("person-r-wang"), desk.balance("household-h-lin")) == (20, 20)
    assert desk.store.read_now(book.recount).sound
    entry = desk.store.read_now(lambda read: book.statement(read, "person-r-wang"))[0]
    assert (entry.amount, entry.balance, entry.item, entry.approved_by) == (20, 20, "C01", "书记兼主任")
    assert entry.reference == f"sheet:{ident}:r-wang"


def test_an_approval_repeated_credits_nothing_more(desk: Desk) -> None:
    ident = desk.submitted("r-wang", "household-h-lin")
    for by in (desk.second, desk.second, desk.keeper):
        assert desk.approve(ident, by) == "approved"
    assert desk.balance("person-r-wang") == 20
    assert len([each for each in desk.told if each.resident == "r-wang"]) == 1


def test_the_event_heard_twice_credits_once(desk: Desk) -> None:
    heard: list[SheetApproved] = []
    desk.store.bus.on(SheetApproved, lambda _tx, event: heard.append(event))
    desk.approve(desk.submitted("r-wang"))

    def again(tx: Tx) -> None:
        for listener in tx.bus.listeners(SheetApproved)[:1]:
            listener(tx, heard[0])

    desk.store.write_now(again)
    assert desk.balance("person-r-wang") == 20
    assert len(desk.told) == 1


def test_whoever_submitted_cannot_approve(desk: Desk) -> None:
    ident = desk.submitted("r-wang")
    with pytest.raises(NotAllowed) as refused:
        desk.approve(ident, desk.keeper)
    assert refused.value.sentence
    assert desk.balance("person-r-wang") == 0
    assert desk.approve(ident) == "approved"


def test_nobody_signs_for_their_own_household(desk: Desk) -> None:
    for who in ("r-lin", "household-h-lin", "r-boy"):
        ident = desk.sheet("r-wang", who)
        with pytest.raises(NotAllowed):
            desk.store.write_now(lambda tx, sheet=ident: attendance.submit(tx, desk.grid, sheet))


def test_a_role_that_may_not_approve_is_refused(desk: Desk) -> None:
    ident = desk.submitted("r-wang")
    for who in (desk.grid, staff(desk.store, "s-attendant"), Subject()):
        with pytest.raises(NotAllowed):
            desk.approve(ident, who)


def test_a_childs_effort_goes_to_the_household(desk: Desk) -> None:
    ident = desk.submitted("r-boy", item="B01")
    desk.approve(ident)
    assert (desk.balance("household-h-lin"), desk.balance("person-r-boy")) == (20, 0)
    assert sorted(each.resident for each in desk.told) == ["r-lin"]


def test_an_item_that_is_not_for_households_is_refused_when_submitted(desk: Desk) -> None:
    ident = desk.sheet("household-h-lin", item="B01")
    with pytest.raises(Refused):
        desk.store.write_now(lambda tx: attendance.submit(tx, desk.keeper, ident))
    state = desk.store.read_now(lambda read: attendance.sheet_of(read, ident)).state
    assert state == "open"


@pytest.mark.parametrize("item", ["D01", "D07", "B04", "Z99"])
def test_an_activity_by_an_item_no_sheet_can_credit_is_refused(desk: Desk, item: str) -> None:
    with pytest.raises(Refused):
        desk.activity(item)


def test_one_bad_line_credits_nobody(desk: Desk) -> None:
    """All or nothing: the organisation loses its filing between submission and approval."""

    def filed(tx: Tx, state: str) -> None:
        tx.session.merge(directory.Organisation(id="o-red", area=LIUHE, zh="红马甲", en="Red Vest", state=state))

    desk.store.write_now(lambda tx: filed(tx, "filed"))
    ident = desk.submitted("r-wang", "organisation-o-red")
    desk.store.write_now(lambda tx: filed(tx, "suspended"))
    with pytest.raises(NotFound):
        desk.approve(ident)
    assert desk.balance("person-r-wang") == 0
    desk.store.write_now(lambda tx: filed(tx, "filed"))
    desk.approve(ident)
    assert (desk.balance("person-r-wang"), desk.balance("organisation-o-red")) == (20, 20)


def test_a_sheet_sent_back_is_signed_anew(desk: Desk) -> None:
    ident = desk.submitted("r-wang")
    desk.store.write_now(lambda tx: attendance.send_back(tx, desk.second, ident))
    desk.store.write_now(lambda tx: attendance.add(tx, desk.keeper, ident, "LH-000002", Decimal(1)))
    with pytest.raises(Conflict):
        desk.approve(ident)
    desk.store.write_now(lambda tx: attendance.submit(tx, desk.keeper, ident))
    desk.approve(ident)
    assert (desk.balance("person-r-wang"), desk.balance("person-r-lin")) == (20, 10)


def test_a_closed_sheet_takes_nobody_in(desk: Desk) -> None:
    ident = desk.submitted("r-wang")
    for verb in (
        lambda tx: attendance.add(tx, desk.keeper, ident, "r-lin"),
        lambda tx: attendance.remove(tx, desk.keeper, ident, "person-r-wang"),
        lambda tx: attendance.submit(tx, desk.keeper, ident),
    ):
        with pytest.raises(Conflict):
            desk.store.write_now(verb)


def test_nobody_stands_on_two_sheets_of_one_activity(desk: Desk) -> None:
    first = desk.submitted("r-wang")
    activity = desk.store.read_now(lambda read: attendance.sheet_of(read, first)).activity
    late = desk.store.write_now(lambda tx: attendance.open_sheet(tx, desk.keeper, activity)).id
    assert late != first
    with pytest.raises(Conflict):
        desk.store.write_now(lambda tx: attendance.add(tx, desk.keeper, late, "r-wang"))
    desk.store.write_now(lambda tx: attendance.add(tx, desk.keeper, late, "r-lin"))


@pytest.mark.parametrize("who", ["", "nobody", "person-nobody", "household-", "card", "organisation-o-x", "r-lin\x00"])
def test_a_stranger_is_not_entered(desk: Desk, who: str) -> None:
    ident = desk.sheet()
    with pytest.raises((NotFound, Refused)):
        desk.store.write_now(lambda tx: attendance.add(tx, desk.keeper, ident, who))


@pytest.mark.parametrize("text", ["0", "-1", "13", "0.1", "abc", "NaN", "Infinity", "1e400"])
def test_hours_that_are_none_are_refused(desk: Desk, text: str) -> None:
    ident = desk.sheet()

    def enter(tx: Tx) -> None:
        attendance.add(tx, desk.keeper, ident, "r-wang", attendance.hours_from(text))

    with pytest.raises(Refused):
        desk.store.write_now(enter)


def test_an_empty_or_too_early_sheet_is_not_submitted(desk: Desk) -> None:
    empty = desk.sheet()
    with pytest.raises(Refused):
        desk.store.write_now(lambda tx: attendance.submit(tx, desk.keeper, empty))

    def early(tx: Tx) -> None:
        starts = START + timedelta(days=1)
        plan = Plan(LIUHE, "邻里节", "", "B01", starts, starts + timedelta(hours=2), "中心广场")
        ident = attendance.open_sheet(tx, desk.keeper, programme.publish(tx, desk.keeper, plan).id).id
        attendance.add(tx, desk.keeper, ident, "r-wang")
        attendance.submit(tx, desk.keeper, ident)

    with pytest.raises(Refused):
        desk.store.write_now(early)


def test_staff_keep_to_their_own_community(desk: Desk) -> None:
    starts = START - timedelta(hours=3)
    plan = Plan(TAYING, "清洁日", "", "C01", starts, starts + timedelta(hours=2), "广场")
    with pytest.raises(NotAllowed):
        desk.store.write_now(lambda tx: programme.publish(tx, desk.keeper, plan))
    with pytest.raises(NotFound):
        desk.store.read_now(lambda read: people.standing(read, TAYING, "r-wang", START.date()))


def test_the_search_finds_by_name_and_card_and_gives_out_no_full_name(desk: Desk) -> None:
    def found(text: str) -> list[people.Found]:
        return desk.store.read_now(lambda read: people.search(read, LIUHE, text, START.date()))

    assert [each.account for each in found("春禾")] == ["person-r-lin"]
    assert [each.account for each in found("lh-000001")] == ["person-r-wang"]
    assert all("**" in each.name for each in found("林"))
    assert found("张") == []
    with pytest.raises(Refused):
        found("  ")


def test_fifty_threads_approve_one_sheet_once(tmp_path: Path) -> None:
    with a_store(tmp_path, clock=ManualClock(START)) as store, ThreadPoolExecutor(50) as threads:
        desk = Desk(store)
        ident = desk.submitted("r-wang", "household-h-lin")
        answers = list(threads.map(lambda _n: desk.approve(ident), range(50)))
        assert set(answers) == {"approved"}
        assert (desk.balance("person-r-wang"), desk.balance("household-h-lin")) == (20, 20)
        assert store.read_now(book.recount).postings == 2


def test_two_sheets_at_once_keep_the_days_cap_together(tmp_path: Path) -> None:
    """40 a day of C01: ten sheets of 20 points race, and 40 come out."""
    with a_store(tmp_path, clock=ManualClock(START)) as store, ThreadPoolExecutor(10) as threads:
        desk = Desk(store)
        sheets = [desk.submitted("r-wang") for _ in range(10)]
        assert set(threads.map(desk.approve, sheets)) == {"approved"}
        assert desk.balance("person-r-wang") == 40


@settings(max_examples=12)
@given(
    here=st.lists(st.tuples(st.integers(0, 29), st.integers(1, 48)), min_size=1, max_size=25),
    presses=st.lists(st.sampled_from(["keeper", "second", "grid", "nobody"]), max_size=6),
)
def test_a_sheet_credits_each_account_at_most_once_whatever_is_pressed(
    tmp_path_factory: pytest.TempPathFactory, here: list[tuple[int, int]], presses: list[str]
) -> None:
    with a_store(tmp_path_factory.mktemp("sheet"), clock=ManualClock(START)) as store:
        desk = Desk(store)
        owners = store.write_now(lambda tx: crowd(tx, 30))
        ident, quarters = desk.sheet(), dict(here)

        def fill(tx: Tx) -> None:
            for place, length in here:
                attendance.add(tx, desk.keeper, ident, owners[place], Decimal(length) / 4)
            attendance.submit(tx, desk.keeper, ident)

        store.write_now(fill)
        signers = {"keeper": desk.keeper, "second": desk.second, "grid": desk.grid}
        for who in presses:
            with suppress(LinliError):
                desk.approve(ident, signers.get(who, Subject()))
        assert desk.approve(ident) == desk.approve(ident) == "approved"
        for place, length in quarters.items():
            assert desk.balance(f"person-{owners[place]}") == min(40, length * 10 // 4)
        assert store.read_now(book.recount).postings == len(quarters)

"""The points office and the supervisors: indicators, a rehearsal, a sample nobody can foresee, and moving house."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import directory
from hub.civic.points import award, book, budget, catalogue, claims, honours, moving, office, risks, supervision
from hub.civic.points.award import Award, Signed
from hub.errors import NotAllowed
from hub.i18n import speaking
from tests.points.claimants import TODAY, Hamlet, a_hamlet, hours
from tests.points.hall import a_hall
from tests.world import DISTRICT, LIUHE, START, TAYING

MONTH = (TODAY.replace(day=1), TODAY)


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with speaking("en"), a_hamlet(tmp_path) as made:
        yield made


def credit(hamlet: Hamlet, who: str, count: float, *, item: str = "B01", back: int = 0, kind: str = "person") -> None:
    day = TODAY - timedelta(days=back)
    act = Award(kind, who, item, hours(count), day, f"test:{who}:{item}:{back}:{count}", evidence=f"sheet:{back}")
    hamlet.write(lambda tx: award.credit(tx, [act], Signed(verifier="s-staff", approver="s-director")))


def place(hamlet: Hamlet, code: str = LIUHE) -> directory.Area:
    return hamlet.store.read_now(lambda read: directory.area(read, code))


def test_indicators_count_homes_acts_and_categories(hamlet: Hamlet) -> None:
    credit(hamlet, "r-wang", 2)
    credit(hamlet, "r-lin", 1, item="A01")
    credit(hamlet, "h-lin", 1, item="C01", kind="household")
    hamlet.declare(item="B06", number="9")
    found = hamlet.store.read_now(lambda read: office.indicators(read, place(hamlet), *MONTH))
    assert (found.homes, found.households, found.acts, found.points) == (2, 4, 3, 40)
    assert found.categories == [("A", 1, 10), ("B", 1, 20), ("C", 1, 10)]
    assert (found.credited, found.claims) == ({"person": 2, "household": 1}, {"claimed": 1})
    assert ("participation_percent", "50.0") in office.rows(found)


@settings(max_examples=25)
@given(
    acts=st.lists(st.tuples(st.integers(0, 20), st.sampled_from([1, 2, 3, 4, 6])), min_size=1, max_size=12),
    limit=st.integers(1, 60),
)
def test_a_rehearsal_with_nothing_changed_is_what_stands_and_a_lower_cap_never_gives_more(
    acts: list[tuple[int, int]], limit: int
) -> None:
    item = catalogue.on(TODAY).item("B01")
    tally: dict[tuple[str, int], int] = {}
    given_: list[office.Given] = []
    for back, count in acts:
        left = 40 - tally.get(("a", back), 0)
        amount = min(10 * count, left)
        tally["a", back] = tally.get(("a", back), 0) + amount
        if amount:
            given_.append(office.Given("a", TODAY - timedelta(days=back), "", amount))
    stands = sum(each.amount for each in given_)
    assert office._sums(given_, item, item).get("a", 0) == stands
    lower = office.replace(item, caps=tuple(office.replace(cap, limit=limit) for cap in item.caps))
    assert office._sums(given_, item, lower).get("a", 0) <= (stands if limit <= 40 else 60 * 21)


def test_a_rehearsal_on_the_ledger_says_the_difference_and_changes_nothing(hamlet: Hamlet) -> None:
    for back in range(3):
        credit(hamlet, "r-wang", 4, back=back)
    credit(hamlet, "r-lin", 1)
    same = hamlet.store.read_now(lambda read: office.rehearse(read, place(hamlet), "B01", *MONTH, 10, [40]))
    assert (same.points, same.would_be, same.changed) == (130, 130, 0)
    less = hamlet.store.read_now(lambda read: office.rehearse(read, place(hamlet), "B01", *MONTH, 10, [20]))
    assert (less.would_be, less.changed, less.fen) == (70, 1, -300)
    assert hamlet.balance() == 120


def test_five_in_a_hundred_are_drawn_by_the_key_and_drawn_again_they_are_the_same(hamlet: Hamlet) -> None:
    acts = [
        Award("person", who, "A01", hours(0.5), TODAY - timedelta(days=back), f"test:{who}:{back}")
        for who in ("r-wang", "r-zhao")
        for back in range(20)
    ]
    hamlet.write(lambda tx: award.credit(tx, acts, Signed(verifier="s-staff", approver="s-director")))
    found = hamlet.store.read_now(lambda read: supervision.sample(read, LIUHE, *MONTH, "Asia/Shanghai"))
    again = hamlet.store.read_now(lambda read: supervision.sample(read, LIUHE, *MONTH, "Asia/Shanghai"))
    assert [each.txn for each in found] == [each.txn for each in again]
    assert len(found) == 2
    monitor, txn = hamlet.staff("s-monitor"), found[0].txn
    hamlet.write(lambda tx: supervision.judge(tx, monitor, txn, "doubted"))
    hamlet.write(lambda tx: supervision.judge(tx, monitor, txn, "sound"))
    seen = hamlet.store.read_now(lambda read: supervision.sample(read, LIUHE, *MONTH, "Asia/Shanghai"))
    assert {each.verdict for each in seen if each.txn == txn} == {"sound"}
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: supervision.judge(tx, hamlet.staff("s-director"), txn, "sound"))
    looked = "SELECT count(*) FROM audit WHERE kind = 'AwardOpened'"
    count = hamlet.store.read_now(lambda read: read.session.connection().exec_driver_sql(looked)).scalar()
    assert count == 2


def test_a_replay_from_zero_is_sound(hamlet: Hamlet) -> None:
    credit(hamlet, "r-wang", 2)
    found = hamlet.store.read_now(supervision.replay)
    assert found.sound
    assert found.postings == 1


def test_a_photo_of_two_claims_is_marked_in_the_sample(hamlet: Hamlet) -> None:
    for who in ("r-wang", "r-zhao"):
        made = hamlet.declare(who, owner=who, pictures=("clean.jpg",))
        if made.held:
            hamlet.write(lambda tx, made=made: claims.release(tx, hamlet.staff("s-director"), made.id))
        hamlet.sign(made.id, "GS")
    found = hamlet.store.read_now(lambda read: supervision.sample(read, LIUHE, *MONTH, "Asia/Shanghai"))
    assert [each.twin for each in found] == [True]


def test_whoever_moves_keeps_balance_and_history(hamlet: Hamlet) -> None:
    credit(hamlet, "r-wang", 2)
    before = hamlet.store.read_now(lambda read: book.statement(read, "person-r-wang"))
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: moving.move(tx, hamlet.staff("s-staff"), "h-wang", "ty-b1", "202"))
    hamlet.write(lambda tx: moving.move(tx, hamlet.staff("s-taying"), "h-wang", "ty-b1", "202"))
    after = hamlet.store.read_now(lambda read: book.statement(read, "person-r-wang"))
    assert (before, hamlet.balance()) == (after, 20)
    assert hamlet.store.read_now(lambda read: directory.resident(read, "r-wang")).area == TAYING
    credit(hamlet, "r-wang", 1, back=1)
    found = hamlet.store.read_now(lambda read: office.indicators(read, place(hamlet, TAYING), *MONTH))
    assert (found.points, hamlet.balance()) == (10, 30)


def test_the_money_of_a_period_stands_among_the_indicators(hamlet: Hamlet) -> None:
    """Granted and spent as it stood at the end of the period; what was spent before it is not spent in it."""

    def spend(once: str, fen: int) -> None:
        hamlet.write(lambda tx: budget.encumber(tx, LIUHE, 2026, fen, once))
        hamlet.write(lambda tx: budget.spend(tx, LIUHE, 2026, fen, once))

    for who in [hamlet.staff(each) for each in ("s-director", "s-office", "s-monitor")]:
        hamlet.write(lambda tx, who=who: budget.grant(tx, LIUHE, 2026, 100, who))
    spend("before", 1_000)
    hamlet.later(days=20)
    spend("within", 300)
    hamlet.write(lambda tx: budget.encumber(tx, LIUHE, 2026, 700, "open"))
    december = date(2026, 12, 1), date(2026, 12, 31)
    found = hamlet.store.read_now(lambda read: office.indicators(read, place(hamlet), *december))
    assert found.money == office.Money(15_000, 700, 1_300, 13_000, 300)
    assert ("money_spent_within_fen", "300") in office.rows(found)


def test_claims_signed_in_the_small_hours_stand_on_the_risk_list(hamlet: Hamlet) -> None:
    hamlet.clock.advance(18 * 3600)  # three in the morning in Jingmen
    for number in range(risks.NIGHT_LEAST):
        hamlet.sign(hamlet.declare(item="B07", number=f"N-{number}", words="捐衣").id, "GS")
    found = [each for each in hamlet.store.read_now(lambda read: risks.found(read, LIUHE)) if each.kind == "night"]
    assert [(each.accounts, each.count, each.staff) for each in found] == [
        (("person-r-wang",), 3, ("s-director",)), (("person-r-wang",), 3, ("s-staff",)),
    ]  # fmt: skip


def test_one_pair_of_hands_and_a_burst_stand_on_the_risk_list(hamlet: Hamlet) -> None:
    for number in range(risks.BURST):
        hamlet.declare(item="C09", number=f"w{number}")
    for number in range(risks.PAIR_LEAST):
        made = hamlet.declare("r-zhao", owner="r-zhao", item="C09", number=f"z{number}")
        hamlet.sign(made.id, "G")
    found = hamlet.store.read_now(lambda read: risks.found(read, LIUHE))
    assert [(each.kind, each.accounts, each.staff) for each in found] == [
        ("burst", ("household-h-wang",), ()),
        ("signers", ("person-r-zhao",), ("s-staff",)),
    ]


def test_months_running_are_counted_and_the_last_quarter_is_whole() -> None:
    assert honours.quarter(TODAY) == (TODAY.replace(month=7, day=1), TODAY.replace(month=9, day=30))
    assert START.date() == TODAY


def test_the_office_the_supervisors_and_the_accounts_are_shown_at_their_desks(tmp_path: Path) -> None:
    with a_hall(tmp_path) as hall:
        hall.shell.write(lambda tx: directory.hire(tx, "s-monitor", "田和", "p-tian", [("supervisor", LIUHE)]))
        hall.shell.write(lambda tx: directory.hire(tx, "s-office", "丁原", "p-ding", [("points_office", DISTRICT)]))
        body = {"activity": hall.activity(), "rows": [{"account": "r-wang", "hours": "2"}]}
        sheet = hall.api("staff").post("/api/v1/points/sheets", json=body).json()["id"]
        hall.api("director").post(f"/api/v1/points/sheets/{sheet}/approve")
        desk = hall.enter("s-office")
        page = desk.get(f"/desk/points/office?area={LIUHE}&item=C01&points=8&limits=16")
        assert "20 points became 16 points" in page
        assert "参与率" in desk.get(f"/desk/points/office?area={LIUHE}", lang="zh")
        assert "participation_percent,50.0" in desk.get(f"/desk/points/office.csv?area={LIUHE}")
        desk.get(f"/desk/points/office?area={LIUHE}&first=2026-12-01&last=2026-01-01", status=422)
        monitor = hall.enter("s-monitor")
        month = hall.store.clock.now().strftime("%Y-%m")
        page = monitor.get(f"/desk/points/supervision?month={month}&replay=1")
        assert "the chain holds" in page
        assert "王**" in page
        link = page.split('<td><a href="')[1].split('"')[0]
        assert "The attendance sheet of the activity" in monitor.get(link)
        monitor.post(link, link, verdict="sound")
        assert "Sound" in monitor.get(f"/desk/points/supervision?month={month}")
        hall.enter("s-staff").get("/desk/points/supervision", status=403)
        keeper = hall.enter("s-staff")
        page, path = keeper.post("/desk/points/accounts", "/desk/points/accounts", text="LH-000001")
        assert path == "/desk/points/accounts/person-r-wang"
        assert "+20" in page
        assert "Statement slip" in keeper.get(f"{path}/slip")
        missing, _path = keeper.post("/desk/points/accounts", "/desk/points/accounts", 422, text="XX-1")
        assert "Nobody of this community" in missing

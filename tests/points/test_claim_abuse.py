"""The abuse cases of domain.md 3, each refused in its own words (9 and 13, of stock and budget, stand with rewards)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from hub.access import Subject
from hub.civic import activities, points
from hub.civic.points import (
    award,
    beneficiary,
    catalogue,
    claim_import,
    claims,
    deductions,
    ledger,
    likeness,
    publicity,
    risks,
    transfers,
)
from hub.civic.points.award import Award, Signed
from hub.civic.points.beneficiary import Owner
from hub.civic.points.models import Txn
from hub.civic.points.transfers import circles
from hub.civic.points.why import Why
from hub.db import Actor, Read, Tx
from hub.errors import Conflict, NotAllowed, Refused
from hub.events import ActivityPublished, PointsPosted, SheetApproved, SheetSubmitted
from hub.i18n import speaking
from tests.points.claimants import TODAY, Hamlet, a_hamlet, hours, picture
from tests.points.ledgers import account, issue
from tests.world import LIUHE


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with speaking("en"), a_hamlet(tmp_path) as made:
        yield made


def owner(hamlet: Hamlet, kind: str, ident: str) -> Owner:
    return hamlet.store.read_now(lambda read: beneficiary.one(read, kind, ident))


def send(hamlet: Hamlet, source: str, to: str, amount: int) -> str:
    once = f"{source}-{to}-{amount}".ljust(32, "x")
    by, ends = hamlet.resident(source), (owner(hamlet, "person", source), owner(hamlet, "person", to))
    return str(hamlet.write(lambda tx: transfers.send(tx, by, *ends, amount, once=once)).id)


def test_1_nobody_signs_for_the_own_household(hamlet: Hamlet) -> None:
    made = hamlet.declare("r-lin", owner="r-lin")
    with pytest.raises(NotAllowed, match="yourself or your own household"):
        hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-grid"), made.id))


def test_2_one_natural_person_with_two_accounts_signs_once(hamlet: Hamlet) -> None:
    made = hamlet.declare()
    first = hamlet.staff("s-staff")
    again = Subject(
        **{each: getattr(first, each) for each in ("kind", "grants", "person", "permissions")}, id="s-other"
    )
    hamlet.write(lambda tx: claims.verify(tx, first, made.id))
    with pytest.raises(NotAllowed, match="signed this already"):
        hamlet.write(lambda tx: claims.approve(tx, again, made.id))


@pytest.mark.parametrize("copy", ["clean.jpg", "small.jpg", "bright.jpg", "clean.png"])
def test_3_the_same_photo_made_smaller_brighter_or_saved_anew_holds_the_second_claim(hamlet: Hamlet, copy: str) -> None:
    first = hamlet.declare(pictures=("clean.jpg",))
    second = hamlet.declare(pictures=(copy,), owner="r-zhao", by="r-zhao")
    assert second.held == first.id
    with pytest.raises(Conflict, match="resembles that of another claim"):
        hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), second.id))
    hamlet.write(lambda tx: claims.release(tx, hamlet.staff("s-director"), second.id))
    assert hamlet.sign(second.id, "GS").state == "posted"


def test_3_another_photo_and_a_blank_wall_hold_nothing(hamlet: Hamlet) -> None:
    hamlet.declare(pictures=("clean.jpg",))
    assert hamlet.declare(pictures=("other.jpg",), owner="r-zhao", by="r-zhao").held == ""
    assert picture("flat.jpg").likeness == ""
    assert not likeness.alike("", "")


def test_4_one_act_is_not_its_persons_and_its_households(hamlet: Hamlet) -> None:
    hamlet.declare(item="B02", hours=hours(1))
    with pytest.raises(Conflict, match="by the person or by the household"):
        hamlet.declare(item="B02", hours=hours(1), owner_kind="household", owner="h-wang")
    with pytest.raises(Conflict, match="claimed already"):
        hamlet.declare(item="B02", hours=hours(2))


def test_5_two_communities_cannot_claim_one_number(hamlet: Hamlet) -> None:
    hamlet.declare(item="B06", number="血-77")
    with pytest.raises(Conflict, match="Another community has claimed this number"):
        hamlet.declare("r-ty", item="B06", number="血-77", owner="r-ty")


def test_8_a_ring_is_within_the_limits_but_stands_on_the_risk_list_and_lifts_no_level(hamlet: Hamlet) -> None:
    for each in ("r-wang", "r-zhao", "r-xu"):
        hamlet.grant(60, each)
    for source, to in (("r-wang", "r-zhao"), ("r-zhao", "r-xu"), ("r-xu", "r-wang")):
        send(hamlet, source, to, 50)
    hamlet.clock.advance(25 * 3600)
    hamlet.write(transfers.settle_due)
    found = hamlet.store.read_now(lambda read: risks.found(read, LIUHE))
    assert [each.kind for each in found] == ["ring"]
    held = hamlet.store.read_now(lambda read: ledger.held(read, ["person-r-wang"]))["person-r-wang"]
    assert (held.balance, held.earned) == (60, 60)
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [("a", "b", "c")]


def test_10_a_hundred_retries_are_one_posting(hamlet: Hamlet) -> None:
    made = hamlet.declare()
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), made.id))
    director = hamlet.staff("s-director")
    for _n in range(100):
        assert hamlet.write(lambda tx: claims.approve(tx, director, made.id)).state == "posted"
    assert (hamlet.balance(), hamlet.txns("award")) == (5, 1)


def _txn(read: Read, ident: str) -> Txn:
    return read.session.get_one(Txn, ident)


def test_11_the_thirty_first_day_is_too_late_and_an_old_act_has_its_old_worth(
    hamlet: Hamlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="more than 30 days old"):
        hamlet.declare(day=TODAY - timedelta(days=31))
    with pytest.raises(Refused, match="not for a day to come"):
        hamlet.declare(day=TODAY + timedelta(days=1))
    text = (Path(catalogue.__file__).parent / "catalogue" / "jingmen-46.toml").read_text(encoding="utf-8")
    lower = text.replace("points = 12\nhours = 1", "points = 8\nhours = 1").replace("2016-01-01", "2026-11-01")
    both = (catalogue.parse(text), catalogue.parse(lower.replace('"jingmen-46@1"', '"jingmen-46@2"')))
    monkeypatch.setattr(catalogue, "versions", lambda: both)
    days = ((date(2026, 10, 31), 24, "jingmen-46@1"), (date(2026, 11, 1), 16, "jingmen-46@2"))
    for day, worth, version in days:
        made = hamlet.sign(hamlet.declare(item="B02", hours=hours(2), day=day).id, "GS")
        entry = hamlet.store.read_now(partial(_txn, ident=made.txn or ""))
        assert (made.points, entry.item, entry.catalogue, entry.act_date) == (worth, "B02", version, day)
    assert hamlet.balance() == 40


def test_14_what_was_done_in_somebodys_name_is_told_and_disputed_for_seven_days(hamlet: Hamlet) -> None:
    def agent(tx: Tx) -> str:
        spent = ledger.house_account(tx, "redeem", LIUHE, "Asia/Shanghai")
        return ledger.post(tx, account(tx, "person", "r-wang"), spent, 5, "relative:1", Why("redeem")).txn

    hamlet.grant(9)
    txn = hamlet.write(agent, Actor("staff:s-staff", on_behalf_of="r-wang"))
    hamlet.clock.advance(6 * 86400)
    made = hamlet.write(lambda tx: publicity.object_to_entry(tx, hamlet.resident("r-wang"), txn, "不是我要的"))
    assert made.state == "open"
    hamlet.write(lambda tx: publicity.answer(tx, hamlet.staff("s-monitor"), made.id, "属实", upheld=True))
    hamlet.write(lambda tx: ledger.reverse(tx, txn, "属实", hamlet.staff("s-director")))
    assert hamlet.balance() == 9
    late = hamlet.write(agent_again, Actor("staff:s-staff", on_behalf_of="r-wang"))
    hamlet.clock.advance(8 * 86400)
    with pytest.raises(Conflict, match="time to object has passed: 7 days"):
        hamlet.write(lambda tx: publicity.object_to_entry(tx, hamlet.resident("r-wang"), late, "不是我要的"))


def agent_again(tx: Tx) -> str:
    spent = ledger.house_account(tx, "redeem", LIUHE, "Asia/Shanghai")
    return ledger.post(tx, account(tx, "person", "r-wang"), spent, 5, "relative:2", Why("redeem")).txn


FILE = "账户,项目,日期,说明,小时\nLH-000001,C03,2026-11-20,扫楼道,\nLH-000003,B02,2026/11/20,陪老人看病,2\n".encode()


def test_15_a_file_taken_twice_is_taken_once_and_a_dry_run_keeps_nothing(hamlet: Hamlet) -> None:
    grid = hamlet.staff("s-grid")
    with pytest.raises(claim_import.Undone) as dry:
        hamlet.write(lambda tx: claim_import.take(tx, grid, LIUHE, FILE, dry=True))
    assert (dry.value.outcome.taken, dry.value.outcome.problems) == (2, [])
    first = hamlet.write(lambda tx: claim_import.take(tx, grid, LIUHE, FILE))
    again = hamlet.write(lambda tx: claim_import.take(tx, grid, LIUHE, FILE))
    assert [(each.taken, each.known) for each in (first, again)] == [(2, 0), (0, 2)]


def test_15_a_file_with_wrong_lines_takes_nothing_and_names_them(hamlet: Hamlet) -> None:
    grid = hamlet.staff("s-grid")
    bad = FILE + "XX-9,C03,2026-11-20,无此人,\nLH-000004,Z99,2026-11-20,无此项,\nLH-000004,C03,昨天,日期,\n".encode()
    with pytest.raises(claim_import.Undone) as undone:
        hamlet.write(lambda tx: claim_import.take(tx, grid, LIUHE, bad))
    said = [(each.line, each.why.split(" ")[0]) for each in undone.value.outcome.problems]
    assert said == [(4, "Nobody"), (5, "There"), (6, "The")]
    assert hamlet.write(lambda tx: claim_import.take(tx, grid, LIUHE, FILE)).taken == 2
    with pytest.raises(Refused, match="first line must name the columns"):
        claim_import.lines(b"a,b\n1,2\n")


def reminded(hamlet: Hamlet, item: str = "D07") -> None:
    found = catalogue.on(TODAY).item(item)
    for _n in range(2):
        hamlet.write(lambda tx: deductions.remind(tx, hamlet.staff("s-grid"), "person", "r-wang", found))
        hamlet.clock.advance(86400)


def today(hamlet: Hamlet) -> date:
    return hamlet.clock.now().date()


def test_16_whoever_was_complained_about_judges_nothing_and_a_supervisor_looks_first(hamlet: Hamlet) -> None:
    mine = hamlet.sign(hamlet.declare().id, "GS")
    hamlet.write(lambda tx: publicity.object_to_entry(tx, hamlet.resident("r-wang"), mine.txn or "", "少记了"))
    reminded(hamlet)
    made = hamlet.declare("s-director", item="D07", day=today(hamlet))
    assert made.forced
    with pytest.raises(NotAllowed, match="Your role does not cover this"):
        hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-second"), made.id))
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-monitor"), made.id))
    with pytest.raises(NotAllowed, match="complained about you within 30 days"):
        hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-staff"), made.id))


def test_a_deduction_waits_for_reminders_three_people_and_fifteen_days_and_never_goes_below_zero(
    hamlet: Hamlet,
) -> None:
    with pytest.raises(Conflict, match="Two written reminders come first; 0"):
        hamlet.declare("s-second", item="D07")
    with pytest.raises(NotAllowed, match="Only the community proposes"):
        hamlet.declare(item="D08", number="1")
    hamlet.grant(3)
    reminded(hamlet)
    made = hamlet.declare("s-second", item="D07", day=today(hamlet))
    done = hamlet.sign(made.id, "GSM")
    assert (done.state, hamlet.balance()) == ("announced", 3)
    hamlet.later(days=14)
    assert hamlet.balance() == 3
    hamlet.later(days=2)
    assert (hamlet.claim(made.id).state, hamlet.claim(made.id).points, hamlet.balance()) == ("settled", -3, 0)


def test_an_appeal_stops_a_deduction_and_hours_worked_meanwhile_make_good(hamlet: Hamlet) -> None:
    hamlet.grant(30)
    reminded(hamlet)
    made = hamlet.declare("s-second", item="D07", day=today(hamlet))
    hamlet.sign(made.id, "GSM")
    said = hamlet.write(lambda tx: publicity.object_to_claim(tx, hamlet.resident("r-wang"), made.id, "不是我家的"))
    hamlet.later(days=20)
    assert hamlet.claim(made.id).state == "objected"
    worked = hamlet.declare(item="C03", day=today(hamlet))
    hamlet.sign(worked.id, "GS")
    monitor = hamlet.staff("s-office")
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: publicity.answer(tx, monitor, said.id, "属实", upheld=False))
    other = hamlet.staff("s-monitor")
    with pytest.raises(NotAllowed, match="no part"):
        hamlet.write(lambda tx: publicity.answer(tx, other, said.id, "属实", upheld=False))
    hamlet.write(lambda tx: publicity.answer(tx, hamlet.staff("s-watch"), said.id, "查实", upheld=False))
    hamlet.later(minutes=1)
    assert (hamlet.claim(made.id).state, hamlet.claim(made.id).points, hamlet.balance()) == ("settled", 0, 35)


def test_a_false_claim_is_taken_back_with_twenty_points_even_below_zero(hamlet: Hamlet) -> None:
    false = hamlet.sign(hamlet.declare().id, "GS")
    made = hamlet.declare("s-second", item="D10", about=false.txn or "", number="调查 1")
    hamlet.sign(made.id, "GSM")
    hamlet.later(days=16)
    assert (hamlet.balance(), hamlet.claim(false.id).state) == (-20, "reversed")


def test_limits_of_transfers_and_no_organisation_pays_a_person(hamlet: Hamlet) -> None:
    hamlet.grant(500)
    with pytest.raises(Conflict, match="At most 200 points a month"):
        send(hamlet, "r-wang", "r-zhao", 201)
    send(hamlet, "r-wang", "r-zhao", 150)
    with pytest.raises(Conflict, match="At most 200"):
        send(hamlet, "r-wang", "r-xu", 51)
    first = send(hamlet, "r-wang", "r-xu", 10)
    with pytest.raises(Conflict, match="at most 2 neighbours"):
        send(hamlet, "r-wang", "r-lin", 10)
    assert hamlet.balance() == 340
    assert hamlet.write(lambda tx: transfers.cancel(tx, hamlet.resident("r-wang"), first)).state == "cancelled"
    assert hamlet.balance() == 350
    club, zhao = owner(hamlet, "organisation", "o-club"), owner(hamlet, "person", "r-zhao")
    with pytest.raises(NotAllowed, match="An organisation pays no person"):
        hamlet.write(lambda tx: transfers.send(tx, hamlet.staff("s-staff"), club, zhao, 5, once="o" * 32))
    hamlet.write(
        lambda tx: transfers.send(
            tx, hamlet.resident("r-wang"), owner(hamlet, "person", "r-wang"), None, 300, once="p" * 32
        )
    )
    hamlet.clock.advance(25 * 3600)
    hamlet.write(transfers.settle_due)
    assert (hamlet.balance(), hamlet.balance("person-r-zhao"), hamlet.balance(f"pool-{LIUHE}-2026")) == (50, 150, 300)
    with pytest.raises(Conflict, match="arrived already"):
        hamlet.write(lambda tx: transfers.cancel(tx, hamlet.resident("r-wang"), "r-wang-r-zhao-150".ljust(32, "x")))


def test_never_a_point_for_health_data_consent_or_a_hut_visit() -> None:
    heard = {kind for kind, _listener in points.MODULE.listeners}
    assert heard == {ActivityPublished, SheetSubmitted, SheetApproved, PointsPosted}
    forbidden = (
        "健康",
        "测量",
        "血压",
        "血糖",
        "体检",
        "小屋",
        "同意",
        "授权",
        "health",
        "measure",
        "blood pressure",
        "hut",
        "consent",
    )
    for book in catalogue.versions():
        for item in book.items.values():
            said = f"{item.zh} {item.en}".lower()
            assert not [each for each in forbidden if each in said], item.code
    assert activities.MODULE.listeners == ()


def test_credits_of_a_batch_are_all_or_nothing(hamlet: Hamlet) -> None:
    rows = [Award("person", each, "B01", hours(1), TODAY, f"batch:{each}") for each in ("r-wang", "r-zhao", "nobody")]
    with pytest.raises(Exception, match="no such resident"):
        hamlet.write(lambda tx: award.credit(tx, rows, Signed(verifier="s-staff", approver="s-director")))
    assert hamlet.txns("award") == 0
    assert hamlet.write(issue)

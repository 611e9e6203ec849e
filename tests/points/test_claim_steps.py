"""A claim's way: declared, verified, approved, published, credited; sent back, objected to, refused, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.civic.points import claim_rules, claims, docket, ledger, photos, publicity
from hub.civic.points.catalogue import versions
from hub.errors import Conflict, NotAllowed, NotFound, Refused, StillMissing
from hub.i18n import speaking
from tests.points.claimants import TODAY, Hamlet, a_hamlet, heard, hours, picture


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with speaking("en"), a_hamlet(tmp_path) as made:
        yield made


def test_two_people_sign_and_a_small_act_is_credited_at_once(hamlet: Hamlet) -> None:
    made = hamlet.declare()
    assert (made.state, made.points) == ("claimed", 5)
    done = hamlet.sign(made.id, "GS")
    assert (done.state, hamlet.balance()) == ("posted", 5)
    entry = hamlet.store.read_now(lambda read: ledger.receipts(read, [f"claim:{made.id}"]))
    assert entry[f"claim:{made.id}"].txn == done.txn


def test_approving_before_verifying_names_what_is_missing(hamlet: Hamlet) -> None:
    made = hamlet.declare()
    with pytest.raises(StillMissing, match="verified first"):
        hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-director"), made.id))


def test_fifty_points_are_published_for_three_days_with_a_masked_name(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="B06", number="献血证 1")
    hamlet.sign(made.id, "GS")
    assert hamlet.balance() == 0
    listed = hamlet.store.read_now(lambda read: publicity.published(read, made.area))
    assert [(each.name, each.place, each.points) for each in listed] == [("王**", "Building 1", 50)]
    hamlet.later(days=2, hours=23)
    assert hamlet.claim(made.id).state == "public"
    hamlet.later(hours=2)
    assert (hamlet.claim(made.id).state, hamlet.balance()) == ("posted", 50)


def test_a_hundred_points_or_a_d_item_take_a_third_signature() -> None:
    items = versions()[-1].items
    for item in items.values():
        worth = 120 if item.code == "A10" else item.points
        parts = claim_rules.parts(item, worth)
        assert len(set(parts)) == len(parts)
        if item.category == "D" or worth >= 100:
            assert len(parts) >= 3, item.code
            assert "M" in parts
        elif item.approvers not in (("A",), ("G",)):
            assert parts == item.approvers


def test_a_courage_award_waits_for_three_signatures_and_the_neighbours(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="D04", number="确认 7")
    first = hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), made.id))
    assert first.state == "verified"
    second = hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-monitor"), made.id))
    assert second.state == "approved"
    third = hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-office"), made.id))
    assert third.state == "public"
    hamlet.later(days=4)
    assert hamlet.balance() == 200


def test_what_is_sent_back_loses_its_signatures_and_comes_again(hamlet: Hamlet) -> None:
    made = hamlet.declare(pictures=("clean.jpg",))
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), made.id))
    with pytest.raises(Refused, match="reason"):
        hamlet.write(lambda tx: claims.send_back(tx, hamlet.staff("s-director"), made.id, " "))
    back = hamlet.write(lambda tx: claims.send_back(tx, hamlet.staff("s-director"), made.id, "缺少地点"))
    assert (back.state, back.why) == ("returned", "缺少地点")
    draft = claims.Draft("person", "r-wang", "C03", TODAY, "扫了楼道", place="1栋")
    again = hamlet.write(lambda tx: claims.amend(tx, hamlet.resident("r-wang"), made.id, draft))
    assert (again.state, again.held, again.place) == ("claimed", "", "1栋")
    assert len(hamlet.store.read_now(lambda read: photos.shown(read, again.id))) == 1
    assert hamlet.sign(again.id, "GS").state == "posted"


def test_a_neighbours_objection_holds_the_credit_until_it_is_answered(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="B06", number="2")
    hamlet.sign(made.id, "GS")
    with pytest.raises(NotAllowed, match="this community"):
        hamlet.write(lambda tx: publicity.object_to_claim(tx, hamlet.resident("r-ty"), made.id, "不是"))
    said = hamlet.write(lambda tx: publicity.object_to_claim(tx, hamlet.resident("r-zhao"), made.id, "那天她不在"))
    hamlet.later(days=5)
    assert (hamlet.claim(made.id).state, hamlet.balance()) == ("objected", 0)
    with pytest.raises(NotAllowed, match="no part in it"):
        hamlet.write(lambda tx: publicity.answer(tx, hamlet.staff("s-director"), said.id, "查过", upheld=False))
    hamlet.write(lambda tx: publicity.answer(tx, hamlet.staff("s-monitor"), said.id, "证件已看", upheld=False))
    told = [(each["resident"], each["title"], each["text"]) for each in heard(hamlet)]
    assert ("r-zhao", "您提出的异议已答复", "答复：证件已看") in told  # whoever objected reads the answer
    hamlet.later(minutes=1)
    assert hamlet.balance() == 50


def test_an_objection_that_is_right_ends_the_claim(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="B06", number="3")
    hamlet.sign(made.id, "GS")
    said = hamlet.write(lambda tx: publicity.object_to_claim(tx, hamlet.resident("r-zhao"), made.id, "那天她不在"))
    hamlet.write(lambda tx: publicity.answer(tx, hamlet.staff("s-monitor"), said.id, "属实", upheld=True))
    assert hamlet.claim(made.id).state == "refused"
    hamlet.later(days=9)
    assert hamlet.balance() == 0


def test_supervisors_may_veto_what_is_on_notice_and_the_desk_may_not(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="B06", number="4")
    hamlet.sign(made.id, "GS")
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: claims.refuse(tx, hamlet.staff("s-director"), made.id, "不行"))
    assert hamlet.write(lambda tx: claims.refuse(tx, hamlet.staff("s-monitor"), made.id, "证据不足")).state == "refused"


def test_a_reversal_says_so_on_the_claim(hamlet: Hamlet) -> None:
    made = hamlet.sign(hamlet.declare().id, "GS")
    for who in ("s-staff", "s-director"):
        hamlet.write(lambda tx, who=who: ledger.reverse(tx, made.txn or "", "重复", hamlet.staff(who)))
    assert (hamlet.claim(made.id).state, hamlet.balance()) == ("reversed", 0)


def test_a_claim_of_the_thirtieth_day_is_not_too_old_when_the_last_signature_comes(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="B06", number="5", day=TODAY - timedelta(days=30))
    hamlet.later(days=10)
    hamlet.sign(made.id, "GS")
    hamlet.later(days=4)
    assert hamlet.balance() == 50


def test_a_childs_act_is_claimed_for_the_household(hamlet: Hamlet) -> None:
    made = hamlet.declare("r-lin", item="B02", owner="r-boy", hours=hours(1))
    assert (made.owner_kind, made.owner, made.of_minor) == ("household", "h-lin", True)
    hamlet.sign(made.id, "GS")
    assert hamlet.balance("household-h-lin") == 12


def test_nobody_claims_for_a_neighbour_and_nobody_sees_a_neighbours_claim(hamlet: Hamlet) -> None:
    with pytest.raises(NotAllowed):
        hamlet.declare("r-zhao")
    made = hamlet.declare()
    with pytest.raises(NotFound):
        hamlet.write(lambda tx: claims.withdraw(tx, hamlet.resident("r-zhao"), made.id))
    mine = hamlet.store.read_now(lambda read: docket.mine(read, "r-zhao", "h-zhao"))
    assert mine == []


def test_a_withdrawn_act_may_be_claimed_anew(hamlet: Hamlet) -> None:
    made = hamlet.declare()
    hamlet.write(lambda tx: claims.withdraw(tx, hamlet.resident("r-wang"), made.id))
    assert hamlet.declare().state == "claimed"


def test_a_photo_is_sealed_and_goes_ninety_days_after_the_claim_is_settled(hamlet: Hamlet) -> None:
    made = hamlet.sign(hamlet.declare(pictures=("clean.jpg",)).id, "GS")
    ((ident, kept),) = hamlet.store.read_now(lambda read: photos.shown(read, made.id))
    assert kept
    kind, body = hamlet.store.read_now(lambda read: photos.body(read, made.id, ident))
    assert (kind, body) == ("image/jpeg", picture("clean.jpg").body)
    raw = hamlet.store.engine.raw_connection()
    sealed = raw.cursor().execute("SELECT body FROM points_photo").fetchone()[0]
    raw.close()
    assert b"\xff\xd8\xff" not in bytes(sealed)
    hamlet.clock.advance(91 * 86400)
    hamlet.write(lambda tx: photos.purge(tx, tx.now()))
    with pytest.raises(NotFound):
        hamlet.store.read_now(lambda read: photos.body(read, made.id, ident))


def test_an_old_photo_still_holds_a_new_claim_when_the_picture_is_gone(hamlet: Hamlet) -> None:
    hamlet.sign(hamlet.declare(pictures=("clean.jpg",)).id, "GS")
    hamlet.clock.advance(91 * 86400)
    hamlet.write(lambda tx: photos.purge(tx, tx.now()))
    again = hamlet.declare(pictures=("clean.jpg",), day=TODAY + timedelta(days=91))
    assert again.held


def test_an_agents_claim_names_both_and_tells_the_owner(hamlet: Hamlet) -> None:
    made = hamlet.declare("s-grid", owner="r-zhao")
    assert (made.by_staff, made.declared_by) == (True, "s-grid")
    said = hamlet.store.read_now(
        lambda read: read.session.connection().exec_driver_sql("SELECT count(*) FROM audit WHERE subject = 'r-zhao'")
    ).scalar()
    assert said == 1


def test_an_owner_objects_to_what_was_declared_in_the_own_name_and_it_goes_on_where_it_stood(hamlet: Hamlet) -> None:
    made = hamlet.declare("s-grid", owner="r-zhao")
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), made.id))
    said = hamlet.write(lambda tx: publicity.object_to_claim(tx, hamlet.resident("r-zhao"), made.id, "不是我做的"))
    with pytest.raises(Conflict, match="does not wait for a signature"):
        hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-director"), made.id))
    hamlet.write(lambda tx: publicity.answer(tx, hamlet.staff("s-monitor"), said.id, "核实无误", upheld=False))
    assert hamlet.claim(made.id).state == "verified"
    hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-director"), made.id))
    again = hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), made.id))
    assert (again.state, hamlet.balance("person-r-zhao")) == ("posted", 5)


@given(
    points=st.integers(-20, -1), balance=st.integers(-50, 500), left=st.one_of(st.none(), st.integers(0, 20)),
    worked=st.integers(0, 60),
)  # fmt: skip
def test_a_deduction_takes_no_more_than_is_due_than_is_left_and_than_there_is(
    points: int, balance: int, left: int | None, worked: int
) -> None:
    taken = claim_rules.deducted(points, balance=balance, left_in_month=left, worked_off=worked)
    assert 0 <= taken <= max(0, -points - worked)
    assert taken <= max(0, balance)
    assert left is None or taken <= left

"""Who acts for an organisation: entered by the desk, told, on record; earns and spends for it, and signs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.access import Subject
from hub.civic.points import (
    beneficiary,
    budget,
    claims,
    counter,
    docket,
    keepers,
    mall_pages,
    publicity,
    rewards,
    shelf,
    teams,
    transfers,
)
from hub.civic.points.shelf import New
from hub.db import Tx
from hub.errors import Conflict, NotAllowed, NotFound, NotSigned, Refused
from tests.points.claimants import TODAY, Hamlet, a_hamlet, heard
from tests.world import LIUHE, TAYING

CLUB = "organisation-o-club"


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with a_hamlet(tmp_path) as made:
        yield made


def enter(hamlet: Hamlet, resident: str = "r-wang", role: str = "keeper", by: str = "s-staff") -> Any:
    who = hamlet.staff(by)
    return hamlet.write(lambda tx: teams.enter(tx, who, "o-club", resident, role))


def clean_up(hamlet: Hamlet, by: str = "r-wang", number: str = "1") -> claims.Claim:
    return hamlet.declare(
        by, item="C11", owner_kind="organisation", owner="o-club", day=TODAY, words="共建服务日", number=number
    )


def earned(hamlet: Hamlet, times: int = 1) -> None:
    for number in range(times):
        hamlet.sign(clean_up(hamlet, number=f"GJ-{number}").id, "GS")


def test_the_desk_enters_a_keeper_who_is_told_and_stands_in_the_record(hamlet: Hamlet) -> None:
    assert enter(hamlet).role == "keeper"
    assert enter(hamlet).id == enter(hamlet).id  # again: the same entry
    (told,) = heard(hamlet)
    assert (told["resident"], told["title"]) == ("r-wang", "您已登记为浏河腰鼓队的经办人")
    assert [(each["organisation"], each["role"]) for each in heard(hamlet, "KeeperSet")] == [("o-club", "keeper")]
    assert enter(hamlet, role="contact").role == "contact"
    assert [each.role for each in hamlet.store.read_now(lambda read: keepers.of_person(read, "r-wang"))] == ["contact"]


def test_nobody_enters_themselves_their_home_a_child_or_next_door(hamlet: Hamlet) -> None:
    wang = hamlet.resident("r-wang")
    staff = hamlet.staff("s-staff")
    kin = Subject(**{**_fields(staff), "household": wang.household})
    with pytest.raises(NotAllowed, match="本人或本户"):
        hamlet.write(lambda tx: teams.enter(tx, kin, "o-club", "r-wang", "keeper"))
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: teams.enter(tx, wang, "o-club", "r-wang", "keeper"))
    with pytest.raises(NotAllowed):
        enter(hamlet, by="s-taying")
    with pytest.raises(Refused, match="成年人"):
        enter(hamlet, "r-boy")


def test_what_a_keeper_declares_is_the_organisations_and_both_its_people_are_told(hamlet: Hamlet) -> None:
    enter(hamlet)
    enter(hamlet, "r-zhao", "contact")
    made = clean_up(hamlet, "r-zhao")
    assert (made.owner, made.by_staff, made.declared_by) == ("o-club", False, "r-zhao")
    hamlet.sign(made.id, "GS")
    assert hamlet.balance(CLUB) == 30
    credited = [each for each in heard(hamlet) if each["title"] == "浏河腰鼓队：积分到账 +30"]
    assert [each["resident"] for each in credited] == ["r-wang", "r-zhao"]
    mine = hamlet.store.read_now(lambda read: [each.id for each in docket.mine(read, "r-wang", "h-wang")])
    assert mine == [made.id]
    with pytest.raises(NotAllowed):
        clean_up(hamlet, "r-xu", number="2")


def test_whoever_acts_for_it_signs_nothing_for_it_nor_does_their_home(hamlet: Hamlet) -> None:
    enter(hamlet)
    made = clean_up(hamlet)
    wang, staff = hamlet.resident("r-wang"), hamlet.staff("s-staff")
    for change in ({"person": "r-wang"}, {"household": wang.household}):
        by = Subject(**{**_fields(staff), **change})
        with pytest.raises(NotSigned, match="本人或本户"):
            hamlet.write(lambda tx, by=by: claims.verify(tx, by, made.id))
        with pytest.raises(NotAllowed):
            hamlet.write(lambda tx, by=by: claims.refuse(tx, by, made.id, "不行"))


def test_a_keeper_gives_to_the_pool_and_to_no_person_and_a_contact_gives_nothing(hamlet: Hamlet) -> None:
    enter(hamlet)
    enter(hamlet, "r-zhao", "contact")
    earned(hamlet)
    wang, zhao = hamlet.resident("r-wang"), hamlet.resident("r-zhao")

    def give(by: Subject, once: str, to: str = "") -> Any:
        def work(tx: Tx) -> Any:
            club = beneficiary.one(tx, "organisation", "o-club")
            return transfers.send(tx, by, club, beneficiary.one(tx, "person", to) if to else None, 10, once=once)

        return hamlet.write(work)

    with pytest.raises(NotAllowed, match="不能转给个人"):
        give(wang, "a" * 32, "r-zhao")
    with pytest.raises(NotAllowed):
        give(zhao, "b" * 32)
    made = give(wang, "c" * 32)
    assert hamlet.balance(CLUB) == 20
    with pytest.raises(NotFound):
        hamlet.write(lambda tx: transfers.cancel(tx, zhao, made.id))
    hamlet.write(lambda tx: transfers.cancel(tx, wang, made.id))
    assert hamlet.balance(CLUB) == 30


def test_a_keeper_redeems_what_is_open_to_organisations_and_no_more(hamlet: Hamlet) -> None:
    enter(hamlet)
    earned(hamlet, 2)
    wang = hamlet.resident("r-wang")

    def stock(tx: Tx) -> tuple[str, str]:
        room = shelf.add(tx, LIUHE, New("service", "活动场地半天", "A room", 20, organisations=True))
        return room.id, shelf.add(tx, LIUHE, New("goods", "大米", "Rice", 20)).id

    room, rice = hamlet.write(stock)
    with pytest.raises(NotAllowed, match="单位"):
        hamlet.write(lambda tx: mall_pages._redeem(tx, wang, CLUB, rice, "rd-rice", None))
    made = hamlet.write(lambda tx: mall_pages._redeem(tx, wang, CLUB, room, "rd-room", None))
    assert (made.account, made.resident, hamlet.balance(CLUB)) == (CLUB, "r-wang", 40)
    by = Subject(**{**_fields(hamlet.staff("s-staff")), "person": "r-wang"})
    with pytest.raises(NotSigned, match="自己家"):
        hamlet.write(lambda tx: rewards.pick_up(tx, LIUHE, made.code, by))
    assert hamlet.write(lambda tx: rewards.pick_up(tx, LIUHE, made.code, hamlet.staff("s-staff"))).state == "picked"
    with pytest.raises(NotFound):
        hamlet.write(lambda tx: counter.dispute(tx, hamlet.resident("r-xu"), made.id, "不是我"))
    assert hamlet.write(lambda tx: counter.dispute(tx, wang, made.id, "不是我们")).disputed_at is not None


def test_whoever_acts_no_more_sees_and_does_nothing(hamlet: Hamlet) -> None:
    made = enter(hamlet)
    wang = hamlet.resident("r-wang")
    key = "r-wang.o-club"
    assert hamlet.store.read_now(lambda read: teams.account(read, key))["known"]
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: teams.leave(tx, hamlet.staff("s-taying"), made.id))
    hamlet.write(lambda tx: teams.leave(tx, hamlet.staff("s-staff"), made.id))
    assert heard(hamlet)[-1]["title"] == "您不再是浏河腰鼓队的经办人"
    assert hamlet.store.read_now(lambda read: teams.account(read, key)) == {"known": False}
    with pytest.raises(NotFound):
        hamlet.store.read_now(lambda read: teams.must_act(read, wang, "o-club"))
    with pytest.raises(NotAllowed):
        clean_up(hamlet)
    enter(hamlet)
    again = hamlet.store.read_now(lambda read: keepers.standing(read, "o-club"))[0]
    hamlet.write(lambda tx: teams.leave(tx, wang, again.id))  # of one's own will, too
    assert hamlet.store.read_now(lambda read: keepers.standing(read, "o-club")) == []


def test_whoever_acts_for_it_objects_to_its_entries_and_claims_and_nobody_else_does(hamlet: Hamlet) -> None:
    made = enter(hamlet)
    claim = clean_up(hamlet, by="s-grid")
    paid = hamlet.sign(claim.id, "GS")
    wang, zhao = hamlet.resident("r-wang"), hamlet.resident("r-zhao")
    with pytest.raises(NotFound, match="没有这笔明细"):
        hamlet.write(lambda tx: publicity.object_to_entry(tx, zhao, paid.txn or "", "不是我们"))
    with pytest.raises(Conflict, match="现在不能提出异议"):
        hamlet.write(lambda tx: publicity.object_to_claim(tx, zhao, paid.id, "不是他们"))
    said = hamlet.write(lambda tx: publicity.object_to_entry(tx, wang, paid.txn or "", "我们没有参加"))
    assert (said.by, said.state) == ("r-wang", "open")
    assert hamlet.write(lambda tx: publicity.object_to_claim(tx, wang, paid.id, "我们没有参加")).state == "open"
    hamlet.write(lambda tx: teams.leave(tx, hamlet.staff("s-staff"), made.id))
    with pytest.raises(NotFound):
        hamlet.write(lambda tx: publicity.object_to_entry(tx, wang, paid.txn or "", "我们没有参加"))


def test_four_people_are_enough(hamlet: Hamlet) -> None:
    for person in ("r-wang", "r-lin", "r-zhao", "r-xu"):
        enter(hamlet, person)
    with pytest.raises(Conflict, match="最多 4"):
        enter(hamlet, "r-ty")


def test_what_the_year_s_money_does_not_reach_for_is_shut_and_the_rest_stays_open(hamlet: Hamlet) -> None:
    def stock(tx: Tx) -> None:
        for new in (
            New("goods", "油", "Oil", 1_000, fen=5_000), New("goods", "纸", "Tissues", 60, fen=300),
            New("service", "理发", "Haircut", 80),
        ):  # fmt: skip
            shelf.add(tx, TAYING, new)
        for signer in ("s-taying", "s-office", "s-monitor"):
            budget.grant(tx, TAYING, 2026, 20, hamlet.staff(signer))  # thirty yuan

    hamlet.write(stock)
    seen = hamlet.store.read_now(lambda read: mall_pages.shown(read, TAYING, {}))
    shut = {item["name"]: item["unpaid"] for _name, items in seen for item in items}
    assert shut == {"油": True, "纸": False, "理发": False}


def _fields(who: Subject) -> dict[str, Any]:
    return {name: getattr(who, name) for name in who.__slots__}

"""Doors to call at: asked for once, walked in order, recorded once whatever the line does, over when nobody need go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import NoResultFound
from sqlmodel import select

from hub import reach
from hub.access import declarations
from hub.audit import AuditRow
from hub.civic.visits import book, cards, doors, knocks, office, pages, rules
from hub.civic.visits.knocks import Said
from hub.db import Tx
from hub.directory import Household, Staff
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import NoticeEnded, NoticeReleased, NoticeSeen
from hub.i18n import speaking
from tests.visits.street import Street, open_street
from tests.world import LIUHE


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    made = open_street(tmp_path)
    with speaking("en"):
        yield made
    made.store.close()


def order(street: Street, worker: str, *, by_risk: bool) -> list[str]:
    with speaking("zh"):
        found = street.store.read_now(lambda read: doors.of_worker(read, worker, by_risk=by_risk))
    return [door.address for door in found]


def test_the_same_door_asked_for_twice_is_one_visit_for_one_person_more(street: Street) -> None:
    first = street.want("h-su", "r-su")
    again = street.want("h-su", "r-su2")
    assert (first.id, again.whom, again.worker) == (first.id, " r-su r-su2 ", "s-feng")
    assert first.id == again.id
    assert street.want("h-su", None).whom == again.whom


def test_what_is_asked_for_after_the_end_is_not_opened(street: Street) -> None:
    with pytest.raises(NoResultFound):
        street.want("h-he", expires=street.clock.now())


def test_a_round_is_walked_by_risk_or_along_the_way(street: Street) -> None:
    for home in ("h-tan", "h-su", "h-he"):
        street.want(home)
    low, high, other = (f"2栋, stair {door}" for door in ("1, flat 101", "1, flat 1001", "2, flat 201"))
    assert order(street, "s-feng", by_risk=True) == [low, high, other]
    street.store.write_now(lambda tx: _tag(tx, "h-tan", " disabled "))
    assert order(street, "s-feng", by_risk=True) == [low, other, high]
    assert order(street, "s-feng", by_risk=False) == [low, high, other]
    assert order(street, "s-grid", by_risk=True) == []


def _tag(tx: object, household: str, tags: str) -> None:
    home = tx.session.get(Household, household)  # type: ignore[attr-defined]
    home.tags = tags
    tx.session.add(home)  # type: ignore[attr-defined]


def test_whoever_is_met_has_acknowledged_and_the_visit_is_over(street: Street) -> None:
    visit = street.want("h-he", "r-he")
    at = street.clock.now()
    street.later(minutes=2)
    knock = street.knock(visit, "met", "r-he", at=at)
    assert (knock.stands, knock.late, knock.at) == (True, False, at)
    assert street.best("r-he") == "acknowledged"
    over = street.visit(visit.id)
    assert (over.state, over.result) == ("done", "met")


def test_taken_by_the_family_is_delivered_to_her_and_acknowledged_by_whoever_took_it(street: Street) -> None:
    visit = street.want("h-su", "r-su")
    with pytest.raises(Refused, match="taken by the family"):
        street.knock(visit, "met", "r-su2")
    with pytest.raises(Refused, match="another one"):
        street.knock(visit, "family", "r-su")
    street.knock(visit, "family", "r-su2")
    assert (street.best("r-su"), street.best("r-su2")) == ("delivered", "acknowledged")


def test_who_refuses_or_has_moved_has_acknowledged_nothing(street: Street) -> None:
    for home, result in (("h-he", "refused"), ("h-tan", "moved")):
        visit = street.want(home)
        street.knock(visit, result)
        assert street.visit(visit.id).state == "done"
    assert {street.best("r-he"), street.best("r-tan")} == {""}


def test_nobody_at_home_is_tried_at_another_time_of_the_day_and_then_the_desk_decides(street: Street) -> None:
    visit = street.want("h-he")  # 09:00 in Jingmen
    hours = []
    for _try in range(2):
        street.knock(visit, "absent")
        again = street.visit(visit.id).again_at
        assert again is not None
        assert street.visit(visit.id).state == "open"
        hours.append(again.astimezone(UTC).hour + 8)
        street.clock.set(again + timedelta(minutes=5))
    assert hours == [14, 18]
    street.knock(visit, "absent")
    assert (street.visit(visit.id).state, street.visit(visit.id).tries) == ("desk", 3)
    assert order(street, "s-feng", by_risk=True) == []
    desk = street.who("s-staff")
    given = street.store.write_now(lambda tx: book.hand_over(tx, desk, visit.id, "s-luo"))
    assert (given.state, given.tries, given.worker) == ("open", 0, "s-luo")


@pytest.mark.parametrize(("priority", "minutes"), [("emergency", 15), ("urgent", 45)])
def test_what_presses_is_tried_again_soon(street: Street, priority: str, minutes: int) -> None:
    visit = street.want("h-he", priority=priority)
    street.knock(visit, "absent")
    assert street.visit(visit.id).again_at == street.clock.now() + timedelta(minutes=minutes)
    assert visit.due == street.clock.now() + rules.manners().due[priority]


def test_a_result_sent_twice_is_recorded_once(street: Street) -> None:
    visit = street.want("h-he")
    first = street.knock(visit, "absent", key="one")
    again = street.knock(visit, "absent", key="one")
    assert (again.id, len(street.knocks(visit)), street.visit(visit.id).tries) == (first.id, 1, 1)
    with pytest.raises(Refused, match="sent before"):
        street.knock(visit, "moved", key="one")


def test_a_later_result_is_kept_beside_the_one_that_stands(street: Street) -> None:
    visit = street.want("h-he")
    street.knock(visit, "met", "r-he")
    second = street.knock(visit, "refused")
    assert (second.stands, second.why, street.visit(visit.id).result) == (False, "done", "met")
    told = street.store.read_now(lambda read: knocks.tell(read, second, "k"))
    assert told.state == "conflict"


def test_a_result_reported_later_keeps_its_own_time_and_says_so(street: Street) -> None:
    visit = street.want("h-he")
    at = street.later(minutes=10)
    street.later(hours=2)
    knock = street.knock(visit, "met", "r-he", at=at)
    assert (knock.late, knock.at, knock.received_at) == (True, at, at + timedelta(hours=2))


@pytest.mark.parametrize("wrong", [timedelta(minutes=-30), timedelta(minutes=30)])
def test_a_phone_with_a_wrong_clock_is_not_believed(street: Street, wrong: timedelta) -> None:
    visit = street.want("h-he")
    now = street.later(minutes=5)
    knock = street.knock(visit, "met", "r-he", at=now + wrong)
    assert (knock.clock_off, knock.at, knock.late) == (True, now, False)


def test_who_sees_it_elsewhere_is_not_called_at(street: Street) -> None:
    anybody, named = street.want("h-su"), street.want("h-he", "r-he")
    street.store.write_now(lambda tx: tx.emit(NoticeSeen, notice=street.notice, revision=1, residents=("r-su3",)))
    assert (street.visit(anybody.id).state, street.visit(anybody.id).why) == ("cancelled", "seen")
    assert street.visit(named.id).state == "open"
    street.see("r-he")
    assert (street.visit(named.id).state, street.visit(named.id).why) == ("cancelled", "seen")


def test_a_visit_to_two_people_waits_for_both(street: Street) -> None:
    visit = street.want("h-su", "r-su")
    street.want("h-su", "r-su2")
    street.see("r-su")
    assert street.visit(visit.id).state == "open"
    street.see("r-su2", level="acknowledged")
    assert street.visit(visit.id).state == "cancelled"


def test_visits_end_with_their_notice_and_with_its_next_revision(street: Street) -> None:
    old, other = street.want("h-he"), street.want("h-tan", revision=2)
    areas = (LIUHE,)
    street.store.write_now(
        lambda tx: tx.emit(NoticeReleased, notice=street.notice, revision=2, priority="routine", areas=areas)
    )
    assert (street.visit(old.id).why, street.visit(other.id).state) == ("revised", "open")
    street.store.write_now(
        lambda tx: tx.emit(NoticeEnded, notice=street.notice, revision=2, how="retracted", areas=areas)
    )
    assert street.visit(other.id).why == "ended"
    sums = street.store.read_now(lambda read: cards.sums(read, street.notice))
    assert sums == {"cancelled": 2}


def test_the_visits_of_a_city_end_page_by_page(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "PAGE_VISITS", 1)
    visits = [street.want("h-he"), street.want("h-tan"), street.want("h-su", revision=2)]

    def revise(tx: Tx) -> None:
        reach.open_notice(tx, street.notice, 2, [], 3)
        tx.emit(NoticeReleased, notice=street.notice, revision=2, priority="routine", areas=(LIUHE,))

    street.store.write_now(revise)
    left = [street.store.write_now(book.end_left_over) for _page in range(2)]
    assert (left, [street.visit(each.id).state for each in visits]) == (
        [True, False],
        ["cancelled", "cancelled", "open"],
    )
    street.store.write_now(lambda tx: reach.close_notice(tx, street.notice))
    assert [street.store.write_now(book.end_left_over) for _page in range(2)] == [True, False]


def test_a_knock_from_before_the_end_stands_and_one_from_after_does_not(street: Street) -> None:
    early, late = street.want("h-he"), street.want("h-tan")
    at = street.later(minutes=10)
    street.later(minutes=10)
    street.store.write_now(
        lambda tx: tx.emit(NoticeEnded, notice=street.notice, revision=1, how="expired", areas=(LIUHE,))
    )
    street.later(minutes=10)
    assert street.knock(early, "met", "r-he", at=at).stands
    after = street.knock(late, "met", "r-tan")
    assert (after.stands, after.why, street.best("r-tan")) == (False, "ended", "")
    assert (street.visit(early.id).state, street.visit(late.id).state) == ("done", "cancelled")


def test_nobody_calls_at_their_own_household(street: Street) -> None:
    visit = street.want("h-lin")  # s-grid walks this grid and lives there
    assert visit.worker == ""
    desk = street.who("s-staff")
    with pytest.raises(Refused, match="own household"):
        street.store.write_now(lambda tx: book.hand_over(tx, desk, visit.id, "s-grid"))
    street.store.write_now(lambda tx: book.hand_over(tx, desk, visit.id, "s-luo"))
    street.store.write_now(lambda tx: _move(tx, "s-luo", "h-lin"))
    with pytest.raises(NotAllowed, match="own household"):
        street.knock(visit, "moved", by="s-luo")


def _move(tx: object, staff: str, household: str) -> None:
    found = tx.session.get(Staff, staff)  # type: ignore[attr-defined]
    found.household = household
    tx.session.add(found)  # type: ignore[attr-defined]


def test_only_whose_round_it_is_or_was_records_a_result(street: Street) -> None:
    visit = street.want("h-he")
    for stranger in ("s-luo", "s-staff", "s-doctor"):
        with pytest.raises(NotFound):
            street.knock(visit, "moved", by=stranger)
    desk = street.who("s-staff")
    street.store.write_now(lambda tx: book.hand_over(tx, desk, visit.id, "s-luo"))
    assert street.knock(visit, "absent").stands  # she stood there before she heard of it
    with pytest.raises(Conflict):
        street.store.write_now(lambda tx: (book.close(tx, desk, visit.id), book.close(tx, desk, visit.id)))


def test_a_grid_given_to_another_takes_its_open_visits_along(street: Street) -> None:
    first, second = street.want("h-he"), street.want("h-tan")
    desk = street.who("s-staff")
    street.store.write_now(lambda tx: book.hand_over(tx, desk, second.id, "s-grid"))
    street.store.write_now(lambda tx: book.give_round(tx, desk, LIUHE, 2, "s-luo"))
    assert (street.visit(first.id).worker, street.visit(second.id).worker) == ("s-luo", "s-grid")


def test_the_desk_sends_somebody_by_hand_and_hears_of_what_is_overdue(street: Street) -> None:
    desk, began = street.who("s-staff"), street.clock.now()
    visit = street.store.write_now(lambda tx: book.by_hand(tx, desk, "h-xia", "两天没有人见到她"))
    assert (visit.worker, visit.rank, visit.reason) == ("s-luo", 4, "hand")
    assert not street.store.read_now(lambda read: book.is_time(read, began))
    street.clock.set(visit.due)
    assert street.store.read_now(lambda read: book.is_time(read, began))
    assert [street.store.write_now(lambda tx: book.keep_clock(tx, began)) for _twice in range(2)] == [1, 0]
    street.knock(visit, "met", "r-xia", by="s-luo")
    assert street.visit(visit.id).overdue is False


def test_a_name_is_shown_for_a_reason_and_no_event_carries_words_of_anybody(street: Street) -> None:
    visit, feng = street.want("h-he"), street.who("s-feng")
    with pytest.raises(Refused):
        street.store.write_now(lambda tx: knocks.show_name(tx, feng, visit.id, "r-he", ""))
    with pytest.raises(NotFound):
        street.store.write_now(lambda tx: knocks.show_name(tx, street.who("s-luo"), visit.id, "r-he", "door"))
    with pytest.raises(NotFound):
        street.store.write_now(lambda tx: knocks.show_name(tx, feng, visit.id, "r-tan", "door"))
    shown = street.store.write_now(lambda tx: knocks.show_name(tx, feng, visit.id, "r-he", "door"))
    assert shown.name == "何秀英"
    street.knock(visit, "met", "r-he", note="她说腿疼")
    rows = street.store.read_now(lambda read: read.session.execute(select(AuditRow)).scalars().all())
    kinds = {row.kind for row in rows}
    assert {"VisitNameShown", "VisitRecorded"} <= kinds
    assert not [row.detail for row in rows if "何秀英" in row.detail or "腿疼" in row.detail]
    assert "何秀英".encode() not in Path(str(street.store.url.database)).read_bytes()


def test_one_refused_result_does_not_hold_up_the_others(street: Street) -> None:
    visit, feng = street.want("h-he"), street.who("s-feng")
    said = [Said("a", "no-such", "met"), Said("b", visit.id, "met", "r-he"), Said("c", visit.id, "absent")]
    told = street.store.write_now(lambda tx: knocks.record_all(tx, feng, said))
    assert [(each.key, each.state) for each in told] == [("a", "refused"), ("b", "refused"), ("c", "kept")]


def test_every_route_declares_who_may_come() -> None:
    routes = [route for each in (pages.router, pages.api, office.router) for route in each.routes]
    assert len(routes) >= 14
    assert not [route for route in routes if not declarations(route)]


def test_the_next_try_is_always_ahead_and_in_visiting_hours() -> None:
    for hour in range(24):
        local = datetime(2026, 11, 22, hour, 10, tzinfo=UTC)
        for tried in ((), ("morning",), ("morning", "afternoon", "evening")):
            found = rules.again(local, "routine", tried)
            assert local < found <= local + timedelta(days=2)
            assert any(part.begins == found.time() for part in rules.manners().parts)

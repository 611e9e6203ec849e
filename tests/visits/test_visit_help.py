"""需要帮助 under a notice is a door at once: one person for task and door, and the answer returns as it came."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from hub import audience, outbox
from hub.access import Subject
from hub.audit import AuditRow
from hub.civic.notices import answers, desk
from hub.civic.notices.models import Answer
from hub.civic.visits import book, cards, doors
from hub.civic.visits.models import Visit
from hub.db import Actor, Tx
from hub.errors import Conflict
from hub.i18n import speaking
from tests.visits.street import Street, open_street
from tests.world import LIUHE

WORDS = "轮椅下不了楼，请带担架"


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    made = open_street(tmp_path)
    with speaking("en"):
        yield made
    made.store.close()


def call(street: Street, resident: str = "r-he", way: str = "web", text: str = WORDS) -> Answer:
    def ask(tx: Tx) -> Answer:
        return answers.ask(tx, Subject(id=resident, kind="resident"), street.notice, "help", text, way)

    return street.store.write_now(ask, Actor(resident))


def calls(street: Street) -> list[Visit]:
    query = select(Visit).where(col(Visit.reason) == "help").execution_options(populate_existing=True)
    return street.store.read_now(lambda read: list(read.session.execute(query).scalars()))


def task(street: Street, ident: str) -> Answer:
    return street.store.read_now(lambda read: read.session.get_one(Answer, ident, populate_existing=True))


def test_a_call_for_help_is_a_door_with_an_owner_and_a_clock_on_the_desk_and_on_the_round(street: Street) -> None:
    asked = call(street)
    [visit] = calls(street)
    assert visit.worker == asked.owner != ""
    assert visit.due == asked.due
    assert visit.whom.split() == ["r-he"]
    listed = street.store.read_now(lambda read: doors.of_area(read, LIUHE))
    assert [(door.reason_word, door.task) for door in listed] == [("They asked for help", asked.id)]
    assert street.store.read_now(lambda read: cards.work(read, LIUHE))["open"] == 1
    assert [door.id for door in street.store.read_now(lambda read: doors.of_worker(read, asked.owner))] == [visit.id]
    said = street.store.read_now(lambda read: " ".join(read.session.execute(select(AuditRow.detail)).scalars()))
    assert WORDS not in said


def test_pressed_again_it_is_the_same_door_and_it_outlives_its_notice(street: Street) -> None:
    first = call(street)
    assert call(street, text="还有拐杖").id == first.id
    assert len(calls(street)) == 1
    street.see("r-he")
    staff = street.who("s-staff")
    street.store.write_now(lambda tx: desk.retract(tx, staff, street.notice, "The matter is settled"))
    assert [visit.state for visit in calls(street)] == ["open"]


def test_whoever_is_met_at_the_door_has_the_answer_by_the_way_they_asked(street: Street) -> None:
    street.store.write_now(lambda tx: audience.bind(tx, "r-he", "sms", "10012340000"))
    asked = call(street, way="sms")
    [visit] = calls(street)
    street.knock(visit, "absent", by=visit.worker)
    assert task(street, asked.id).replied_at is None
    street.knock(visit, "met", "r-he", by=visit.worker)
    done = task(street, asked.id)
    assert (done.replied_by, done.overdue) == (visit.worker, False)
    sent = street.store.read_now(lambda read: outbox.states(read, f"{asked.id}-answer"))
    assert sent == {"sms": {"planned": 1}}
    by = street.who(visit.worker)
    with pytest.raises(Conflict):
        street.store.write_now(lambda tx: answers.reply(tx, by, asked.id, "已处理"))


def test_answered_by_telephone_nobody_need_go(street: Street) -> None:
    asked = call(street)
    by = street.who("s-staff")
    street.store.write_now(lambda tx: answers.reply(tx, by, asked.id, "医生十分钟后到"))
    [visit] = calls(street)
    assert (visit.state, visit.why) == ("cancelled", "answered")
    again = call(street)  # answered and not helped: a new task, a new door
    assert again.id != asked.id
    assert sorted(each.state for each in calls(street)) == ["cancelled", "open"]


def test_nobody_is_sent_to_their_own_door(street: Street) -> None:
    call(street, "r-lin")  # her household is the grid worker's own
    [visit] = calls(street)
    assert visit.worker != "s-grid"


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(["call", "reply", "met", "absent", "seen"]), min_size=1, max_size=6))
@example(["call", "reply"])
def test_each_open_call_has_one_open_door_whatever_happens_in_between(
    tmp_path_factory: pytest.TempPathFactory, story: list[str]
) -> None:
    street = open_street(tmp_path_factory.mktemp("street"))
    by = street.who("s-staff")
    for step in story:
        waits = [each for each in calls(street) if each.state in ("open", "desk")]
        match step:
            case "call":
                call(street)
            case "seen":
                street.see("r-he")
            case "reply" if waits:
                street.store.write_now(partial(answers.reply, who=by, ident=book.task_of(waits[0]), text="好"))
            case "met" | "absent" if waits:
                street.knock(waits[0], step, "r-he" if step == "met" else "", by=waits[0].holders.split()[0])
        street.later(minutes=1)
        open_now = {book.task_of(each) for each in calls(street) if each.state in ("open", "desk")}
        waiting = {each.id for each in street.store.read_now(lambda read: answers.waiting(read, LIUHE))}
        assert open_now == waiting
        assert len(open_now) == sum(each.state in ("open", "desk") for each in calls(street))
    street.store.close()

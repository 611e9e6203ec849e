"""What residents answer to a notice: proof, a task with an owner and a clock, and the answer that returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import col, select

from hub import login, reach
from hub.access import Subject
from hub.audience import Audience
from hub.audit import AuditRow
from hub.civic.notices import answers, desk
from hub.civic.notices.models import Answer, Notice
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.outbox import Fanout
from tests.conftest import needs
from tests.notices.office import Office, open_office
from tests.notices.test_notice_pages import Desk, Place, place  # noqa: F401 - the fixture of a served office
from tests.world import LIUHE, TAYING, staff

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WANG = Subject(id="r-wang", kind="resident", surface="resident", area=LIUHE)
SECRET = "我家老人要透析，停水怎么办？"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def ask(office: Office, notice: Notice, kind: str = "question", text: str = SECRET) -> Answer:
    return office.store.write_now(lambda tx: answers.ask(tx, WANG, notice.id, kind, text, "web"))


def answering(who: Subject, task: Answer, text: str = "") -> Callable[[Tx], Answer]:
    """Take the task over or, with a text, answer it."""
    return lambda tx: answers.reply(tx, who, task.id, text) if text else answers.take(tx, who, task.id)


def rows(office: Office) -> list[Answer]:
    return office.store.read_now(lambda read: list(read.session.execute(select(Answer)).scalars()))


def test_received_is_the_highest_proof_and_opens_no_task(office: Office) -> None:
    made = office.released()
    office.store.write_now(lambda tx: answers.receive(tx, WANG, made.id, "web"))
    sums = office.store.read_now(lambda read: reach.sums(read, made.id))
    assert (dict(sums.best), rows(office)) == ({"acknowledged": 1}, [])


def test_a_question_goes_to_the_author_and_a_call_for_help_to_the_grid_worker(office: Office) -> None:
    made = office.released()
    question, call = ask(office, made), ask(office, made, "help", "")
    assert (question.owner, question.due - question.at) == ("s-staff", timedelta(hours=24))
    assert (call.owner, call.due - call.at) == ("s-grid", timedelta(hours=1))
    assert office.store.read_now(lambda read: [each.id for each in answers.waiting(read, LIUHE)]) == [
        call.id, question.id,
    ]  # fmt: skip


def test_in_an_emergency_the_clock_is_a_quarter_of_an_hour() -> None:
    assert answers.time_for("help", "emergency") == timedelta(minutes=15)
    assert answers.time_for("question", "urgent") == timedelta(hours=2)


def test_what_was_asked_and_answered_stands_in_no_event_and_returns_to_the_asker(office: Office) -> None:
    task = ask(office, office.released())
    by, reply = staff(office.store, "s-staff"), "今天下午送两桶水到您家。"
    office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, reply))

    def look(read: Read) -> tuple[str, str, list[str]]:
        [mine] = answers.of_resident(read, "r-wang")
        told = read.session.execute(select(Fanout).where(col(Fanout.kind) == "notice")).scalars().one()
        audit = [row.detail for row in read.session.execute(select(AuditRow)).scalars()]
        return mine.reply, f"{told.title} {told.text}", audit

    returned, told, audit = office.store.read_now(look)
    assert (returned, by.id) == (reply, rows(office)[0].replied_by)
    assert "社区已答复您" in told
    assert not [detail for detail in [*audit, told] if SECRET in detail or reply in detail]
    raw = office.store.read_now(lambda read: read.session.execute(text("SELECT text, reply FROM notices_answer")).one())
    assert SECRET.encode() not in bytes(raw[0])
    assert reply.encode() not in bytes(raw[1])


def test_the_end_of_the_clock_is_said_once_and_ends_with_the_answer(office: Office) -> None:
    task = ask(office, office.released(), "help", "")
    assert office.store.write_now(answers.keep_clock) == 0
    office.clock.advance(3600)
    assert office.store.read_now(answers.is_late)
    assert [office.store.write_now(answers.keep_clock) for _ in range(2)] == [1, 0]
    assert rows(office)[0].overdue
    office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, "已上门。"))
    assert not rows(office)[0].overdue
    with pytest.raises(Conflict):
        office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, "再答一次。"))


def test_only_who_the_notice_is_for_answers_and_only_while_it_holds(office: Office) -> None:
    elsewhere, made = office.released(audience=Audience((TAYING,))), office.released()
    with pytest.raises(NotFound):
        ask(office, elsewhere)
    with pytest.raises(Refused):
        ask(office, made, "question", "  ")
    with pytest.raises(Refused):
        ask(office, made, "shout")
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    with pytest.raises(Conflict):
        ask(office, made)


def test_a_desk_that_does_not_answer_here_finds_no_task(office: Office) -> None:
    task = ask(office, office.released())
    for stranger in ("s-operator", "s-doctor", "s-publisher"):
        with pytest.raises(NotFound):
            office.store.write_now(answering(staff(office.store, stranger), task))


STEP = st.sampled_from(["ask", "help", "take", "reply", "late"])


@settings(max_examples=15)
@given(st.lists(STEP, max_size=10))
def test_there_is_one_open_task_of_a_kind_and_each_has_an_owner(steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder), followers={})
        made, answered = office.released(), 0
        for step in steps:
            waits = [each for each in rows(office) if each.replied_at is None]
            if step in ("ask", "help"):
                ask(office, made, "help" if step == "help" else "question")
            elif step == "late":
                office.clock.advance(7200)
                office.store.write_now(answers.keep_clock)
            elif waits and step == "take":
                office.store.write_now(answering(office.second, waits[0]))
            elif waits:
                office.store.write_now(answering(office.second, waits[0], "好的。"))
                answered += 1
            found = rows(office)
            waiting = [each.kind for each in found if each.replied_at is None]
            assert len(waiting) == len(set(waiting))
            assert len(found) - len(waiting) == answered
            assert all(each.owner and (each.replied_at is None or not each.overdue) for each in found)
        office.store.close()


def test_the_whole_way_from_the_phone_to_the_desk_and_back(place: Place) -> None:  # noqa: F811
    made = place.office.released()
    phone, at_desk, grid = Desk(place, "r-wang", "resident"), Desk(place, "s-staff"), Desk(place, "s-grid")
    at = f"/n/{made.id}"
    page, _path = phone.post(f"{at}/answer", at, do="received")
    assert "You have confirmed that you received it" in page
    page, _path = phone.post(f"{at}/answer", at, do="question", text="<b>" + SECRET)
    assert "The community has it and answers by" in page
    phone.post(f"{at}/answer", at, do="help")
    phone.post(f"{at}/answer", at, do="help")
    assert "Residents wait for an answer: 2" in at_desk.get("/desk")
    listed = at_desk.get("/desk/answers")
    assert "&lt;b&gt;" + SECRET in listed
    assert "王" not in listed
    tasks = {each.kind: f"/desk/answers/{each.id}" for each in rows(place.office)}
    assert "10012345678" not in at_desk.get(tasks["help"])
    assert "10012345678" in grid.get(tasks["help"])  # the owner calls back
    page, _path = at_desk.post(f"{tasks['help']}/take", tasks["help"])
    assert "10012345678" in page
    at_desk.post(f"{tasks['question']}/reply", tasks["question"], text="下午送水。")
    for path in (at, "/me"):
        assert "下午送水。" in phone.get(path)
    assert "下午送水。" not in Desk(place, "r-lin", "resident").get(at)
    assert place.api("publisher").get("/desk/answers").status_code == 403


def test_a_stranger_reads_the_notice_and_has_no_buttons(place: Place) -> None:  # noqa: F811
    made = place.office.released()
    assert place.client().post(f"/n/{made.id}/answer", data={"do": "help"}).status_code in (401, 403)
    assert 'id="answers"' not in place.client().get(f"/n/{made.id}").text


@needs("chromium")
def test_the_answer_comes_back_while_the_phone_lies_open(place: Place, browser: Browser) -> None:  # noqa: F811
    made = place.office.released()
    token = place.office.store.write_now(lambda tx: login.open_session(tx, "resident", "resident", "r-wang"))
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    context.add_cookies([{"name": "linli_resident", "value": token, "url": place.url}])
    phone = context.new_page()
    phone.goto(f"{place.url}/n/{made.id}")
    phone.get_by_text("有疑问").click()
    phone.get_by_label("您的问题").fill("几点恢复供水？")
    phone.get_by_role("button", name="发送给社区").click()
    phone.get_by_text("社区已收到").wait_for()
    phone.wait_for_function("() => document.documentElement.getAttribute('data-line') === 'on'")
    [task] = rows(place.office)
    path = f"/desk/answers/{task.id}"
    Desk(place, "s-staff").post(f"{path}/reply", path, text="中午十二点。")
    phone.get_by_text("中午十二点。").wait_for()
    context.close()

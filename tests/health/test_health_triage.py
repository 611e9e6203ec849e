"""From an urgent value to a person who acts: pad, consent, the doctor's task, and what the resident sees of it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub import sightings
from hub.access import Subject
from hub.civic.health import MODULE, alerts, consents, desk, kiosk, pad, tasks, triage, trust
from hub.civic.health.models import HealthTask
from hub.db import Actor, Read, Tx
from hub.errors import Conflict, NotFound
from hub.i18n import speaking
from tests.health.hutrig import HUT, LIN, WANG, Hut
from tests.health.test_health_pages import LIUHE_PATH, ask, staff
from tests.world import CITY

FIRST = {"sys": "186", "dia": "112", "map": "137", "pulse": "80"}
SECOND = {"sys": "184", "dia": "108", "map": "133", "pulse": "80"}
NUMBERS = ("186", "112", "184", "108")


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def urgent_visit(hut: Hut, card: str = WANG) -> str:
    """186/112, five minutes' rest, 184/108: gives the alert."""
    hut.visit(card)
    hut.measure(values=FIRST)
    hut.clock.advance(300)
    hut.measure(values=SECOND)
    return hut.alerts()[-1].id


def say(hut: Hut, yes: bool) -> None:
    hut.act(lambda tx: alerts.tell_doctor(tx, kiosk.open_at(tx, HUT), yes))  # type: ignore[arg-type]


def found(hut: Hut) -> list[HealthTask]:
    return hut.store.read_now(lambda read: tasks.below(read, LIUHE_PATH, "open"))


def drawn(hut: Hut, template: str, view: Any, key: str) -> str:
    def draw(read: Read) -> str:
        with speaking("zh"):
            return hut.render(template, view(read, key), "zh")

    return hut.store.read_now(draw)


def as_doctor(hut: Hut, verb: Any, *arguments: object) -> None:
    hut.store.write_now(lambda tx: verb(tx, *arguments), Actor("staff:s-doctor"))


def test_no_doctor_is_told_before_the_resident_said_yes(hut: Hut) -> None:
    urgent_visit(hut)
    assert not found(hut)
    assert "王" not in drawn(hut, "health/tasks.html", triage.listed, LIUHE_PATH)
    say(hut, yes=False)
    assert not found(hut)


def test_a_yes_at_the_kiosk_is_a_task_with_fourteen_days(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    assert (task.person, task.basis, (task.due - task.opened.date()).days) == ("r-wang", "kiosk", 14)
    page = drawn(hut, "health/tasks.html", triage.listed, LIUHE_PATH)
    for words in ("紧急", "血压", "偏高", "王奶奶", "82"):
        assert words in page, words
    assert not [number for number in NUMBERS if number in re.sub(r"<svg.*?</svg>|<[^>]*>", "", page)]


def test_who_left_without_an_answer_is_asked_on_the_phone_and_only_they_may_answer(hut: Hut) -> None:
    alert = urgent_visit(hut)
    hut.act(kiosk.end, HUT)
    assert "要告诉家庭医生吗" in drawn(hut, "health/trust.html", trust.view, "r-wang")
    assert "要告诉家庭医生吗" not in drawn(hut, "health/trust.html", trust.view, "r-lin")
    with pytest.raises(NotFound):
        hut.act(alerts.answer, alert, "r-lin", True)
    assert not found(hut)
    hut.act(alerts.answer, alert, "r-wang", True)
    assert [task.basis for task in found(hut)] == ["app"]
    assert "要告诉家庭医生吗" not in drawn(hut, "health/trust.html", trust.view, "r-wang")


def test_who_agreed_beforehand_is_not_asked_again(hut: Hut) -> None:
    hut.act(consents.give, "r-wang", "doctor")
    urgent_visit(hut)
    assert [task.basis for task in found(hut)] == ["standing"]
    assert "告诉家庭医生" not in hut.page().replace("已告诉家庭医生", "")


def test_taking_consent_back_empties_the_doctors_list_at_once(hut: Hut) -> None:
    hut.act(consents.give, "r-wang", "doctor")
    alert = urgent_visit(hut)
    touched: set[tuple[str, str]] = set()
    hut.store.bus.observe(lambda _events, topics: touched.update(topics))
    (task,) = found(hut)
    hut.act(consents.take_back, "r-wang", "doctor")
    assert not found(hut)
    assert ("health.triage", LIUHE_PATH) in touched
    with pytest.raises(NotFound):
        as_doctor(hut, tasks.act, task.id, "called")
    doctor = staff(hut, "s-doctor")
    assert not hut.store.read_now(lambda read: desk.may_open(read, doctor, alerts.get(read, alert)))


def test_a_call_closes_a_referral_does_not_and_undo_keeps_the_line(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    hut.clock.advance(86_400)
    as_doctor(hut, tasks.act, task.id, "referred")
    (task,) = found(hut)
    assert (task.due - task.opened.date()).days == 15  # two weeks from the referral
    hut.clock.advance(60)
    as_doctor(hut, tasks.act, task.id, "called")
    assert not found(hut)
    with pytest.raises(Conflict):
        as_doctor(hut, tasks.act, task.id, "visited")
    as_doctor(hut, tasks.undo, task.id)
    (task,) = found(hut)
    steps = hut.store.read_now(lambda read: tasks.steps(read, task.id))
    assert [(step.what, step.undone_at is not None) for step in steps] == [("referred", False), ("called", True)]
    as_doctor(hut, tasks.undo, task.id)
    (task,) = found(hut)
    assert (task.due - task.opened.date()).days == 14


def test_what_was_not_followed_up_in_time_is_overdue_and_stands_first(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    hut.act(kiosk.end, HUT)
    hut.clock.advance(15 * 86_400)
    urgent_visit(hut, LIN)
    say(hut, yes=True)
    rows = hut.store.read_now(lambda read: triage.listed(read, LIUHE_PATH))["rows"]
    assert [row.overdue for row in rows] == [True, False]
    assert "逾期" in drawn(hut, "health/tasks.html", triage.listed, LIUHE_PATH)


def test_every_look_of_somebody_else_leaves_a_line_the_resident_reads(hut: Hut) -> None:
    alert = urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)

    async def doctor(client: httpx.AsyncClient, _csrf: str) -> list[Any]:
        opened = await client.get(f"/desk/triage/{task.id}")
        listed = await client.get("/api/v1/readings")
        return [opened.status_code, "186/112" in opened.text, listed.status_code]

    assert ask(hut, "staff", "staff", "s-doctor", doctor) == [200, True, 200]

    async def attendant(client: httpx.AsyncClient, _csrf: str) -> int:
        return (await client.get(f"/desk/huts/{alert}")).status_code

    assert ask(hut, "staff", "staff", "s-attendant", attendant) == 200
    looks = hut.store.read_now(lambda read: sightings.of_person(read, "r-wang"))
    assert [(look.where, look.count) for look in looks] == [("hut", 2), ("triage", 2)]
    page = drawn(hut, "health/trust.html", trust.view, "r-wang")
    assert "韩松" in page
    assert "陈露" in page


def test_the_api_of_a_doctor_leaves_a_line_too_and_ones_own_none(hut: Hut) -> None:
    urgent_visit(hut)
    hut.act(consents.give, "r-wang", "doctor")

    async def asks(client: httpx.AsyncClient, _csrf: str) -> int:
        return len((await client.get("/api/v1/readings")).json()["items"])

    assert ask(hut, "staff", "staff", "s-doctor", asks) == 2
    assert ask(hut, "resident", "resident", "r-wang", asks) == 2
    looks = hut.store.read_now(lambda read: sightings.of_person(read, "r-wang"))
    assert [(look.where, look.count) for look in looks] == [("api", 2)]


def test_only_a_doctor_of_the_place_sees_the_list_and_nobody_opens_anothers_task(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    assert triage.may_watch(staff(hut, "s-doctor"), LIUHE_PATH)
    assert not triage.may_watch(staff(hut, "s-doctor"), f"{CITY}/420802000000/420802001000")
    for ident in ("s-attendant", "s-staff", "s-operator"):
        assert not triage.may_watch(staff(hut, ident), LIUHE_PATH)

        async def asks(client: httpx.AsyncClient, csrf: str) -> list[int]:
            step = await client.post(f"/desk/triage/{task.id}/step", data={"csrf": csrf, "what": "called"})
            return [(await client.get(f"/desk/triage/{task.id}")).status_code, step.status_code]

        assert ask(hut, "staff", "staff", ident, asks) == [403, 403]


def test_the_pad_calls_without_a_value_and_the_kiosk_says_who_comes(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=FIRST)
    page = drawn(hut, "health/calling.html", pad.view, LIUHE_PATH)
    assert "居民健康小屋" in page
    assert "我来了" in page
    assert not [word for word in (*NUMBERS, "王", "偏高") if word in page]
    (alert,) = hut.alerts()
    hut.store.write_now(lambda tx: alerts.take(tx, alert.id), Actor("staff:s-attendant"))
    assert "陈露正在赶来" in drawn(hut, "health/calling.html", pad.view, LIUHE_PATH)
    assert "工作人员马上就到" in hut.page()
    assert pad.may_watch(staff(hut, "s-attendant"), LIUHE_PATH)
    assert not pad.may_watch(staff(hut, "s-doctor"), LIUHE_PATH)


def test_no_value_and_no_name_reaches_a_screen_that_others_see(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    for topic in MODULE.topics:
        key = LIUHE_PATH
        watchers = [Subject(id="tv", kind="tv", area=LIUHE_PATH), Subject(id="x", kind="kiosk", hut="lh-hut-2")]
        assert not any(topic.allow(watcher, key) or topic.allow(watcher, HUT) for watcher in watchers), topic.name
    for template, view in (("health/calls.html", desk.waiting), ("health/calling.html", pad.view)):
        text = re.sub(r"<svg.*?</svg>|<[^>]*>", "", drawn(hut, template, view, LIUHE_PATH))
        assert not [word for word in (*NUMBERS, "王", "偏高") if word in text], template


def test_an_event_about_a_task_carries_no_value_and_no_name(hut: Hut) -> None:
    from sqlalchemy import select

    from hub.audit import AuditRow

    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    as_doctor(hut, tasks.act, task.id, "visited")
    hut.act(kiosk.end, HUT)

    def rows(read: Read) -> list[AuditRow]:
        return list(read.session.execute(select(AuditRow)).scalars())

    kept = hut.store.read_now(rows)
    assert {"DoctorAnswered", "TaskChanged"} <= {row.kind for row in kept}
    for row in kept:
        assert not re.search(r"王|\b(186|112|184|108)\b", row.detail)


def test_the_message_after_the_visit_says_nothing_of_a_body(hut: Hut) -> None:
    told: list[Any] = []
    from hub.events import PersonalMessage

    def hear(_tx: Tx, event: PersonalMessage) -> None:
        told.append(event)

    hut.store.bus.on(PersonalMessage, hear)
    urgent_visit(hut)
    hut.clock.advance(timedelta(seconds=1).seconds)
    hut.act(kiosk.end, HUT)
    (message,) = told
    assert (message.resident, message.title) == ("r-wang", "您家有1条新消息")
    assert not re.search(r"血|压|\d{2}", message.text)

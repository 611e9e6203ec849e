"""An urgent value that nobody answers for: the doctor, then the deputy, then the telephone, by the clock."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub import calls, contacts, directory
from hub.civic.health import cover, pad, tasks, triage, trust
from hub.db import Actor, Tx
from hub.errors import Conflict, Refused
from tests.health.hutrig import Hut
from tests.health.test_health_pages import LIUHE_PATH, ask
from tests.health.test_health_triage import NUMBERS, drawn, found, say, urgent_visit
from tests.world import LIUHE, STREET

WAIT = timedelta(minutes=30)
PHONES = "卫生服务站 0724-1000001\n街道卫生院 0724-1000002"


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    made = Hut(tmp_path)

    def staffed(tx: Tx) -> None:
        directory.hire(tx, "s-deputy", "杜衡", "p-du", [("doctor", STREET)])
        cover.set_cover(tx, STREET, "", "s-deputy", PHONES)

    made.act(staffed)
    return made


def waiting(hut: Hut) -> int:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    return task.rung


def later(hut: Hut, minutes: float) -> int:
    hut.clock.advance(minutes * 60)
    return int(str(hut.act(cover.pass_on, WAIT)))


def test_after_half_an_hour_the_deputy_and_then_the_telephone(hut: Hut) -> None:
    assert waiting(hut) == cover.DOCTOR
    assert later(hut, 29.9) == 0
    assert later(hut, 0.1) == 1
    assert "等待代班医生" in drawn(hut, "health/tasks.html", triage.listed, LIUHE_PATH)
    assert "等待代班医生" in drawn(hut, "health/trust.html", trust.view, "r-wang")
    assert "0724" not in drawn(hut, "health/calling.html", pad.view, LIUHE_PATH)
    assert later(hut, 30) == 1
    page = drawn(hut, "health/calling.html", pad.view, LIUHE_PATH)
    for words in ("医生尚未应答", "0724-1000001", "0724-1000002"):
        assert words in page, words
    plain = re.sub(r"<[^>]*>", "", page)
    assert "王" not in plain
    assert not [number for number in NUMBERS if number in plain.replace("0724-100000", "")]
    assert later(hut, 600) == 0, "further than the telephone there is nothing"


def test_who_has_it_stops_the_clock_and_is_the_only_one(hut: Hut) -> None:
    waiting(hut)
    (task,) = found(hut)
    for who in ("staff:s-doctor", "staff:s-deputy"):
        hut.store.write_now(lambda tx: tasks.hold(tx, tasks.get(tx, task.id), who), Actor(who))  # noqa: B023
    assert later(hut, 600) == 0
    page = drawn(hut, "health/tasks.html", triage.listed, LIUHE_PATH)
    assert "韩松 已接手" in page
    hut.store.write_now(lambda tx: tasks.act(tx, task.id, "called"), Actor("staff:s-doctor"))
    with pytest.raises(Conflict):
        hut.act(lambda tx: tasks.hold(tx, tasks.get(tx, task.id), "staff:s-deputy"))


def test_without_a_deputy_the_telephone_is_next(hut: Hut) -> None:
    hut.act(cover.set_cover, LIUHE, "s-doctor", "", PHONES)
    waiting(hut)
    assert later(hut, 30) == 1
    (task,) = found(hut)
    assert task.rung == cover.PHONES


def test_doctor_and_deputy_are_called_on_what_they_entered_without_a_value(hut: Hut) -> None:
    hut.act(cover.set_cover, LIUHE, "s-doctor", "s-deputy", PHONES)
    for who, number in (("s-doctor", "10033330001"), ("s-deputy", "10033330002")):
        hut.act(contacts.enter, who, "sms", number)
    waiting(hut)
    later(hut, 30)

    def look(read: object) -> list[tuple[str, str, str]]:
        rows = read.session.execute(select(calls.StaffCall)).scalars()  # type: ignore[attr-defined]
        return [(row.staff, row.priority, row.title + row.text) for row in rows]

    made = hut.store.read_now(look)
    assert [(staff, priority) for staff, priority, _words in made] == [("s-doctor", "urgent"), ("s-deputy", "urgent")]
    assert not [words for *_who, words in made if re.search(r"\d|王|血压", words)]
    call = hut.store.read_now(lambda read: read.session.execute(select(col(calls.StaffCall.id))).scalars().first())
    hut.act(lambda tx: calls.raise_to(tx, tx.session.get_one(calls.StaffCall, call), "acknowledged"))
    (task,) = found(hut)
    assert task.held_by == "staff:s-doctor"


def test_the_attendant_says_that_somebody_was_reached_and_nobody_else_may(hut: Hut) -> None:
    waiting(hut)
    later(hut, 30)
    later(hut, 30)
    (task,) = found(hut)

    async def reached(client: httpx.AsyncClient, csrf: str) -> int:
        return (await client.post(f"/desk/pad/tasks/{task.id}/reached", data={"csrf": csrf})).status_code

    assert ask(hut, "staff", "staff", "s-staff", reached) == 403
    assert ask(hut, "staff", "staff", "s-attendant", reached) == 303
    (held,) = found(hut)
    assert held.held_by == "staff:s-attendant"


def test_only_doctors_of_the_place_are_chosen_and_only_by_its_director(hut: Hut) -> None:
    with pytest.raises(Refused):
        hut.act(cover.set_cover, LIUHE, "s-staff", "", "")
    with pytest.raises(Refused):
        hut.act(cover.set_cover, LIUHE, "s-doctor", "s-doctor", "")

    async def asks(client: httpx.AsyncClient, csrf: str) -> tuple[int, str, int]:
        page = await client.get("/desk/cover")
        form = {"csrf": csrf, "doctor": "s-doctor", "deputy": "s-deputy", "phones": PHONES}
        return page.status_code, page.text, (await client.post(f"/desk/cover/{LIUHE}", data=form)).status_code

    assert ask(hut, "staff", "staff", "s-doctor", asks)[0] == 403
    code, page, saved = ask(hut, "staff", "staff", "s-director", asks)
    assert (code, saved) == (200, 303)
    assert "目前沿用上级的安排" in page
    assert hut.store.read_now(lambda read: cover.of_area(read, LIUHE).doctor) == "s-doctor"  # type: ignore[union-attr]

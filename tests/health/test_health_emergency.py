"""Two people where one is too few: values opened in danger to life, and readings erased at the desk."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub import audit
from hub.civic.health import desk, emergency, kiosk, pad, trust, witness
from hub.db import Actor
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from tests.health.hutrig import HUT, LIN, WANG, Hut
from tests.health.test_health_pages import LIUHE_PATH, ask, staff
from tests.health.test_health_triage import FIRST, NUMBERS, drawn, urgent_visit

WHY = "倒在小屋门口，叫不应，需要告诉120之前的血压"


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def gone(hut: Hut) -> str:
    """The visit is over and nobody has agreed to anything: gives the alert."""
    alert = urgent_visit(hut)
    hut.act(kiosk.end, HUT)
    return alert


def act(hut: Hut, who: str, verb: Any, *arguments: object) -> Any:
    subject = staff(hut, who)
    return hut.store.write_now(lambda tx: verb(tx, subject, *arguments), Actor(f"staff:{who}"))


def may_open(hut: Hut, who: str, alert: str) -> bool:
    subject = staff(hut, who)
    return hut.store.read_now(lambda read: desk.may_open(read, subject, desk.alerts.get(read, alert)))


def test_danger_to_life_opens_one_alert_for_two_people_and_a_day(hut: Hut) -> None:
    alert = gone(hut)
    everyone = ("s-attendant", "s-doctor", "s-director", "s-staff")
    assert not any(may_open(hut, who, alert) for who in everyone)
    rung = drawn(hut, "health/calling.html", pad.view, LIUHE_PATH)
    assert f'href="/desk/huts/{alert}/emergency"' in rung
    assert f'href="/desk/huts/{alert}"' not in rung, "the visit is over: nothing is opened beside anybody"
    made = act(hut, "s-attendant", emergency.act, alert, WHY, "s-director")
    assert [who for who in everyone if may_open(hut, who, alert)] == ["s-attendant", "s-director"]
    page = drawn(hut, "health/trust.html", trust.view, "r-wang")
    for words in (WHY, "陈露", "已告知 郑云", "危及生命，未经同意"):
        assert words in page, words
    act(hut, "s-director", emergency.note, made.id)
    assert "已知晓" in drawn(hut, "health/trust.html", trust.view, "r-wang")
    hut.clock.advance(24 * 3600)
    assert not any(may_open(hut, who, alert) for who in everyone)
    rule = select(audit.AuditRow).where(col(audit.AuditRow.kind).startswith("Emergency"))
    rows = hut.store.read_now(lambda read: [row.detail for row in read.session.execute(rule).scalars()])
    assert len(rows) == 2
    assert WHY not in "".join(rows), "the reason may tell of a body: it is sealed, not in the chain"


def test_without_a_reason_and_a_colleague_nothing_opens(hut: Hut) -> None:
    alert = gone(hut)
    for who, why, second, refused in (
        ("s-attendant", "急", "s-director", Refused),
        ("s-attendant", WHY, "s-attendant", Refused),
        ("s-attendant", WHY, "s-operator", Refused),
        ("s-staff", WHY, "s-director", NotAllowed),
        ("s-operator", WHY, "s-director", NotAllowed),
    ):
        with pytest.raises(refused):
            act(hut, who, emergency.act, alert, why, second)
        assert not may_open(hut, who, alert)


def test_the_pages_of_an_emergency_go_from_the_call_to_the_colleague(hut: Hut) -> None:
    alert = gone(hut)

    async def opens(client: httpx.AsyncClient, csrf: str) -> tuple[int, str, str]:
        shut = (await client.get(f"/desk/huts/{alert}")).status_code
        assert f"/desk/huts/{alert}/emergency" in (await client.get("/desk/huts")).text
        form = await client.get(f"/desk/huts/{alert}/emergency")
        assert "本人无法回答" in form.text
        done = await client.post(
            f"/desk/huts/{alert}/emergency", data={"csrf": csrf, "reason": WHY, "second": "s-director"}
        )
        return shut, form.text, (await client.get(done.headers["location"])).text

    shut, form, page = ask(hut, "staff", "staff", "s-attendant", opens)
    assert shut == 403
    assert not [number for number in NUMBERS if number in re.sub(r"<[^>]*>", "", form)]
    assert "186" in page

    async def knows(client: httpx.AsyncClient, _csrf: str) -> tuple[str, str]:
        return (await client.get("/desk/huts")).text, (await client.get("/desk/emergencies")).text

    calls, known = ask(hut, "staff", "staff", "s-director", knows)
    assert "有 1 次紧急查看告知了您" in calls
    assert WHY in known
    assert "每周复核" in known
    assert "危及生命，未经同意" in drawn(hut, "health/trust.html", trust.view, "r-wang")


def test_an_erasure_at_the_desk_takes_two_people_and_shows_no_value(hut: Hut) -> None:
    hut.visit(WANG)
    mine = hut.measure(values=FIRST)
    hut.act(kiosk.end, HUT)
    request = act(hut, "s-attendant", witness.ask, WANG, True)
    with pytest.raises(NotAllowed):
        act(hut, "s-attendant", witness.witness, request.id)
    assert hut.reading(mine).person == "r-wang"

    async def second(client: httpx.AsyncClient, csrf: str) -> tuple[str, str]:
        page = (await client.get("/desk/erasures")).text
        await client.post(f"/desk/erasures/{request.id}/witness", data={"csrf": csrf})
        return page, (await client.get("/desk/erasures?done=1")).text

    page, after = ask(hut, "staff", "staff", "s-staff", second)
    plain = re.sub(r"<[^>]*>", " ", page)
    for words in ("王奶奶", "请读给居民听", "我见证，永久删除"):
        assert words in plain, words
    assert not [number for number in NUMBERS if number in plain]
    assert "桂兰" not in plain
    assert "没有等待见证的申请" in after
    assert hut.reading(mine).raw_sha256 == ""
    assert "在服务台删除了 1 次测量" in drawn(hut, "health/trust.html", trust.view, "r-wang")


def test_a_request_lasts_an_hour_and_an_unknown_card_gives_none(hut: Hut) -> None:
    with pytest.raises(NotFound):
        act(hut, "s-attendant", witness.ask, "XX-999999", True)
    request = act(hut, "s-attendant", witness.ask, LIN, True)
    hut.clock.advance(timedelta(hours=1, seconds=1).total_seconds())
    with pytest.raises(Conflict):
        act(hut, "s-staff", witness.witness, request.id)

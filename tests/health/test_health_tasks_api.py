"""The doctor's tasks as JSON, and the heart trace behind a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.civic.health import consents
from tests.health.hutrig import WANG, Hut
from tests.health.test_health_pages import ask
from tests.health.test_health_trace import example
from tests.health.test_health_triage import NUMBERS, found, say, urgent_visit


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def test_tasks_are_listed_and_acted_on_once_and_carry_no_value(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)

    async def asks(client: httpx.AsyncClient, csrf: str) -> list[Any]:
        listed = (await client.get("/api/v1/tasks")).json()
        head = {"X-CSRF": csrf}
        held = await client.post(f"/api/v1/tasks/{task.id}/hold", headers=head)
        once = {**head, "Idempotency-Key": "k1"}
        called = await client.post(f"/api/v1/tasks/{task.id}/called", headers=once)
        again = await client.post(f"/api/v1/tasks/{task.id}/called", headers=once)
        late = await client.post(f"/api/v1/tasks/{task.id}/visited", headers=head)
        odd = await client.post(f"/api/v1/tasks/{task.id}/forgotten", headers=head)
        done = (await client.get("/api/v1/tasks?state=done")).json()
        undone = await client.post(f"/api/v1/tasks/{task.id}/undo", headers=head)
        return [
            listed,
            held.json(),
            called.json(),
            again.json(),
            late.status_code,
            odd.status_code,
            done,
            undone.json(),
        ]

    listed, held, called, again, late, odd, done, undone = ask(hut, "staff", "staff", "s-doctor", asks)
    (item,) = listed["items"]
    assert (item["id"], item["measure"], item["waits_for"], item["state"]) == (task.id, "bp", "doctor", "open")
    assert held["held_by"] == "staff:s-doctor"
    assert called == again
    assert [step["what"] for step in called["steps"]] == ["called"]
    assert (late, odd) == (409, 422)
    assert [each["id"] for each in done["items"]] == [task.id]
    assert (undone["state"], undone["steps"][0]["undone"]) == ("open", True)
    assert not [number for number in NUMBERS if f'"{number}"' in str(listed) or f": {number}" in str(listed)]

    async def refused(client: httpx.AsyncClient, csrf: str) -> list[int]:
        head = {"X-CSRF": csrf}
        return [
            (await client.get("/api/v1/tasks")).status_code,
            (await client.post(f"/api/v1/tasks/{task.id}/called", headers=head)).status_code,
        ]

    assert ask(hut, "staff", "staff", "s-attendant", refused) == [403, 403]


def test_a_doctor_sees_the_trace_of_who_agreed_and_the_resident_sees_who_looked(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    ident = hut.send("ecg", example("linli.ecg", "six samples"))

    async def look(client: httpx.AsyncClient, _csrf: str) -> tuple[int, str]:
        answer = await client.get(f"/desk/triage/{task.id}/trace/{ident}")
        return answer.status_code, answer.text

    assert ask(hut, "staff", "staff", "s-doctor", look)[0] == 404, "a yes for one value opens that value alone"
    hut.act(consents.give, "r-wang", consents.DOCTOR)
    code, page = ask(hut, "staff", "staff", "s-doctor", look)
    assert code == 200
    for words in ("health-curve", 'viewBox="0 0 250 40"', 'width="1" height="1"', "data-print"):
        assert words in page, words
    assert ask(hut, "staff", "staff", "s-attendant", look)[0] == 403

    async def own(client: httpx.AsyncClient, _csrf: str) -> tuple[str, str]:
        return (await client.get(f"/me/health/readings/{ident}/trace")).text, (await client.get("/me/health")).text

    trace, mine = ask(hut, "resident", "resident", "r-wang", own)
    assert "韩松" in trace
    assert "您的心电曲线" in mine
    assert WANG

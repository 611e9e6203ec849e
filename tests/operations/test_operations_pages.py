"""Who may see the board and press its one button; what the API gives; and that the page stays fresh by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from hub import login
from hub.access import ROLES
from hub.civic.operations import MODULE, alarms, jobs
from hub.db import Tx
from hub.feed import Watcher
from hub.registry import Device
from tests.operations.opsrig import CANARY, HUT, OTHER, PERMISSIONS, Ops, token
from tests.world import CITY, LIUHE, TAYING, until

VIEWERS = {"operator", "staff", "director", "attendant", "supervisor", "admin"}
LISTS = ("huts", "gateways", "devices", "quarantine")


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = Ops(tmp_path)
    made.busy_day()
    yield made
    made.store.close()


@asynccontextmanager
async def client(ops: Ops, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=ops.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as made:
        yield made


def bearer(ops: Ops, role: str, area: str = CITY) -> dict[str, str]:
    return {"authorization": f"Bearer {ops.act(lambda tx: login.create_token(tx, role, area))}"}


def get(ops: Ops, path: str, role: str = "operator", area: str = CITY, lang: str = "zh") -> httpx.Response:
    async def go() -> httpx.Response:
        async with client(ops, **bearer(ops, role, area)) as http:
            return await http.get(path, headers={"accept-language": lang})

    return asyncio.run(go())


def test_the_roles_are_these_and_no_others() -> None:
    assert PERMISSIONS.roles("operate.view") == VIEWERS
    assert PERMISSIONS.roles("operate.act") == {"operator"}


@pytest.mark.parametrize("role", [role for role in ROLES if role != "resident"])
def test_each_role_gets_what_it_may(ops: Ops, role: str) -> None:
    for path in (*(f"/api/v1/{name}" for name in LISTS), "/api/v1/ingest"):
        assert get(ops, path, role).status_code == (200 if role in VIEWERS else 403), path


def test_nobody_and_residents_stay_outside(ops: Ops) -> None:
    async def go() -> list[int]:
        async with client(ops) as http:
            return [(await http.get(f"/api/v1/{name}")).status_code for name in (*LISTS, "ingest")]

    assert set(asyncio.run(go())) == {401}
    assert all(not topic.allow(ops.subject("s-doctor"), "all") for topic in MODULE.topics)


def test_lists_end_at_ones_own_area(ops: Ops) -> None:
    mine = {name: get(ops, f"/api/v1/{name}", "staff", LIUHE).json()["items"] for name in LISTS}
    assert [each["id"] for each in mine["huts"]] == [HUT]
    assert {each["gateway"] for each in mine["devices"]} == {HUT}
    city = get(ops, "/api/v1/huts").json()["items"]
    assert [each["id"] for each in city] == [HUT, OTHER]
    assert not get(ops, "/api/v1/quarantine", "staff", TAYING).json()["items"]


def test_lists_go_on_after_the_last_item(ops: Ops) -> None:
    first = get(ops, "/api/v1/devices?limit=3").json()
    rest = get(ops, f"/api/v1/devices?limit=3&after={first['after']}").json()
    ids = [each["id"] for each in first["items"] + rest["items"]]
    assert ids == ["bp-1", "bp-2", "kiosk-1", "temp-1"]
    assert rest["after"] is None


def test_the_ingest_report_adds_up(ops: Ops) -> None:
    said = get(ops, "/api/v1/ingest").json()
    assert said["ingested"] == said["stored"] + said["duplicate"] + said["quarantined"] + sum(said["refused"].values())
    assert said["ingested"] == 6
    assert set(said["latency_ms"]) == {"p50", "p99"}


def test_quarantine_over_the_api_has_a_sentence_and_no_bytes(ops: Ops) -> None:
    items = get(ops, "/api/v1/quarantine", lang="en").json()["items"]
    ghost = next(each for each in items if each["device"] == "ghost")
    assert ghost["sentence"].startswith("No device is registered under the name ghost")
    assert ghost["bytes"] == 1
    assert "payload" not in ghost


@pytest.mark.parametrize(
    ("role", "area", "status"), [("operator", CITY, 201), ("operator", TAYING, 403), ("staff", LIUHE, 403)]
)
def test_a_device_is_entered_once_by_an_operator_of_the_place(ops: Ops, role: str, area: str, status: int) -> None:
    async def go() -> list[httpx.Response]:
        async with client(ops, **bearer(ops, role, area), **{"idempotency-key": "k1"}) as http:
            body = {"gateway": HUT, "profile": "generic.sig.2a5e", "serial": "S-1"}
            return [await http.post("/api/v1/devices", json=body) for _time in range(2)]

    answers = asyncio.run(go())
    assert [answer.status_code for answer in answers] == [status, status]
    if status == 201:
        ident = answers[0].json()["id"]
        assert answers[1].json() == {"id": ident}
        row = ops.store.read_now(lambda read: read.session.get(Device, ident))
        assert row is not None
        assert (row.hut, row.kind, row.serial) == (HUT, "spo2", "S-1")


@pytest.mark.parametrize(("who", "status", "left"), [("s-operator", 303, 1), ("s-staff", 403, 2)])
def test_only_the_operator_deals_with_quarantine(ops: Ops, who: str, status: int, left: int) -> None:
    row = ops.quarantined()[0]
    session = token(ops, who)

    async def go() -> tuple[str, int]:
        async with client(ops) as http:
            http.cookies.set("linli_staff", session)
            page = (await http.get("/operate")).text
            csrf = page.split('name="linli-csrf" content="')[1].split('"')[0]
            posted = await http.post(
                f"/operate/quarantine/{row.id}/seen", data={"csrf": csrf}, headers={"origin": "http://127.0.0.1"}
            )
            return page, posted.status_code

    page, answered = asyncio.run(go())
    assert answered == status
    assert ("ops-reader" in page) == (who != "s-operator")
    assert sum(1 for each in ops.quarantined() if not each.seen) == left


@pytest.mark.parametrize("path", ["/operate", "/operate?window=60m", f"/operate/huts/{HUT}", "/operate/readings"])
def test_every_page_speaks_both_languages(ops: Ops, path: str) -> None:
    session = token(ops)

    async def go() -> list[httpx.Response]:
        async with client(ops) as http:
            http.cookies.set("linli_staff", session)
            return [await http.get(path, headers={"accept-language": lang}) for lang in ("zh", "en")]

    chinese, english = asyncio.run(go())
    assert (chinese.status_code, english.status_code) == (200, 200)
    assert "运维" in chinese.text
    assert "Operations" in english.text


def test_what_is_not_there_is_not_found(ops: Ops) -> None:
    session = token(ops)

    async def go() -> list[int]:
        async with client(ops) as http:
            http.cookies.set("linli_staff", session)
            paths = ("/operate?window=9d", "/operate/huts/none", f"/operate/huts/{HUT}?window=9d")
            return [(await http.get(path)).status_code for path in paths]

    assert asyncio.run(go()) == [404, 404, 404]


def test_readings_reach_the_board_within_two_looks_and_draw_nothing_when_nobody_watches(ops: Ops) -> None:
    async def go() -> None:
        drawn: list[str] = []
        ops.feed.observers.append(lambda topic, viewers, events: drawn.append(topic))
        job = asyncio.create_task(jobs.keep(ops.services))
        await step(ops)
        await ops.feed_in(ops.up(CANARY))
        await step(ops)
        await step(ops)
        assert drawn == []
        watcher = Watcher("zh")
        await ops.feed.watch(watcher, "operations.recent:24h|all")
        await ops.feed.watch(watcher, "operations.flow:all")
        watcher.take()
        ops.clock.advance(1)
        for number in range(50):
            await ops.feed_in(ops.up(CANARY[:-1] + bytes([number + 2])))
        assert drawn == []  # fifty batches drew nothing
        await step(ops)
        await step(ops)
        await until(lambda: "operations.recent:24h|all" in drawn)
        assert drawn.count("operations.recent:24h|all") <= 2
        assert any("operations.flow:all" in frame.topic for frame in watcher.take())
        job.cancel()

    asyncio.run(go())


async def step(ops: Ops) -> None:
    """One tick of the job, and everything it starts."""
    for _turn in range(20):
        await asyncio.sleep(0)
    ops.clock.advance(jobs.TICK_S)
    for _turn in range(20):
        await asyncio.sleep(0)


def test_the_page_of_a_device_draws_its_history_and_no_value(ops: Ops) -> None:
    def look(tx: Tx) -> None:
        alarms.look(tx, {"waiting": 0})

    ops.act(look)
    ops.say(HUT, LIUHE, "offline")
    for _look in range(6):
        ops.clock.advance(30)
        ops.act(look)
    for window in ("24h", "7d", "30d"):
        body = get(ops, f"/operate/devices/bp-1?window={window}").text
        assert body.count('<rect class="ops-bar-ok"') >= 2, "a bar and its legend"
        assert 'class="ops-alarmed"' in body, "the alarm of its line is drawn on it"
        assert "小屋断线" in body
        assert "187" not in body.replace("0187", "")
    assert get(ops, "/operate/devices/bp-1", "staff", TAYING).status_code == 404
    assert get(ops, "/operate/devices/nothing").status_code == 404
    assert get(ops, "/operate/alarms").status_code == 200
    assert get(ops, "/operate/alarms/rules/1?days=7").status_code == 200

"""The round on a phone, with a line and without one; the desk's side; what leaves the house on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlmodel import col, select

from hub import login
from hub.audit import AuditRow
from hub.civic.visits import rules
from simulators.grid_worker import GridWorker, running
from tests.conftest import needs
from tests.visits.street import Street, a_street, empty
from tests.web.shell_world import Shell
from tests.world import LIUHE, TAYING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@dataclass
class Town:
    street: Street
    shell: Shell
    clients: list[httpx.Client] = field(default_factory=list)

    def token(self, ident: str) -> str:
        return self.shell.token("staff", "staff", ident)

    def enter(self, ident: str) -> httpx.Client:
        """A signed-in browser without script."""
        made = httpx.Client(base_url=self.shell.url, trust_env=False, timeout=30, follow_redirects=True)
        made.cookies.set("linli_staff", self.token(ident))
        made.headers["accept-language"] = "en"
        self.clients.append(made)
        return made

    def api(self, role: str, area: str = LIUHE) -> httpx.Client:
        token = self.shell.write(lambda tx: login.create_token(tx, role, area))
        made = httpx.Client(base_url=self.shell.url, trust_env=False, headers={"authorization": f"Bearer {token}"})
        self.clients.append(made)
        return made

    def events(self, kind: str) -> list[tuple[str, str]]:
        rows = select(col(AuditRow.actor), col(AuditRow.detail)).where(col(AuditRow.kind) == kind)
        return [tuple(row) for row in self.street.store.read_now(lambda read: read.session.execute(rows).all())]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with a_street(tmp_path_factory.mktemp("street")) as (street, shell):
        made = Town(street, shell)
        yield made
        for each in made.clients:
            each.close()


@pytest.fixture
def town(served: Town) -> Town:
    """The same server for all tests; each begins with an empty book."""
    served.shell.write(empty)
    return served


def send(http: httpx.Client, path: str, page: str, status: int = 200, **fields: object) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', http.get(page).text)
    assert found
    reply = http.post(path, data={"csrf": found[1], **fields})
    assert reply.status_code == status, reply.text[:500]
    return reply.text


def test_a_worker_without_script_reads_the_round_and_records(town: Town) -> None:
    visit = town.street.want("h-he", "r-he", rank=6)
    worker = town.enter("s-feng")
    shown = worker.get("/visits").text
    for words in ("Building 2, stair 1, flat 101", "何**", "to be met", "Lives alone", "停水通知", "Water cut"):
        assert words in shown
    assert "何秀英" not in shown
    assert "Building 2" not in town.enter("s-grid").get("/visits").text
    named = send(worker, f"/visits/{visit.id}/name", "/visits", person="r-he", why="call")
    assert "何秀英 100119380000" in named
    refused = send(worker, f"/visits/{visit.id}/result", "/visits", 422, key="k", result="met", person="r-he")
    assert "Whoever opened signs" in refused
    send(worker, f"/visits/{visit.id}/result", "/visits", key="k", result="met", person="r-he", signature="何秀英")
    assert town.street.best("r-he") == "acknowledged"
    assert "Nobody to call at now" in worker.get("/visits").text


def test_the_desk_hands_over_prints_and_is_on_record(town: Town) -> None:
    visit = town.street.want("h-tan", priority="urgent")
    desk = town.enter("s-staff")
    assert "Grid worker 冯** s-feng" in desk.get("/desk/visits").text
    send(desk, "/desk/visits/over", "/desk/visits", to="s-luo", visit=[visit.id])
    assert town.street.visit(visit.id).worker == "s-luo"
    sheet = desk.get("/desk/visits/paper?worker=s-luo").text
    assert "谭**" in sheet
    assert "谭云" not in sheet
    table = desk.get("/desk/visits.csv").text
    assert table.splitlines()[1].startswith("1,2,Building 2,2单元201,")
    assert "谭" not in table
    listed = [detail for actor, detail in town.events("VisitsListed") if actor == "staff:s-staff"]
    assert [re.findall(r'"form":"(\w+)"', each)[0] for each in listed] == ["paper", "file"]
    page = desk.get(f"/desk/visits/{visit.id}").text
    key = re.findall(r'name="key" value="(\w+)"', page)[0]
    send(desk, f"/desk/visits/{visit.id}/result", f"/desk/visits/{visit.id}", key=key, result="moved", note="上月搬走")
    page = desk.get(f"/desk/visits/{visit.id}").text
    for words in ("entered from paper", "Moved away", "上月搬走"):
        assert words in page
    sent = send(desk, "/desk/visits", "/desk/visits", building="lh-b9", flat="101", words="两天没有人见到她")
    assert "两天没有人见到她" in sent
    assert "no such door" in send(desk, "/desk/visits", "/desk/visits", 422, building="lh-b9", flat="999", words="x")


def test_the_api_answers_for_every_result_and_the_same_again(town: Town) -> None:
    visit, http = town.street.want("h-he", revision=2), town.api("grid_worker")
    listed = http.get("/api/v1/visits").json()["items"]
    assert [each["people"] for each in listed if each["id"] == visit.id] == [["r-he"]]
    assert "何" not in http.get("/api/v1/visits").text
    body = {"results": [{"key": "a", "visit": visit.id, "result": "absent", "at": town.street.clock.now().isoformat()},
                        {"key": "b", "visit": visit.id, "result": "asleep"}]}  # fmt: skip
    told = [http.post("/api/v1/visits/results", json=body).json()["items"] for _twice in range(2)]
    assert told[0] == told[1]
    assert [each["state"] for each in told[0]] == ["kept", "refused"]
    assert town.street.visit(visit.id).tries == 1
    elsewhere = town.api("grid_worker", TAYING)
    assert elsewhere.get("/api/v1/visits").json()["items"] == []
    [other] = elsewhere.post("/api/v1/visits/results", json={"results": body["results"][:1]}).json()["items"]
    assert other["state"] == "refused"
    for role in ("staff", "supervisor", "resident"):
        assert town.api(role).get("/api/v1/visits").status_code == 403
    assert town.enter("s-feng").get("/desk/visits").status_code == 403


@pytest.mark.anyio
async def test_a_simulated_worker_walks_the_round_and_what_waited_goes_out_once(town: Town) -> None:
    visits = [town.street.want(home, who, revision=5) for home, who in (("h-su", "r-su"), ("h-tan", None))]
    code = town.shell.code("staff", "staff", "s-feng")
    worker = GridWorker(f"{town.shell.url}/login?code={code}", name="grid-2", seed="linli-7", pace=1e6)
    async with running(worker) as url, httpx.AsyncClient(base_url=url, trust_env=False) as knobs:
        await worker.load()
        assert await worker.round()
        assert worker.told["kept"] == 1
        await knobs.post("/sim/mode", json={"mode": "hang"})
        while await worker.round():
            assert worker.told["kept"] == 1
        waited = len(worker.waiting)
        assert waited == (await knobs.get("/sim/inbox")).json()["waiting"] > 0
        await knobs.post("/sim/mode", json={"mode": "flap"})
        await worker.round()
        assert len(worker.waiting) == waited  # the hub has them, and the phone does not know
        await knobs.post("/sim/mode", json={"mode": "ok"})
        await worker.round()
        assert (worker.waiting, worker.told["kept"]) == ([], waited + 1)
        assert (await knobs.post("/sim/mode", json={"mode": "asleep"})).status_code == 422
        assert (await knobs.get("/sim/inbox")).json()["items"][0]["result"] in rules.RESULTS
    await worker.close()
    assert all(len(town.street.knocks(visit)) == 1 for visit in visits)


@pytest.mark.anyio
async def test_a_simulated_worker_whose_session_ends_signs_in_again_and_loses_nothing(town: Town) -> None:
    visit = town.street.want("h-tan", None, revision=6)

    async def address() -> str:
        return f"{town.shell.url}/login?code={town.shell.code('staff', 'staff', 's-feng')}"

    worker = GridWorker(await address(), name="grid-3", seed="linli-7", pace=1e6, again=address)
    await worker.load()
    town.shell.write(lambda tx: login.close_sessions_of(tx, "s-feng"))
    while await worker.round():
        pass
    assert worker.waiting == []
    assert len(town.street.knocks(visit)) == 1
    await worker.close()


def phone(town: Town, browser: Browser, ident: str, **more: Any) -> tuple[BrowserContext, Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", **more)
    context.set_default_timeout(15_000)
    context.add_cookies([{"name": "linli_staff", "value": town.token(ident), "url": town.shell.url}])
    page = context.new_page()
    page.goto(f"{town.shell.url}/visits")
    return context, page


def report(page: Page, address: str, result: str, signature: str = "") -> None:
    door = page.locator("[data-door]").filter(has_text=address)
    door.locator(".report summary").click()
    door.get_by_text(result, exact=True).click()
    if signature:
        door.locator("[name=signature]").fill(signature)
    door.get_by_role("button", name="登记").click()


@needs("chromium")
def test_a_round_is_walked_without_a_line(town: Town, browser: Browser) -> None:
    """Kept for reading, recorded in the phone, sent once the line is back, nothing left after signing out."""
    old, far = town.street.want("h-su", "r-su", revision=3), town.street.want("h-tan", revision=3)
    context, page = phone(town, browser, "s-feng")
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    page.wait_for_function("() => caches.match('/visits').then(kept => Boolean(kept))")
    context.set_offline(True)
    page.close()
    page = context.new_page()  # opened anew without a line: to load a page again at that moment is not always offline
    page.goto(f"{town.shell.url}/visits")
    page.get_by_text("没有网络").wait_for()
    report(page, "2栋 1单元1001", "家人代收", "苏青")
    report(page, "2栋 2单元201", "不在家")
    page.get_by_text("待上传结果：2 条").wait_for()
    assert town.street.knocks(old) == []
    at = town.street.clock.now()
    town.street.see("r-su")  # she has read it elsewhere meanwhile, and nobody could tell the phone
    context.set_offline(False)
    page.wait_for_function("() => window.localStorage.length === 0")
    [family], [absent] = town.street.knocks(old), town.street.knocks(far)
    assert (family.result, family.person, family.stands, absent.result) == ("family", "r-su2", True, "absent")
    assert max(family.at, absent.at) <= at
    door = page.locator("[data-door]").filter(has_text="2栋 2单元201").filter(has_text="稍后")
    door.get_by_text("已有 1 次不在家").first.wait_for()  # the list is loaded anew once everything is answered for
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/login**")
    page.wait_for_function("() => caches.match('/visits').then(kept => !kept)")
    context.close()


@needs("chromium")
def test_a_phone_clears_its_results_on_signing_out_but_asks_first(town: Town, browser: Browser) -> None:
    visit = town.street.want("h-wang", revision=4)
    context, page = phone(town, browser, "s-grid", service_workers="block")
    context.route("**/visits/results", lambda route: route.abort())
    report(page, "1栋 101", "拒绝")
    page.get_by_text("待上传结果：1 条").wait_for()
    page.get_by_role("button", name="退出").click()
    page.get_by_text("还有结果没有上传").wait_for()
    assert page.evaluate("() => window.localStorage.length") == 1
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/login**")
    assert page.evaluate("() => window.localStorage.length") == 0
    assert town.street.knocks(visit) == []
    context.close()

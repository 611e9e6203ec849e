"""The pages and the API: a kiosk acts on its own hut, a resident reads their own, staff see a hut and no value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from hub import directory, login, registry
from hub.access import Needs, Public, SignedIn, Subject, declarations
from hub.civic.health import MODULE, alerts, api, desk, kiosk, resident
from hub.civic.health.models import HealthAlert
from hub.db import Tx
from hub.i18n import speaking
from hub.migrations import difference
from tests.health.hutrig import HUT, OTHER, PERMISSIONS, WANG, Hut, run_apart, services_of
from tests.world import CITY, LIUHE
from web.app import create_app

HIGH = {"sys": "152", "dia": "88", "map": "109", "pulse": "76"}
URGENT = {"sys": "186", "dia": "112", "map": "137", "pulse": "80"}
LIUHE_PATH = "420800000000/420802000000/420802002000/420802002001"


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def staff(hut: Hut, ident: str) -> Subject:
    def find(read: Any) -> Subject:
        return Subject(id=ident, kind="staff", grants=directory.grants(read, ident), surface="staff")

    return hut.store.read_now(find).with_permissions(PERMISSIONS)


Asks = Callable[[httpx.AsyncClient, str], Any]


def ask(hut: Hut, surface: str, kind: str, ident: str, asks: Asks, *, demo: bool = False) -> Any:
    """Do something as a signed-in browser; `asks` gets the client and the CSRF token."""
    token = hut.store.write_now(lambda tx: login.open_session(tx, surface, kind, ident, area=LIUHE))
    who = hut.store.read_now(lambda read: login.subject_of(read, token, surface))
    assert who is not None

    async def go() -> Any:
        app = hut.apps.get(demo) or hut.apps.setdefault(demo, create_app(services_of(hut, demo=demo)))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            client.cookies.set(f"linli_{surface}", token)
            return await asks(client, who.csrf)

    return run_apart(go())


def test_every_route_says_who_may_use_it() -> None:
    assert MODULE.router is not None
    routes = MODULE.router().routes
    assert len(routes) > 20
    for route in routes:
        assert any(isinstance(each, Needs | SignedIn | Public) for each in declarations(route)), route


def test_the_tables_are_those_of_the_migration(hut: Hut) -> None:
    assert not [change for change in difference(hut.store) if "health_" in str(change)]


def test_a_kiosk_acts_on_its_own_hut_only(hut: Hut) -> None:
    async def asks(client: httpx.AsyncClient, csrf: str) -> list[int]:
        return [
            (await client.get(f"/kiosk/{HUT}")).status_code,
            (await client.get(f"/kiosk/{OTHER}")).status_code,
            (await client.post(f"/kiosk/{OTHER}/guest", data={"csrf": csrf})).status_code,
            (await client.post(f"/kiosk/{HUT}/guest", data={"csrf": csrf})).status_code,
            (await client.post(f"/kiosk/{HUT}/guest")).status_code,
        ]

    assert ask(hut, "kiosk", "kiosk", HUT, asks) == [200, 403, 403, 303, 403]
    assert hut.session(OTHER) is None


def test_from_card_to_number_it_takes_few_touches_without_script(hut: Hut) -> None:
    async def asks(client: httpx.AsyncClient, csrf: str) -> list[str]:
        pages = []
        for verb, more in (
            ("start", {}),
            ("card", {"card": "000001"}),
            ("consent", {}),
            ("choose", {"kind": "bp"}),
        ):
            answer = await client.post(f"/kiosk/{HUT}/{verb}", data={"csrf": csrf, **more})
            assert answer.status_code == 303
            pages.append((await client.get(answer.headers["location"])).text)
        hut.measure(values=HIGH)
        pages.append((await client.get(f"/kiosk/{HUT}")).text)
        return pages

    pages = ask(hut, "kiosk", "kiosk", HUT, asks)
    stages = [re.search(r'data-stage="(\w+)"', page) for page in pages]
    assert [found[1] if found else "" for found in stages] == ["card", "consent", "ready", "measuring", "result"]
    assert "152" in pages[-1]
    assert "王奶奶，您好" in pages[-1]
    assert "演示" not in pages[-1]


def test_the_demo_buttons_are_there_in_the_demo_only(hut: Hut) -> None:
    async def asks(client: httpx.AsyncClient, csrf: str) -> tuple[str, list[int]]:
        page = (await client.get(f"/kiosk/{HUT}")).text
        card = await client.post(f"/kiosk/{HUT}/demo-card", data={"csrf": csrf})
        await client.post(f"/kiosk/{HUT}/unnamed", data={"csrf": csrf})
        cuff = await client.post(f"/kiosk/{HUT}/demo-measure", data={"csrf": csrf, "kind": "bp"})
        return page, [card.status_code, cuff.status_code]

    page, codes = ask(hut, "kiosk", "kiosk", HUT, asks)
    assert "演示:刷卡" not in page
    assert codes == [404, 404]
    page, codes = ask(hut, "kiosk", "kiosk", HUT, asks, demo=True)
    assert "演示:刷卡" in page
    assert "演示:量血压" in page
    assert codes == [303, 303]
    assert "128" in hut.page()


def test_a_resident_watches_nobody_else() -> None:
    mine = Subject(id="r-wang", kind="resident")
    for topic in MODULE.topics:
        if topic.name in ("health.home", "health.readings"):
            assert topic.allow(mine, "r-wang")
            assert not topic.allow(mine, "r-lin")
            assert not topic.allow(Subject(id="r-wang", kind="staff"), "r-wang")


def test_a_new_reading_draws_the_residents_page_anew(hut: Hut) -> None:
    touched: set[tuple[str, str]] = set()
    hut.store.bus.observe(lambda _events, topics: touched.update(topics))
    hut.visit(WANG)
    hut.measure(values=HIGH)
    assert {("health.home", "r-wang"), ("health.readings", "r-wang"), ("health.kiosk", HUT)} <= touched


def test_my_health_shows_my_readings_with_word_device_and_time(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=HIGH)
    hut.measure("spo2", {"spo2": "97", "pulse": "70"})

    async def asks(client: httpx.AsyncClient, _csrf: str) -> list[str]:
        return [(await client.get("/me/health")).text, (await client.get("/")).text]

    mine, home = ask(hut, "resident", "resident", "r-wang", asks)
    for words in ("152/88", "偏高", "97", "参考范围内", "设备时间", "不作为诊断依据"):
        assert words in mine, words
    names = hut.store.read_now(
        lambda read: f"{registry.hut(read, HUT).zh} · {registry.devices_of_hut(read, HUT)[0].zh}"
    )
    assert names in mine
    assert "bp-1" not in mine
    assert "152/88" in home
    others, _home = ask(hut, "resident", "resident", "r-lin", asks)
    assert "152" not in others


def test_only_the_newest_of_each_kind_advises_and_for_a_day(hut: Hut) -> None:
    hut.visit(WANG)
    first, second = hut.measure(values=HIGH), ""
    hut.clock.advance(3_600)
    hut.act(kiosk.touch, HUT)
    second = hut.measure(values=HIGH)
    view = hut.store.read_now(lambda read: resident.every(read, "r-wang"))
    assert first not in view["advised"]
    assert list(view["advised"]) == [second]
    shown = hut.render("health/readings.html", view, "zh")
    assert shown.count("请休息后复测") == 1
    assert shown.count("偏高") == 2
    hut.clock.advance(86_400)
    later = hut.store.read_now(lambda read: resident.every(read, "r-wang"))
    assert not later["advised"]
    assert "请休息后复测" not in hut.render("health/readings.html", later, "zh")


def test_a_reading_sent_later_says_so(hut: Hut) -> None:
    hut.visit(WANG)
    ident = hut.measure(values=HIGH)

    def age(tx: Tx) -> None:
        row = tx.session.get(kiosk.Reading, ident)
        assert row is not None
        row.t_effective_ms -= 3_600_000
        tx.session.add(row)

    hut.write(age)
    with speaking("zh"):
        shown = hut.store.read_now(
            lambda read: hut.render("health/readings.html", resident.every(read, "r-wang"), "zh")
        )
    assert "补传" in shown


def test_the_trend_is_well_formed_and_ends_with_the_number_below_it(hut: Hut) -> None:
    hut.visit(WANG)
    for day, sys in enumerate(("148", "151", "190", "152")):
        hut.clock.advance(86_400 * (1 if day != 2 else 5))
        hut.act(kiosk.touch, HUT)
        hut.measure(values={"sys": sys, "dia": "88", "pulse": "70"})
    view = hut.store.read_now(lambda read: resident.home(read, "r-wang"))
    trend = view["trend"]
    assert [sample.numbers[0] for sample in trend.samples] == [148, 151, 190, 152]
    assert view["last"].large[0].text == str(trend.samples[-1].numbers[0])
    assert len(trend.lines[0].stretches) == 2  # five days without a reading are a gap
    assert len(trend.urgent) == 1
    html = hut.render("health/home.html", view, "zh")
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ElementTree.fromstring(svg)  # noqa: S314 - our own drawing
    assert "<table" in html


def test_the_list_of_calls_names_a_hut_and_no_value(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT)
    view = hut.store.read_now(lambda read: desk.waiting(read, LIUHE_PATH))
    html = hut.render("health/calls.html", view, "zh")
    assert "居民健康小屋" in html
    assert "社区服务中心" in html
    for hidden in ("186", "112", "王"):
        assert hidden not in html
    assert desk.may_watch(staff(hut, "s-attendant"), LIUHE_PATH)
    assert not desk.may_watch(staff(hut, "s-operator"), LIUHE_PATH)


def test_a_value_is_opened_beside_the_resident_or_by_the_doctor_they_told(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT)
    hut.clock.advance(300)
    hut.measure(values={**URGENT, "sys": "184"})
    alert = hut.alerts()[0]

    def may(ident: str) -> bool:
        who = staff(hut, ident)
        return hut.store.read_now(lambda read: desk.may_open(read, who, alerts.get(read, alert.id)))

    assert (may("s-attendant"), may("s-doctor"), may("s-staff")) == (True, False, False)
    hut.act(lambda tx: alerts.tell_doctor(tx, kiosk.open_at(tx, HUT), True))  # type: ignore[arg-type]
    assert (may("s-attendant"), may("s-doctor"), may("s-staff")) == (True, True, False)
    hut.act(kiosk.end, HUT)
    assert (may("s-attendant"), may("s-doctor"), may("s-staff")) == (False, True, False)


def test_opening_is_on_record_and_done_is_done(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT)
    alert = hut.alerts()[0].id

    async def asks(client: httpx.AsyncClient, csrf: str) -> list[Any]:
        opened = await client.get(f"/desk/huts/{alert}")
        done = await client.post(f"/desk/huts/{alert}/done", data={"csrf": csrf})
        again = await client.post(f"/desk/huts/{alert}/done", data={"csrf": csrf})
        return [opened.status_code, "186/112" in opened.text, done.status_code, again.status_code]

    assert ask(hut, "staff", "staff", "s-attendant", asks) == [200, True, 303, 409]
    row = hut.store.read_now(lambda read: read.session.get(HealthAlert, alert))
    assert row is not None
    assert (row.state, row.done_by) == ("done", "staff:s-attendant")


def test_the_api_gives_everyone_what_is_theirs(hut: Hut) -> None:
    hut.visit(WANG)
    first = hut.measure(values=HIGH)
    hut.clock.advance(60)
    second = hut.measure(values=URGENT)
    hut.act(kiosk.end, HUT)
    hut.clock.advance(60)
    third = hut.measure()

    def listed(who: Subject, limit: int = 50, after: str | None = None) -> dict[str, Any]:
        return hut.store.read_now(lambda read: api.page_of_readings(read, who, None, limit, after))

    mine = Subject(id="r-wang", kind="resident")
    page = listed(mine, limit=1)
    assert [item["id"] for item in page["items"]] == [second]
    rest = listed(mine, limit=1, after=page["after"])
    assert [item["id"] for item in rest["items"]] == [first]
    assert rest["after"] is None
    assert rest["items"][0]["values"][0] == {
        "code": "sys", "value": "152", "unit": "mm[Hg]", "loinc": "8480-6", "mdc": 150021, "absent_reason": None,
    }  # fmt: skip
    assert listed(Subject(id="r-lin", kind="resident"))["items"] == []
    assert listed(staff(hut, "s-doctor"))["items"] == []
    hut.act(lambda tx: directory.give_consent(tx, "r-wang", "doctor", "1", "oral"))
    assert len(listed(staff(hut, "s-doctor"))["items"]) == 2
    operator = listed(staff(hut, "s-operator"))["items"]
    assert [item["id"] for item in operator] == [third, second, first]
    assert all(item["values"] == [] and item["person"] is None for item in operator)
    assert listed(staff(hut, "s-publisher"))["items"] == []


def test_the_api_lists_alerts_without_values(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT)

    async def asks(client: httpx.AsyncClient, _csrf: str) -> list[Any]:
        answer = await client.get("/api/v1/alerts")
        return [answer.status_code, answer.text]

    code, text = ask(hut, "staff", "staff", "s-doctor", asks)
    assert code == 200
    assert '"rule":"bp-cn-2024@1"' in text.replace(" ", "")
    assert "186" not in text
    assert "r-wang" not in text
    refused, _text = ask(hut, "staff", "staff", "s-operator", asks)
    assert refused == 403


def test_an_alert_elsewhere_is_not_listed_here(hut: Hut) -> None:
    hut.measure(values=URGENT)
    for path, count in ((LIUHE_PATH, 1), (CITY, 1), (f"{CITY}/420802000000/420802001000", 0)):
        assert len(hut.store.read_now(lambda read, path=path: alerts.open_below(read, path))) == count


def test_a_cursor_that_is_none_is_refused(hut: Hut) -> None:
    async def asks(client: httpx.AsyncClient, _csrf: str) -> int:
        return (await client.get("/api/v1/readings", params={"after": "nonsense"})).status_code

    assert ask(hut, "resident", "resident", "r-wang", asks) == 422

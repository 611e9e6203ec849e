"""The fleet's pages: who may open them, what a phone with a label does, and that a device of elsewhere is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from hub import login
from hub.access import Permissions
from hub.civic.fleet import MODULE
from tests.fleet.fleetrig import BP, CITY, HUT, Fleet

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.store.close()


def csrf(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found is not None
    return found[1]


def test_who_may_see_claim_and_act() -> None:
    held = Permissions([MODULE.permissions or {}])
    assert held.roles("fleet.act") == {"operator"}
    assert held.roles("fleet.claim") == {"operator", "attendant"}
    assert "staff" not in held.roles("fleet.view")


async def test_from_the_label_to_the_hut_by_the_pages(fleet: Fleet) -> None:
    async with fleet.client() as operator:
        page = await operator.get("/operate/fleet")
        assert page.status_code == 200
        form = {"csrf": csrf(page.text), "profile": BP, "serial": "PLATE-77", "area": CITY}
        label = await operator.post("/operate/fleet", data=form)
        assert label.status_code == 200
        shown = re.search(r'fleet-code">(\w{4}) (\w{4})<', label.text)
        assert shown is not None
        code = shown[1] + shown[2]
        assert code not in (await operator.get("/operate/fleet")).text, "a code is shown once"
    async with fleet.client("s-attendant") as phone:
        first = await phone.get("/claim", params={"code": code})
        token = csrf(first.text)
        assert (await phone.post("/claim", data={"csrf": token, "code": "0000 0000"})).status_code == 404
        found = await phone.post("/claim", data={"csrf": token, "code": code})
        assert "PLATE-77" in found.text
        empty = await phone.post("/claim/here", data={"csrf": token, "code": code, "gateway": HUT, "place": " "})
        assert empty.status_code == 422
        assert "PLATE-77" in empty.text
        done = await phone.post("/claim/here", data={"csrf": token, "code": code, "gateway": HUT, "place": "左侧台面"})
        assert (done.status_code, "试测一次" in done.text) == (200, True)
        assert (await phone.post("/operate/fleet", data=form | {"csrf": token})).status_code == 403


async def test_a_devices_page_takes_a_paper_an_order_and_a_wish(fleet: Fleet) -> None:
    async with fleet.client() as operator:
        token = csrf((await operator.get("/operate/fleet/bp-1")).text)
        paper = {
            "csrf": token, "number": "JD-7", "institute": "荆门计量所", "standard": "JJG 692-2010",
            "issued": "2025-11-01", "due": "2026-10-31", "result": "pass",
        }  # fmt: skip
        kept = await operator.post(
            "/operate/fleet/bp-1/certificate", data=paper, files={"paper": ("a.pdf", b"scan", "application/pdf")}
        )
        assert kept.status_code == 303
        assert (
            await operator.post("/operate/fleet/bp-1/command", data={"csrf": token, "name": "identify"})
        ).is_redirect
        wish = {"csrf": token, "key": "volume", "value": "2"}
        assert (await operator.post("/operate/fleet/bp-1/wish", data=wish)).is_redirect
        sheet = (await operator.get("/operate/fleet/bp-1")).text
        for word in ("检定已过期", "JD-7", "SHA-256", "闪灯识别", "volume", "不一致"):
            assert word in sheet, word
        wrong = await operator.post("/operate/fleet/bp-1/certificate", data=paper | {"due": "2025-01-01"})
        assert (wrong.status_code, "到期日必须晚于发证日" in wrong.text) == (422, True)
        english = await operator.get("/operate/fleet/bp-1", headers={"accept-language": "en"}, params={"lang": "en"})
        assert "Certificate over" in english.text


async def test_a_device_of_elsewhere_is_not_there(fleet: Fleet) -> None:
    async with fleet.client("s-ty-op") as other:
        assert (await other.get("/operate/fleet/bp-1")).status_code == 404
        assert (await other.get("/operate/fleet/bp-2")).status_code == 200
        assert "bp-1" not in (await other.get("/operate/fleet")).text
        token = csrf((await other.get("/operate/fleet/bp-2")).text)
        assert (await other.post("/operate/fleet/bp-1/state", data={"csrf": token, "to": "retired"})).status_code == 404
        days = {"since": "2026-11-01", "until": "2026-11-30"}
        for query in ({"device": "bp-1"}, {"lot": "L-7"}):
            answer = await other.get("/operate/fleet/recall", params=days | query)
            assert answer.status_code in (404, 422), query


async def test_a_recall_counts_first_and_flags_with_a_reason(fleet: Fleet) -> None:
    fleet.measure("bp-2", gateway="ty-hut-1")
    async with fleet.client() as operator:
        days = {"since": "2026-11-01", "until": "2026-11-30", "device": "bp-2"}
        counted = await operator.get("/operate/fleet/recall", params=days)
        assert "1 条测量，涉及 0 人" in counted.text
        form = days | {"csrf": csrf(counted.text), "reason": "recalled", "words": "袖带漏气"}
        assert "已加注 1 条测量" in (await operator.post("/operate/fleet/recall", data=form)).text
        empty = await operator.post("/operate/fleet/recall", data=form | {"words": " "})
        assert empty.status_code == 422


async def test_nobody_without_a_session_reads_the_fleet(fleet: Fleet) -> None:
    async with fleet.client() as operator:
        operator.cookies.clear()
        answer = await operator.get("/operate/fleet", headers={"accept": "application/json"})
        assert answer.status_code == 401
    token = fleet.act(login.create_token, "resident", CITY)
    async with fleet.client() as resident:
        resident.cookies.clear()
        answer = await resident.get("/operate/fleet", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 403

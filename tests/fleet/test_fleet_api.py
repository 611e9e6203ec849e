"""Claims, commands, wishes and releases for programs: the same rules as on the pages, in the forms of the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hub import login, twin
from hub.civic.fleet import holds
from hub.civic.fleet.rules import Finding
from tests.fleet.fleetrig import BP, CITY, HUT, LIUHE, OTHER, TAYING, Fleet

pytestmark = pytest.mark.anyio


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.store.close()


def program(fleet: Fleet, role: str = "operator", area: str = CITY) -> httpx.AsyncClient:
    token = fleet.act(login.create_token, role, area)
    transport = httpx.ASGITransport(app=fleet.app)
    return httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers={"authorization": f"Bearer {token}"}
    )


async def test_a_program_registers_a_device_and_another_sets_it_up_by_its_code(fleet: Fleet) -> None:
    async with program(fleet) as office, program(fleet, "attendant", LIUHE) as hut:
        body = {"area": LIUHE, "profile": BP, "serial": "S-9"}
        key = {"idempotency-key": "k-1"}
        made = await office.post("/api/v1/devices/claims", json=body, headers=key)
        again = await office.post("/api/v1/devices/claims", json=body, headers=key)
        assert (made.status_code, again.status_code) == (201, 201)
        assert "code" not in again.json()
        assert {**again.json(), "code": made.json()["code"]} == made.json(), "its code is told once"
        assert [each["device"] for each in (await hut.get("/api/v1/devices/claims")).json()["items"]] == [
            made.json()["device"]
        ]
        assert (await hut.post("/api/v1/devices/claims", json=body)).status_code == 403
        claim = {"code": made.json()["code"], "gateway": HUT, "place": "左侧台面"}
        wrong = await hut.post("/api/v1/devices/claim", json={**claim, "code": "00000000"})
        assert (wrong.status_code, wrong.headers["content-type"]) == (404, "application/problem+json")
        done = await hut.post("/api/v1/devices/claim", json=claim)
        assert (done.status_code, done.json()["id"], done.json()["life"]) == (201, made.json()["device"], "provisioned")
        for _try in range(5):
            await hut.post("/api/v1/devices/claim", json=claim)
        assert (await hut.post("/api/v1/devices/claim", json=claim)).status_code == 429, "wrong codes are counted"


async def test_a_command_is_ordered_once_for_its_key_and_followed_to_its_end(fleet: Fleet) -> None:
    async with program(fleet) as office:
        path, key = "/api/v1/devices/bp-1/commands", {"idempotency-key": "k-1"}
        order = {"name": "sync-clock", "args": {"to": "now"}, "expires_s": 60}
        made = await office.post(path, json=order, headers=key)
        assert (await office.post(path, json=order, headers=key)).json() == made.json()
        (one,) = (await office.get(path)).json()["items"]
        assert (one, "args" in one, one["state"]) == (made.json(), False, "waiting")
        fleet.clock.advance(61)
        fleet.act(twin.expire)
        assert (await office.get(f"{path}/{one['id']}")).json()["state"] == "expired"
        assert (await office.post(path, json={"name": "reboot"})).status_code == 422
        assert (await office.post(path, json={**order, "extra": 1})).status_code == 422
        assert (await office.get(f"/api/v1/devices/bp-2/commands/{one['id']}")).status_code == 404
    async with program(fleet, area=TAYING) as elsewhere:
        assert (await elsewhere.post(path, json=order)).status_code == 404, "a device of elsewhere is not there"
        assert fleet.audited("bp-1").count("CommandOrdered") == 1


async def test_a_wish_shows_where_the_device_differs_and_a_release_takes_in(fleet: Fleet) -> None:
    fields = {"readings": 3, "minutes": 16}
    fleet.act(holds.place, Finding("bp-2", OTHER, "clock-skew", fields))
    fleet.measure("bp-2", gateway=OTHER)
    async with program(fleet, area=TAYING) as client:
        said = (await client.patch("/api/v1/devices/bp-2/twin", json={"desired": {"volume": 2}})).json()
        assert (said["version"], said["desired"], said["delta"]) == (1, {"volume": 2}, ["volume"])
        assert (await client.get("/api/v1/devices/bp-2/twin")).json() == said
        path = "/api/v1/devices/bp-2/release"
        assert (await client.post(path, json={"why": " "})).status_code == 422
        done = await client.post(path, json={"why": "已校时", "take_in": True})
        assert done.json() == {"id": "bp-2", "life": "active", "taking_in": 1}
    assert [hold.released_at is not None for hold in fleet.holds()] == [True]

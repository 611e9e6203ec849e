"""Vendors' webhooks: proven, stored before they are answered, harmless when they come again, and bounded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from devices.vendor import all_vendors, signature
from hub import readings, registry
from hub.clock import ManualClock
from hub.db import Tx
from hub.quarantine import QuarantineRow
from hub.readings import RawFrame, Reading
from tests.web.shell_world import Shell, make_shell
from tests.world import LIUHE
from web import hooks

pytestmark = pytest.mark.anyio

SECRET = "a-secret-of-the-vendor"
CUFF = "A4:C1:38:00:00:01"
RECORD = {"user_index": 1, "systolic": 138, "diastolic": 88, "blood_unit": "mmHg", "pulse": 72, "timestamp": 1773534605}


def body(*records: dict[str, object]) -> bytes:
    return json.dumps({"blood_pressures": list(records)}).encode()


GOOD = body({**RECORD, "mac": CUFF})


@dataclass
class Hooked:
    shell: Shell
    http: httpx.AsyncClient

    async def post(self, content: bytes, vendor: str = "yolanda", **headers: str) -> httpx.Response:
        sent = {"x-linli-key": SECRET} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"/hooks/{vendor}", content=content, headers=sent)

    def rows(self) -> list[Reading]:
        return self.shell.store.read_now(lambda read: list(read.session.execute(select(Reading)).scalars()))

    def poisons(self) -> list[str]:
        oldest_first = select(col(QuarantineRow.reason)).order_by(col(QuarantineRow.id))
        return self.shell.store.read_now(lambda read: list(read.session.execute(oldest_first).scalars()))


def furnish(tx: Tx) -> None:
    registry.found_hut(tx, "h1", LIUHE, "小屋", "Hut")
    registry.add_gateway(tx, "h1", LIUHE, "h1")
    registry.add_device(tx, "cuff-1", "h1", "yolanda-cuff", serial="a4c138000001")
    registry.add_device(tx, "cuff-2", "h1", "yolanda-cuff", serial="A4-C1-38-00-00-02")
    registry.add_device(tx, "any-1", "h1", "generic.json.map", serial="METER-0001")


@pytest.fixture
async def hooked(tmp_path: Path) -> AsyncIterator[Hooked]:
    secrets = {f"hooks.{each}.secret": SECRET for each in ("yolanda", "signed-json")}
    shell = make_shell(tmp_path, config=secrets)
    shell.store.write_now(furnish)
    shell.services.registry.look()
    transport = httpx.ASGITransport(app=shell.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield Hooked(shell, http)
    shell.store.close()


async def test_a_vendors_record_is_on_the_disk_when_it_hears_success(hooked: Hooked) -> None:
    reply = await hooked.post(GOOD)
    assert (reply.status_code, reply.text) == (200, "success")
    (row,) = hooked.rows()
    assert (row.device, row.kind, row.quality, row.t_device) == ("cuff-1", "bp", "ok", "2026-03-15T08:30:05")
    values = hooked.shell.store.read_now(lambda read: readings.values(read, row))
    assert [(value.code, value.text) for value in values] == [("sys", "138"), ("dia", "88"), ("pulse", "72")]


async def test_a_replay_is_answered_and_stores_nothing(hooked: Hooked) -> None:
    """Also where the record tells no time: the same body is the same message for ever."""
    timeless = body({"systolic": 120, "diastolic": 80, "mac": CUFF})
    for content in (GOOD, timeless, GOOD, timeless, timeless):
        assert (await hooked.post(content)).text == "success"
    assert len(hooked.rows()) == 2
    assert hooked.shell.services.ingest.meter.duplicate == 3
    assert hooked.shell.services.ingest.meter.balanced()


async def test_one_message_of_two_devices_is_two_readings_whatever_the_spelling(hooked: Hooked) -> None:
    reply = await hooked.post(body({**RECORD, "mac": "A4-C1-38-00-00-01"}, {**RECORD, "mac": "a4c1.3800.0002"}))
    assert reply.text == "success"
    assert sorted(row.device for row in hooked.rows()) == ["cuff-1", "cuff-2"]


async def test_what_cannot_be_read_is_kept_apart_and_not_sent_for_ever(hooked: Hooked) -> None:
    for content, reason in (
        (b"not json", "bad-json"),
        (b'{"blood_pressures": []}', "not-a-list"),
        (body({**RECORD, "mac": "00:00:00:00:00:99"}), "unknown-address"),
        (body({**RECORD, "mac": CUFF, "systolic": "high"}), "not-a-number"),
    ):
        assert (await hooked.post(content)).text == "success"
        assert reason in hooked.poisons()
    assert not hooked.rows()


async def test_without_the_agreed_proof_nothing_is_looked_at(hooked: Hooked) -> None:
    assert (await hooked.post(GOOD, x_linli_key="wrong")).status_code == 403
    assert (await hooked.http.post("/hooks/yolanda", content=GOOD)).status_code == 403
    assert (await hooked.http.post(f"/hooks/yolanda?key={SECRET}", content=GOOD)).status_code == 200
    assert (await hooked.post(GOOD, "yolanda-scale")).status_code == 404, "it has no secret"
    assert (await hooked.post(GOOD, "nobody")).status_code == 404
    assert len(hooked.rows()) == 1
    assert hooked.shell.services.ingest.meter.refused["hook-proof"] == 2


async def test_a_signed_message_must_be_whole_and_fresh(hooked: Hooked) -> None:
    content = json.dumps({"records": [{"device": "meter-0001", "sys": 120, "dia": 80}]}).encode()
    now = int(hooked.shell.services.clock.now().timestamp())

    async def send(time: int, signed: bytes = content) -> int:
        proof = {"x_linli_signature": signature(SECRET, str(time), signed), "x_linli_time": str(time)}
        return (await hooked.post(content, "signed-json", **proof)).status_code

    assert await send(now, signed=content + b" ") == 403, "a changed body"
    assert await send(now - 301) == 403, "an old message played again"
    assert await send(now + 301) == 403
    assert not hooked.rows()
    assert not hooked.poisons()


async def test_a_vendor_is_bounded_in_size_and_rate(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await hooked.post(b" " * 200_000)).status_code == 413
    bucket = hooks.Bucket(clock := ManualClock(hooked.shell.services.clock.now()))
    assert [bucket.take() for _ in range(int(hooks.CALLS_AT_ONCE) + 1)].count(True) == hooks.CALLS_AT_ONCE
    clock.advance(1.0)
    assert [bucket.take() for _ in range(100)].count(True) == hooks.CALLS_A_SECOND
    monkeypatch.setattr(hooks, "CALLS_AT_ONCE", 0.0)
    assert (await hooked.post(GOOD, "signed-json")).status_code in (403, 429)


async def test_a_store_that_is_away_says_no_success(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_work: Callable[..., Awaitable[None]], **_how: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(hooked.shell.store, "write", away)
    reply = await hooked.post(GOOD)
    assert reply.status_code == 503
    assert "success" not in reply.text


async def test_a_name_and_an_id_number_never_reach_the_disk(hooked: Hooked) -> None:
    named = {**RECORD, "mac": CUFF, "name": "王小明", "idcard": "420802196001011234"}
    for content in (body(named), body({**named, "mac": "00:00:00:00:00:99"}), body({**named, "systolic": "x"})):
        assert (await hooked.post(content)).status_code == 200

    def kept(read: object) -> list[bytes]:
        session, seal = read.session, read.seal  # type: ignore[attr-defined]
        frames = [readings.open_raw(seal, row.payload) for row in session.execute(select(RawFrame)).scalars()]
        rows = session.execute(select(QuarantineRow)).scalars()
        return frames + [seal.read(row.payload, "quarantine.payload") for row in rows]

    found = hooked.shell.store.read_now(kept)
    assert len(found) == 3
    assert not [each for each in found if b"420802" in each or "王".encode() in each or b"\\u738b" in each]


def test_every_vendor_is_whole() -> None:
    assert {"yolanda", "cm4-ble-gw", "dusun", "theengs"} <= set(all_vendors())
    for vendor in all_vendors().values():
        assert vendor.title_zh != vendor.title_en or vendor.id == "theengs"
        assert vendor.source
        assert vendor.topics or vendor.hook

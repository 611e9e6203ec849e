"""Foreign topics: a gateway's own JSON becomes readings of registered devices, and nobody's name comes with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from hub import readings, registry
from hub.clock import ManualClock
from hub.db import Read, Store, Tx
from hub.ingest import Ingest
from hub.quarantine import QuarantineRow
from hub.readings import RawFrame, Reading
from hub.registry import Registry
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict
from tests.world import LIUHE, START, make_store, people

PERSON = {"citiz": "3570300400000", "nameEN": "Mr. Wang", "nameTH": "王小明", "brith": "25220713", "gender": "1"}
KIOSK = {
    "from": "PI",
    "to": "CLOUD",
    "time": 1773534605,
    "mac": "e4:5f:01:ed:82:59",
    "type": "reportAttribute",
    **PERSON,
}


def kiosk(attribute: str, address: str, **value: object) -> bytes:
    data = {"attribute": attribute, "ble_mac": address, "value": value}
    return json.dumps({**KIOSK, "data": data}, ensure_ascii=False).encode()


def listed(attribute: str, *records: dict[str, object]) -> bytes:
    data = {"attribute": attribute, "mac": "08:F9:E0:D1:F7:B4", "value": {"device_list": list(records)}}
    return json.dumps({"from": "BLE", "type": "reportAttribute", "time": 1773534605, "data": data}).encode()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.store: Store = make_store(folder, clock=self.clock)
        self.store.write_now(self._furnish)
        self.registry = Registry(self.store, self.clock)
        self.registry.look()
        self.verdicts: list[Verdict] = []
        self.ingest = Ingest(self.store, self.registry, self.clock, SeededRng("ids"))

    def _furnish(self, tx: Tx) -> None:
        people(tx)
        registry.found_hut(tx, "h1", LIUHE, "小屋", "Hut")
        registry.add_gateway(tx, "h1", LIUHE, "h1")
        for ident, profile, serial in (
            ("bp", "jumper-wbp", "FF:22:09:08:31:31"),
            ("meter", "contour-cm4", "00:5F:BF:97:6C:84"),
            ("temp", "jumper-temo-dusun", "ff2301283119"),
            ("scale", "jumper-scale-dusun", "A0779E1C14D8"),
            ("air", "xiaomi-lywsd03mmc", "a4c138000001"),
            ("twin-1", "jumper-wbp", "aa:aa:aa:aa:aa:aa"),
            ("twin-2", "jumper-wbp", "AAAA.AAAA.AAAA"),
        ):
            registry.add_device(tx, ident, "h1", profile, serial=serial)

    def say(self, topic: str, payload: bytes) -> Verdict:
        async def go() -> None:
            uplink = Uplink("kiosk-maker", topic, payload, self.clock.now(), self.verdicts.append)
            await self.ingest.put(uplink)
            await self.ingest.drain()

        asyncio.run(go())
        return self.verdicts[-1]

    def last(self) -> tuple[str, str, dict[str, str | None], str]:
        def look(read: Read) -> tuple[str, str, dict[str, str | None], str]:
            row = read.session.execute(select(Reading).order_by(Reading.t_received_ms.desc())).scalars().first()  # type: ignore[attr-defined]
            assert row is not None
            return row.device, row.quality, {each.code: each.text for each in readings.values(read, row)}, row.context

        self.clock.advance(1)
        return self.store.read_now(look)

    def quarantined(self) -> list[str]:
        return self.store.read_now(
            lambda read: [row.reason for row in read.session.execute(select(QuarantineRow)).scalars()]
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("foreign"))
    yield made
    made.store.close()


def test_a_kiosk_of_another_maker_gives_readings_by_its_own_json(bench: Bench) -> None:
    bench.say("CM4_BLE_GW_TX", kiosk("WBP_JUMPER", "ff-22-09-08-31-31", bp_high=120, bp_low=78, pr=71))
    assert bench.last() == ("bp", "ok", {"sys": "120", "dia": "78", "pulse": "71"}, "{}")
    bench.say("CM4_BLE_GW_TX", kiosk("CONTOUR", "005FBF976C84", blood_glucose=97, marker="After Meal"))
    assert bench.last() == ("meter", "ok", {"glucose": "5.38"}, '{"meal":"after"}'), "97 without a unit is mg/dL"


def test_leftovers_of_32_bits_are_rounded_and_text_is_a_number(bench: Bench) -> None:
    payload = listed("IR_TEMO_JUMPER", {"ble_addr": "FF:23:01:28:31:19", "temp": 36.43000031})
    assert b"36.43000031" in payload
    bench.say("dusun_pub", payload)
    assert bench.last()[:3] == ("temp", "ok", {"temp": "36.43"})
    bench.say("dusun_sub", listed("BodyScale_JUMPER", {"ble_addr": "A0779E1C14D8", "weight": "79.30000305"}))
    assert bench.last()[:3] == ("scale", "ok", {"weight": "79.30"})


def test_a_decoded_advert_is_the_air_of_the_hut(bench: Bench) -> None:
    advert = b'{"id":"A4:C1:38:00:00:01","rssi":-62,"tempc":21.4,"hum":48,"batt":90}'
    bench.say("home/gw1/BTtoMQTT/A4C138000001", advert)
    assert bench.last()[:3] == ("air", "ok", {"air_temp": "21.4", "humidity": "48", "battery": "90"})


def test_a_heartbeat_is_heard_and_not_kept(bench: Bench) -> None:
    before = (bench.ingest.meter.stored, bench.quarantined())
    heartbeat = b'{"type":"HB_Msg","mac":"dc:a6:32:fe:a3:eb","IMEI":"867395074089109","data":{"msg":"Online"}}'
    for topic in ("CM4_BLE_GW_TX", "ESP32_BLE_GW_TX"):
        bench.say(topic, heartbeat)
    assert (bench.ingest.meter.stored, bench.quarantined()) == before


def test_an_unknown_or_a_doubled_address_speaks_for_nobody(bench: Bench) -> None:
    for address in ("00:00:00:00:00:99", "AA:AA:AA:AA:AA:AA"):
        verdict = bench.say("CM4_BLE_GW_TX", kiosk("WBP_JUMPER", address, bp_high=120, bp_low=78, pr=71))
        assert verdict is Verdict.QUARANTINED
    assert bench.quarantined().count("unknown-address") == 2
    assert bench.say("SOME_OTHER_TX", b"{}") is Verdict.QUARANTINED
    assert "unknown-topic" in bench.quarantined()


def test_a_standard_number_over_a_private_layout_is_not_believed(bench: Bench) -> None:
    """Xiaomi's scale sends 13 bytes of its own under the number of body composition: its profile reads adverts only."""
    own = f"linli/1/{LIUHE}/h1/up/air/"
    assert bench.say(own + "sig.2a9c", bytes.fromhex("0000e600")) is Verdict.QUARANTINED
    assert "other-codec" in bench.quarantined()
    assert bench.say(own + "sig.2a19", b"\x40") is Verdict.STORED, "the battery of any device is read"


def test_no_name_and_no_id_number_is_anywhere_on_the_disk(bench: Bench) -> None:
    def kept(read: Read) -> list[bytes]:
        raw = [readings.open_raw(read.seal, row.payload) for row in read.session.execute(select(RawFrame)).scalars()]
        poisons = read.session.execute(select(QuarantineRow)).scalars()
        return raw + [read.seal.read(row.payload, "quarantine.payload") for row in poisons]

    for address in ("ff-22-09-08-31-31", "00-00-00-00-00-01", "00-00-00-00-00-02"):
        for high in (118, 119, 121):
            bench.say("CM4_BLE_GW_TX", kiosk("WBP_JUMPER", address, bp_high=high, bp_low=76, pr=70))
    found = bench.store.read_now(kept)
    assert len(found) > 5
    for secret in ("3570300400000", "Wang", "王", "25220713"):
        assert not [payload for payload in found if secret.encode() in payload]

"""What a visitor tries with mosquitto_pub and the printed login: frames typed by hand, good and bad."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.conftest import needs
from tests.e2e.conftest import DemoUnderTest, eventually

pytestmark = needs("mosquitto_pub")
LOCAL = timezone(timedelta(hours=8))


def cuff(sys: int, dia: int, at: datetime, user: int = 1) -> bytes:
    """A 2A35 frame, put together here byte by byte: flags time, pulse, user."""
    numbers = b"".join(value.to_bytes(2, "little") for value in (sys, dia, (sys + 2 * dia) // 3))
    clock = at.year.to_bytes(2, "little") + bytes([at.month, at.day, at.hour, at.minute, at.second])
    return bytes([0x0E]) + numbers + clock + (72).to_bytes(2, "little") + bytes([user])


def publish(demo: DemoUnderTest, payload: bytes, *, device: str, codec: str = "sig.2a35", **change: str) -> str:
    gateway = demo.gateway("free-hand")
    given = {"user": "free-hand", "password": gateway["password"], "area": gateway["area"], "gateway": "free-hand"}
    given.update(change)
    topic = f"linli/1/{given['area']}/{given['gateway']}/up/{device}/{codec}"
    command = ["mosquitto_pub", "-h", demo.said["mqtt"]["host"], "-p", str(demo.said["mqtt"]["port"])]
    command += [
        "-V",
        change.get("version", "mqttv5"),
        "-i",
        f"hand-{id(payload)}",
        "-u",
        given["user"],
        "-P",
        given["password"],
        "-q",
        "1",
        "-t",
        topic,
        "-s",
    ]
    done = subprocess.run(command, input=payload, capture_output=True, timeout=20, check=False)
    return f"{done.returncode} {done.stderr.decode()}"


def readings(demo: DemoUnderTest, device: str) -> list[dict[str, Any]]:
    with demo.api("operator") as api:
        return [each for each in api.get("/readings").json()["items"] if each["device"] == device]


def quarantined(demo: DemoUnderTest, device: str) -> list[dict[str, Any]]:
    with demo.api("operator") as api:
        return [each for each in api.get("/quarantine").json()["items"] if each["device"] == device]


def hand_cuff(demo: DemoUnderTest) -> str:
    return next(each["id"] for each in demo.gateway("free-hand")["devices"] if each["codec"] == "sig.2a35")


def test_a_frame_typed_by_hand_is_one_reading_however_often_it_is_sent(demo: DemoUnderTest) -> None:
    frame = cuff(131, 84, datetime.now(LOCAL))
    device = hand_cuff(demo)
    before = len(readings(demo, device))
    for _ in range(3):
        assert publish(demo, frame, device=device).startswith("0")
    assert len(readings(demo, device)) == before + 1
    newest = readings(demo, device)[0]
    assert (newest["quality"], newest["t_basis"]) == ("ok", "device")
    assert newest["values"] == [], "an operator sees that there was a reading, never its value"


def test_other_content_under_the_same_identity_is_quarantined(demo: DemoUnderTest) -> None:
    at = datetime.now(LOCAL) - timedelta(seconds=30)
    device = hand_cuff(demo)
    assert publish(demo, cuff(128, 80, at), device=device).startswith("0")
    assert publish(demo, cuff(150, 95, at), device=device).startswith("0")
    assert quarantined(demo, device)[0]["reason"] == "conflict"


def test_a_failed_cuff_is_stored_without_a_number(demo: DemoUnderTest) -> None:
    device = hand_cuff(demo)
    assert publish(demo, bytes.fromhex("16ff07ff07ff07e80706170e230aff070000"), device=device).startswith("0")
    assert readings(demo, device)[0]["quality"] == "bad"


def test_poison_waits_in_quarantine_and_stops_nothing(demo: DemoUnderTest) -> None:
    now = datetime.now(LOCAL)
    device = hand_cuff(demo)
    good = cuff(133, 83, now - timedelta(seconds=50))
    impossible = good[:9] + bytes([31]) + good[10:]  # day 31 of month 11
    for payload in (good[:6], impossible, b"\xff" * 40):
        assert publish(demo, payload, device=device).startswith("0"), "inside its own tree: kept, then acknowledged"
    assert publish(demo, good, device="no-such-device").startswith("0")
    assert publish(demo, good, device=device).startswith("0")
    reasons = {each["reason"] for each in quarantined(demo, device)}
    assert {"truncated", "impossible-date"} <= reasons
    assert quarantined(demo, "no-such-device")[0]["reason"] == "unknown-device"
    assert all(each["sentence"] and "{" not in each["sentence"] for each in quarantined(demo, device))


def test_a_wrong_password_and_a_foreign_topic_are_refused(demo: DemoUnderTest) -> None:
    device, good = hand_cuff(demo), cuff(120, 80, datetime.now(LOCAL))
    assert "Bad User Name or Password" in publish(demo, good, device=device, password="wrong")
    before = len(readings(demo, "lh1-bp-1"))
    refused = publish(demo, good, device="lh1-bp-1", gateway="lh-hut-1")
    assert not refused.startswith("0 ") or "not authori" in refused.lower() or "135" in refused
    assert len(readings(demo, "lh1-bp-1")) == before


def test_a_payload_past_the_limit_is_refused_and_counted(demo: DemoUnderTest) -> None:
    def refused() -> dict[str, int]:
        with demo.api("operator") as api:
            return dict(api.get("/ingest").json()["refused"])

    before = refused().get("too-large", 0)
    # An MQTT 5 client is told the limit and keeps the packet to itself; an old one has to be refused.
    publish(demo, b"\x00" * 300_000, device=hand_cuff(demo), version="mqttv311")
    eventually(lambda: refused().get("too-large", 0) == before + 1, 5, "the refusal is counted")


def test_the_law_of_conservation_holds_after_all_of_it(demo: DemoUnderTest) -> None:
    def balanced() -> bool:
        with demo.api("operator") as api:
            ingest = api.get("/ingest").json()
        total = ingest["stored"] + ingest["duplicate"] + ingest["quarantined"] + sum(ingest["refused"].values())
        return ingest["waiting"] == 0 and ingest["ingested"] == total

    eventually(balanced, 10, "ingested = stored + duplicate + quarantined + refused")


def test_garbage_before_connect_harms_nobody(demo: DemoUnderTest) -> None:
    import socket

    address = (demo.said["mqtt"]["host"], demo.said["mqtt"]["port"])
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\x10\xff\xff\xff\xff\xff", json.dumps({}).encode()):
        with socket.create_connection(address, timeout=5) as line:
            line.sendall(garbage)
            line.settimeout(15)
            assert line.recv(64) in (b"", b"\x20\x03\x00\x81\x00", b"\x20\x03\x00\x84\x00", b"\x20\x02\x00\x01")
    assert publish(demo, cuff(121, 79, datetime.now(LOCAL)), device=hand_cuff(demo)).startswith("0")

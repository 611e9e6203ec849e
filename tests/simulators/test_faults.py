"""Simulated devices send true frames, and each fault makes exactly what its name says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.base import DecodeError, Measurement
from devices.codecs import codec
from devices.identity import anchor_of
from devices.profile import profile
from devices.quality import judge
from simulators import equipment, faults
from simulators.baseline import Oximetry, Pressure, Temperature, bp, spo2, temp
from simulators.faults import Fault, Faults
from simulators.frames import Vital, frame
from simulators.people import plan
from simulators.plan import DevicePlan

AT = datetime(2026, 11, 22, 0, 30, 5, tzinfo=UTC)
DEVICES = {device.kind: device for device in reversed(equipment.HUTS[0].devices) if device.codec}
VITALS: dict[str, Vital] = {
    "bp": Pressure(151, 93, 112, 72),
    "spo2": Oximetry(97, 71, Decimal("3.4")),
    "temp": Temperature(Decimal("36.5")),
}


def _decode(device: DevicePlan, payload: bytes) -> Measurement:
    assert device.codec is not None
    assert device.profile is not None
    (found,) = codec(device.codec).decode(payload, profile(device.profile))
    return found


def _judge(device: DevicePlan, measurement: Measurement) -> str:
    assert device.profile is not None
    return judge(measurement, profile(device.profile))[0]


def test_what_the_cuff_shows_is_what_the_hub_reads() -> None:
    found = _decode(DEVICES["bp"], frame(DEVICES["bp"], VITALS["bp"], AT, user_index=1).payload)
    assert [(value.code, value.text) for value in found.values] == [
        ("sys", "151"),
        ("dia", "93"),
        ("map", "112"),
        ("pulse", "72"),
    ]
    assert found.at is not None
    assert found.at.isoformat() == "2026-11-22T08:30:05"
    assert found.context == {"user_index": 1}


def test_an_oximeter_without_a_clock_says_no_time() -> None:
    made = frame(DEVICES["spo2"], VITALS["spo2"], AT)
    found = _decode(DEVICES["spo2"], made.payload)
    assert (made.device_time, found.at) == (None, None)
    assert [(value.code, value.text) for value in found.values] == [("spo2", "97"), ("pulse", "71"), ("pi", "3.4")]


def test_every_person_at_every_device_gives_a_good_reading() -> None:
    for person in plan("linli-1", date(2026, 11, 22)).communities[2].people[::7]:
        for vital, kind in (
            (bp("s", person, AT), "bp"),
            (spo2("s", person, AT), "spo2"),
            (temp("s", person, AT), "temp"),
        ):
            found = _decode(DEVICES[kind], frame(DEVICES[kind], vital, AT).payload)
            assert _judge(DEVICES[kind], found) == "ok", (person.id, vital)


@pytest.mark.parametrize("kind", ["bp", "spo2", "temp"])
def test_a_failed_attempt_has_no_number_anywhere(kind: str) -> None:
    found = _decode(DEVICES[kind], frame(DEVICES[kind], None, AT).payload)
    assert found.failed
    assert _judge(DEVICES[kind], found) == "bad"


def test_the_failed_cuff_sends_the_bytes_captured_in_the_wild() -> None:
    payload = frame(DEVICES["bp"], None, AT).payload
    assert payload[1:7] == bytes.fromhex("ff07ff07ff07")


@given(st.sampled_from(["bp", "spo2", "temp"]), st.integers(0, 2**64 - 1))
def test_a_malformed_frame_is_never_read(kind: str, bits: int) -> None:
    device = DEVICES[kind]
    broken = faults.truncated(frame(device, VITALS[kind], AT).payload, bits)
    with pytest.raises(DecodeError):
        _decode(device, broken)


@pytest.mark.parametrize("kind", ["bp", "temp"])
def test_an_impossible_date_is_refused_as_one(kind: str) -> None:
    made = frame(DEVICES[kind], VITALS[kind], AT)
    assert made.device_time is not None
    with pytest.raises(DecodeError) as refused:
        _decode(DEVICES[kind], faults.impossible_date(made.payload, made.device_time))
    assert refused.value.reason == "impossible-date"


def test_a_wrong_clock_is_slow_fast_or_not_set() -> None:
    said = [faults.wrong_clock(AT, bits) for bits in range(3)]
    assert said == [AT - timedelta(minutes=16), AT + timedelta(days=731), None]
    unset = _decode(DEVICES["bp"], frame(DEVICES["bp"], VITALS["bp"], None).payload)
    assert unset.at is None
    assert unset.quality_flags == ("clock_not_set",)


def test_a_conflict_has_the_same_key_and_other_content() -> None:
    one = frame(DEVICES["bp"], VITALS["bp"], AT).payload
    two = frame(DEVICES["bp"], Pressure(152, 93, 112, 72), AT).payload
    anchors = {anchor_of(_decode(DEVICES["bp"], payload), unique="").text for payload in (one, two)}
    assert one != two
    assert len(anchors) == 1


def test_an_oversized_payload_has_300_kilobytes() -> None:
    assert len(faults.oversized(7)) == 300_000


def test_faults_come_at_their_rate_the_same_way_each_time_and_stop_at_their_bound() -> None:
    def run(seed: str) -> list[Fault | None]:
        switch = Faults(seed, {Fault.DUPLICATE: 0.05, Fault.MALFORMED: 0.02}, each_max=60)
        return [switch.pick("bp-1", n) for n in range(3000)]

    seen = Counter(run("a"))
    assert seen[Fault.DUPLICATE] == 60, "bounded"
    assert 40 <= seen[Fault.MALFORMED] <= 60
    assert run("a") == run("a")
    assert run("a") != run("b")
    assert Faults("a", {}).pick("bp-1", 1) is None

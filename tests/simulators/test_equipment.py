"""Every kind of device a simulated hut may have sends true frames of its people, and an ECG's curve is in its frame."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from devices.base import Measurement
from devices.codecs import codec
from devices.pack import RECORD_BYTES_MAX
from devices.profile import profile
from devices.quality import judge
from simulators import ecg, equipment
from simulators.baseline import air, body, bp, glucose, rhythm, spo2, temp
from simulators.frames import Vital, frame
from simulators.people import plan
from simulators.plan import DevicePlan, PersonPlan

AT = datetime(2026, 11, 22, 0, 30, 5, tzinfo=UTC)
KINDS = {**equipment.MODELS, **equipment.MORE}
PEOPLE = plan("linli-1", date(2026, 11, 22)).communities[2].people
SHOWN: dict[str, Callable[[str, PersonPlan, datetime], Vital]] = {
    "bp": bp,
    "json": bp,
    "spo2": spo2,
    "temp": temp,
    "glucose": glucose,
    "height_weight": body,
    "body": body,
    "module": body,
    "ecg": rhythm,
    "env": lambda seed, _person, at: air(seed, "h1", at),
}


def read(kind: str, person: PersonPlan) -> tuple[bytes, Measurement]:
    model, wire = KINDS[kind]
    clock = kind not in equipment.CLOCKLESS
    device = DevicePlan("d-1", "g-1", kind, model, "S-1", kind, kind, codec=wire, clock=clock)
    payload = frame(device, SHOWN[kind]("linli-1", person, AT), AT).payload
    (found,) = codec(wire).decode(payload, profile(model))
    return payload, found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_device_gives_good_readings_of_everybody(kind: str) -> None:
    for person in PEOPLE[:: 90 if kind == "ecg" else 45]:
        payload, found = read(kind, person)
        assert len(payload) <= RECORD_BYTES_MAX
        assert judge(found, profile(KINDS[kind][0])) == ("ok", ()), (kind, person.id, found)


def test_a_strip_has_the_beats_of_its_rate_and_no_p_wave_when_the_heart_fibrillates() -> None:
    steady, wild = ecg.strip("a", 72), ecg.strip("a", 72, fibrillating=True)
    assert steady == ecg.strip("a", 72), "the same moment looks the same again"
    assert len(steady.samples) == ecg.RATE_HZ * ecg.SECONDS
    gaps = {name: peaks(each.samples) for name, each in (("steady", steady), ("wild", wild))}
    assert 11 <= len(gaps["steady"]) <= 13
    assert max(gaps["steady"]) - min(gaps["steady"]) < 0.12 < max(gaps["wild"]) - min(gaps["wild"])


def peaks(samples: tuple[int, ...]) -> list[float]:
    """Seconds between the R peaks."""
    high = 600_000 // ecg.NV_PER_COUNT
    tops = [
        i for i in range(1, len(samples) - 1) if samples[i] > high and samples[i - 1] <= samples[i] > samples[i + 1]
    ]
    beats = [top for place, top in enumerate(tops) if not place or top - tops[place - 1] > 50]
    return [(later - before) / ecg.RATE_HZ for before, later in pairwise(beats)]


def test_the_curve_stands_in_the_frame_and_not_in_the_values() -> None:
    _payload, found = read("ecg", PEOPLE[0])
    assert [value.code for value in found.values] == ["hr"]
    assert found.strip is not None
    assert found.context == {"lead": "I", "rate_hz": 250, "samples": 2500}

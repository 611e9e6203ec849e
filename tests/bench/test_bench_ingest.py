"""The bench of ingest: it runs from end to end, says what it promised to say, and its own arithmetic is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contestants import linli
from bench.ingest import ratios
from bench.rig import figures, town
from bench.rig.figures import Pass, Result
from devices.codecs import codec
from devices.identity import anchor_of, key
from devices.pack import parse
from devices.profile import profile
from tests.sources import ROOT


def bench(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.ingest", "--json", "--passes", "1", "--seconds", "0.2", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_runs_from_end_to_end_and_its_json_has_the_promised_shape() -> None:
    found = bench("--only", "linli", "--latency-rate", "200")
    assert set(found) == {"bench", "machine", "passes", "contestants", "linli_against", "left_out"}
    assert {"cores", "load_1m", "python", "sqlite"} <= set(found["machine"])
    ours = found["contestants"]["linli"]
    assert set(ours) == {
        *("what", "rate_per_s", "cpu_us_per_reading", "of_limit", "driver_busy", "latency", "passes"),
    }
    assert ours["rate_per_s"] > 0
    assert ours["cpu_us_per_reading"] > 0
    assert set(ours["latency"]) == {"rate_per_s", "p50_ms", "p99_ms", "max_ms", "messages"}
    assert 0 < ours["latency"]["p50_ms"] <= ours["latency"]["p99_ms"] <= ours["latency"]["max_ms"]


@pytest.mark.needs("mosquitto")
def test_the_limit_counts_every_message_and_is_its_own_measure() -> None:
    found = bench("--only", "limit", "--latency-rate", "0")
    assert found["contestants"]["limit"]["of_limit"] == 1.0
    assert found["contestants"]["limit"]["passes"][0]["readings"] >= 400


def test_an_unknown_contestant_is_named_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "bench.ingest", "--only", "kafka"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no contestant is named kafka; there are limit" in done.stderr


def test_no_two_frames_of_a_wave_share_a_key() -> None:
    first, model, wire = int(time.time()), profile("generic.sig.2a35"), codec(town.CODEC)
    keys = set()
    for number, gateway in enumerate(town.GATEWAYS):
        for place, payload in enumerate(town.payloads(number, 5_000, first)):
            (measurement,) = wire.decode(payload, model)
            device = town.cuffs(gateway)[place % town.CUFFS_EACH]
            anchor = anchor_of(measurement, unique="")
            assert not anchor.weak
            keys.add(key(device, "bp", anchor.text))
            assert measurement.at is not None
            assert 0 <= measurement.at.replace(tzinfo=model.zone).timestamp() - first < town.seconds_needed(20_000)
    assert len(keys) == 20_000


def test_an_envelope_carries_the_frames_of_its_own_cuff() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    second = int(moment.timestamp())
    bodies = [parse(each) for each in town.envelopes(0, 40, second, 10, "b1")]
    assert [body.seq for body in bodies] == list(range(1, 41))
    frames = [
        (number % town.CUFFS_EACH, record.payload) for number, body in enumerate(bodies) for record in body.records
    ]
    assert len(set(frames)) == 400


LOGS = st.lists(st.integers(1, 5), min_size=1, max_size=30)


@given(sent=LOGS, settled=LOGS)
def test_the_kth_sent_is_the_kth_settled(sent: list[int], settled: list[int]) -> None:
    total = min(sum(sent), sum(settled))
    offers = [(float(place), count) for place, count in enumerate(accumulate(sent))]
    answers = [(100.0 + place, min(count, total)) for place, count in enumerate(accumulate(settled))]
    by_message = {
        number: 100.0
        + next(place for place, count in enumerate(accumulate(settled)) if count > number)
        - next(place for place, count in enumerate(accumulate(sent)) if count > number)
        for number in range(total)
    }
    waits = figures.waits_ms(offers, answers)
    assert waits == [pytest.approx(by_message[number] * 1000) for number in range(total)]


def test_ratios_are_taken_within_a_pass() -> None:
    """A machine that is twice as slow in one pass changes no ratio."""

    def result(name: str, *rates: float) -> Result:
        return Result(name, "", [Pass(1_000, 1_000 / rate, 0.1, 0.1) for rate in rates])

    ours, other = result(linli.SEALED.name, 10, 20, 40), result("plain", 1, 2, 4)
    assert ratios({ours.name: ours, other.name: other}) == {"plain": pytest.approx(10)}

"""`linli replay SEED`: the story of a night, told twice in the same words."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hub.main import replay
from tests.sources import ROOT


def told(*, as_json: bool) -> list[str]:
    lines: list[str] = []
    assert replay.run("story", 0.3, as_json=as_json, say=lines.append, tell=lines.append)
    return lines


def test_two_replays_of_a_seed_tell_the_same_story() -> None:
    first = told(as_json=False)
    command = [sys.executable, "-m", "hub", "replay", "story", "--minutes", "0.3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "99"}
    second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    same = [line for line in second.stdout.splitlines() if " x life" not in line]
    assert same == [line for text in first[1:] for line in text.splitlines() if " x life" not in line]
    assert any("the hub is up" in line for line in same)
    assert any("ReadingsStored" in line and "<-" in line for line in same), "what happened, and because of what"
    assert same[-1].startswith("trace ")


def test_a_replay_for_programs_is_one_json_object() -> None:
    body = json.loads(told(as_json=True)[-1])
    assert body["seed"] == "story"
    assert body["broken"] == []
    assert body["counts"]["records"] > 5
    assert {"at_s", "who", "what", "cause"} == set(body["lines"][0])
    assert len(body["trace"]) == 32

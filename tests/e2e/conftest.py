"""The real program of the README: `linli demo --json` in a process of its own, once for all end-to-end tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_S = 240  # building the seed store on a busy machine; the start itself is measured in bench/
T = TypeVar("T")


@dataclass
class DemoUnderTest:
    """What `--json` said, and the process that said it."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    log: Path

    @property
    def http(self) -> str:
        return str(self.said["http"])

    @property
    def home(self) -> str:
        return str(self.said["areas"][0])

    def gateway(self, ident: str) -> dict[str, Any]:
        return next(each for each in self.said["gateways"] if each["id"] == ident)

    def url(self, screen: str, number: int = 0) -> str:
        found = [each["url"] for each in self.said["urls"] if screen in each["screen"]]
        return str(found[number])

    def api(self, role: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.http}/api/v1",
            headers={"Authorization": f"Bearer {self.said['tokens'][role]}"},
            timeout=20,
            trust_env=False,
        )


def eventually(look: Callable[[], T], seconds: float, what: str) -> T:
    """The first true answer within the bound the promise gives; looking again is how an outsider waits."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoUnderTest]:
    state = Path(tempfile.mkdtemp(prefix="linli-e2e-"))
    log = state / "demo.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LINLI_STATE_DIR": str(state), "LINLI_LOG_LEVEL": "INFO"}
    command = [sys.executable, "-P", "-m", "hub", "demo", "--json", "--port", "0", "--mqtt-port", "0"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=state
        )
    assert process.stdout is not None
    late = threading.Timer(READY_S, process.kill)
    late.start()
    line = process.stdout.readline()
    late.cancel()
    if not line:
        process.wait(10)
        pytest.fail(f"the demo did not start:\n{log.read_text()[-3000:]}", pytrace=False)
    yield DemoUnderTest(process, json.loads(line), log)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.wait(10)
    process.stdout.close()
    print(f"the demo stopped in {time.monotonic() - began:.1f} s with {process.returncode}")

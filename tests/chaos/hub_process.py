"""The hub as its operator starts it: a process of its own, seen from outside only. It is killed here, never asked."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 180.0  # a machine under other people's work; what a start takes is measured, not asserted
LINES_KEPT = 200


@dataclass
class HubProcess:
    """`readme=True` is the README's own command with all roles; else only the doors and ingest, which start sooner."""

    data: Path
    mqtt_port: int
    mqtt_url: str = ""
    readme: bool = False
    extra: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()  # a program that starts the hub in a place of its own
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    web_url: str = ""
    ready_s: float = 0.0
    _process: Process | None = None
    _listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it says that it is ready."""
        began = time.monotonic()
        environment = {**os.environ, "LINLI_LOG_LEVEL": "ERROR", "PYTHONPATH": str(ROOT), **self.extra}
        self._process = await asyncio.create_subprocess_exec(
            *self.before,
            *self._command(),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=environment,
            cwd=self.data.parent,
        )
        opened = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(opened))
        waiting = asyncio.create_task(opened.wait())
        async with asyncio.timeout(START_S):
            await asyncio.wait({waiting, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not opened.is_set():
            raise RuntimeError("the hub did not start: " + "\n".join(self.said))
        self.ready_s = time.monotonic() - began

    def _command(self) -> list[str]:
        words = ["serve", "--data", str(self.data), "--mqtt-port", str(self.mqtt_port)]
        words += ["--mqtt", self.mqtt_url] if self.mqtt_url else []
        # A checkout without an environment of its own (a copy) is run by ours.
        linli = [str(ROOT / "linli")] if (ROOT / ".venv").is_dir() else [sys.executable, "-P", "-m", "hub"]
        if self.readme:
            return [*linli, *words, "--port", "0"]
        return [sys.executable, "-P", "-m", "hub", *words, "--role", "front", "--role", "ingest"]

    async def _listen(self, opened: asyncio.Event) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while line := (await self._process.stderr.readline()).decode():
            self.said.append(line.rstrip())
            if line.startswith("web "):
                self.web_url = line.split()[1]
            if line.startswith("ready"):
                opened.set()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> None:
        if self.running:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # who stands still (a kill that was to meet something) would never hear it
            await self.ended()

    async def ended(self) -> int:
        assert self._process is not None
        assert self._listening is not None
        code = await self._process.wait()
        await self._listening
        return code

    def rss_mib(self) -> float:
        return _status_kib(self.pid, "VmRSS") / 1024

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status_kib(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

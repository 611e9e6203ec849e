"""Programs that are measured: started, asked what they cost, and ended. Linux only: the cost comes from `/proc`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STOP_S = 15.0


class Program:
    """One program of its own. What it says on standard error goes to a file, so that no pipe can fill up."""

    def __init__(self, words: Sequence[str], log: Path, *, speaks: bool = False, folder: Path = ROOT) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LINLI_LOG_LEVEL": "ERROR"}
        self.log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                list(words),
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE if speaks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if speaks else errors,
                stderr=errors,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def ask(self, line: str) -> str:
        """One line in, one line back."""
        self.tell(line)
        return self.hear()

    def tell(self, line: str) -> None:
        into: IO[str] | None = self._process.stdin
        assert into is not None
        into.write(line + "\n")
        into.flush()

    def hear(self) -> str:
        back: IO[str] | None = self._process.stdout
        assert back is not None
        answer = back.readline()
        if not answer:
            raise RuntimeError(f"it ended instead of answering: {self.said[-2000:]}")
        return answer

    def cpu_s(self) -> float:
        """User and system time of the program and all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * PAGE_BYTES / 1_048_576

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def python(module: str, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", module, *words]

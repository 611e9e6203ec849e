"""How long a later `linli demo` takes to its ready line and to its end: wall clock, CPU time, and a floor beside them.

    linli bench start [--times 5] [--json]

Ready means: the line of `--json` is out, so every door is open, every hut has told the hub that it is there, and the
stage's first page answers. The floor is a Python that only imports SQLModel and FastAPI, in the same minute: on a busy
machine CPU times vary twofold, their ratio hardly. Linux only: the CPU time comes from `/proc`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parent.parent
FLOOR = "import sqlmodel, fastapi, time; print(time.process_time())"
STOP_S = 30.0


@dataclass(frozen=True)
class Start:
    """One demo from its command to its end, in seconds."""

    ready_wall: float
    ready_cpu: float
    stage_wall: float
    stop_wall: float
    floor_cpu: float
    exit: int

    @property
    def ratio(self) -> float:
        return self.ready_cpu / self.floor_cpu


def cpu_s(pid: int) -> float:
    """User and system time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def start(state: Path) -> Start:
    floor = float(subprocess.run([sys.executable, "-P", "-c", FLOOR], capture_output=True, check=True).stdout)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LINLI_STATE_DIR": str(state), "LINLI_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-P", "-m", "hub", "demo", "--json", "--port", "0", "--mqtt-port", "0"]
    began = time.perf_counter()
    with (state / "log").open("w") as log, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=state
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        line = demo.stdout.readline()
        ready = time.perf_counter() - began
        if not line:
            sys.exit(f"the demo did not start:\n{(state / 'log').read_text()[-2000:]}")
        cpu = cpu_s(demo.pid)
        began = time.perf_counter()
        opener = build_opener(HTTPCookieProcessor(CookieJar()), ProxyHandler({}))
        with opener.open(json.loads(line)["http"] + "/stage") as page:
            page.read()
        stage = time.perf_counter() - began
        began = time.perf_counter()
        demo.send_signal(signal.SIGINT)
        code = demo.wait(STOP_S)
        return Start(ready, cpu, stage, time.perf_counter() - began, floor, code)


def main() -> None:
    words = argparse.ArgumentParser(prog="linli bench start", description=__doc__.partition("\n")[0])
    words.add_argument("--times", type=int, default=5)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        state = Path(folder)
        if (font := ROOT / ".linli" / "font").exists():  # cutting it is no part of a start
            (state / "font").symlink_to(font)
        first, *later = [start(state) for _ in range(given.times + 1)]
    best = min(later, key=lambda one: one.ready_cpu)
    told = {
        "load": os.getloadavg()[0],
        "ready_cpu_s_min": best.ready_cpu,
        "ready_cpu_to_floor": round(statistics.median(one.ratio for one in later), 2),
        "ready_wall_s_min": round(min(one.ready_wall for one in later), 2),
        "stage_wall_s_median": round(statistics.median(one.stage_wall for one in later), 2),
        "stop_wall_s_max": round(max(one.stop_wall for one in later), 2),
        "first": asdict(first),
        "later": [asdict(one) for one in later],
    }
    if given.json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        if name not in ("first", "later"):
            print(f"{name:22} {value:.2f}")
    print(f"{'first_start_wall_s':22} {first.ready_wall:.2f}")


if __name__ == "__main__":
    main()

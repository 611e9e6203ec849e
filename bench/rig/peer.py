"""Debian's mosquitto as an operator would run it for this: no limit on what waits, nothing saved at every change."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

from bench.rig.process import Program

START_S = 10.0
LOOK_S = 0.02


class MosquittoMissing(Exception):
    """The contestants that need it are left out."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path) -> tuple[Program, int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise MosquittoMissing("mosquitto is not installed (apt install mosquitto)")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",  # who may say what is measured on ours; here it would only slow the limit down
        "persistence false",
        "max_inflight_messages 0",
        "max_queued_messages 0",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        *(("user root",) if os.geteuid() == 0 else ()),
    ]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    broker = Program([program, "-c", str(config)], folder / "mosquitto.log")
    answers(port, broker)
    return broker, port


def answers(port: int, program: Program, start_s: float = START_S) -> None:
    """Returns when somebody listens there."""
    deadline = time.monotonic() + start_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if not program.running or time.monotonic() > deadline:
                raise RuntimeError(f"nobody listens: {program.said[-2000:]}") from None
            time.sleep(LOOK_S)

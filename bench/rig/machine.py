"""The machine and the programs that figures belong to: without them a figure says nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from typing import Any


def described() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load_1m": round(os.getloadavg()[0], 2),  # above the number of cores, others took their share
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "mosquitto": _first_line("mosquitto", "-h"),
        "node": _first_line("node", "--version"),
    }


def _first_line(name: str, *words: str) -> str | None:
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        return None
    said = subprocess.run([program, *words], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else None

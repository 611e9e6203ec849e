"""Extras: what a further ability needs besides the forty packages, and the one command that brings it into `.venv`.

Linli is run from its checkout and lies in no index. `pip install linli[tv]` would find nothing, and `.[tv]` would put a
second copy of our rooms before the checkout's.
"""

from __future__ import annotations

import shlex
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def needs(extra: str) -> list[str]:
    project = ROOT / "pyproject.toml"
    if project.exists():
        with project.open("rb") as file:
            return list(tomllib.load(file)["project"]["optional-dependencies"][extra])
    try:
        said = requires("linli") or []
    except PackageNotFoundError:
        said = []
    return [line.partition(";")[0].strip() for line in said if f'extra == "{extra}"' in line.replace("'", '"')]


def command(extra: str) -> str:
    """To be typed in the checkout, as it stands."""
    return f"python3 -m pip --python .venv/bin/python install {shlex.join(needs(extra))}"

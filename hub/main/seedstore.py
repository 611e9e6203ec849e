"""The demo's seed store: the community built once per seed and code, then copied: later starts are ready in 3 s.

It lies in `.linli/seed/`, mode 700, with keys and passwords of its own made on this machine: no two installs share a
secret. It is built anew when the code that fills it changes, or when its ninety days of history are a week old.

The plan is kept beside it: reading 10,000 people back takes 0.04 s of CPU time, drawing them again 0.5 s.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from hub import migrations
from hub.clock import ManualClock
from hub.db import Store
from hub.main.wiring import modules_for, wired_bus
from hub.rng import SystemRng
from hub.seal import Seal
from simulators import people
from simulators.plan import DemoPlan

FRESH_DAYS = 7  # an older history would end in a gap that every chart shows
CREDENTIALS, PLAN = "demo.json", "plan.json"
Progress = Callable[[str], None]
_ROOT = Path(__file__).resolve().parent.parent.parent
_MAKES_IT = (
    "hub/main/seed*.py",
    "hub/*.py",
    "hub/civic/**/*",
    "hub/migrations/versions/*.py",
    "simulators/*.py",
    "devices/**/*",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the demo must know again after a restart: gateways' passwords, and the day its history ends."""

    gateways: dict[str, str]
    passwords: dict[str, str]
    seed: str
    made: datetime

    @classmethod
    def read(cls, folder: Path) -> Credentials:
        body = json.loads((folder / CREDENTIALS).read_text(encoding="utf-8"))
        return cls(body["gateways"], body["passwords"], body["seed"], datetime.fromisoformat(body["made"]))


def plan_of(folder: Path, credentials: Credentials) -> DemoPlan:
    """The people this store was filled with; drawn again where they were not kept, or by another shape of plan."""
    try:
        return msgspec.json.decode((folder / PLAN).read_bytes(), type=DemoPlan)
    except (FileNotFoundError, msgspec.DecodeError):
        return people.plan(credentials.seed, credentials.made.date())


def fingerprint(seed_text: str) -> str:
    """Of the seed and of everything that decides what the store holds."""
    digest = hashlib.sha256(seed_text.encode())
    for pattern in _MAKES_IT:
        for path in sorted(_ROOT.glob(pattern)):
            if path.is_file() and path.suffix in (".py", ".toml"):
                digest.update(path.relative_to(_ROOT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def obtain(state: Path, seed_text: str, now: datetime, say: Progress) -> Path:
    """The folder of a fresh seed store; builds it, saying what it does, when there is none."""
    shelf = state / "seed"
    folder = shelf / fingerprint(seed_text)
    if (folder / CREDENTIALS).exists() and now - Credentials.read(folder).made < timedelta(days=FRESH_DAYS):
        return folder
    _clear(shelf)
    building = shelf / f"{folder.name}.{os.getpid()}"
    building.mkdir(parents=True, mode=0o700)
    _build(building, seed_text, now, say)
    try:
        building.rename(folder)
    except OSError:  # another demo was quicker; its store is as good
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _clear(shelf: Path) -> None:
    """Stores of older code, and what killed builders left; not what another demo builds at this moment."""
    for each in shelf.glob("*"):
        builder = each.name.rpartition(".")[2]
        if not ("." in each.name and builder.isdigit() and Path(f"/proc/{builder}").exists()):
            shutil.rmtree(each, ignore_errors=True)


def copy(source: Path, target: Path) -> None:
    """A store of one's own from the seed store. Credentials last: a target without them is not complete."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy2(source / "linli.db", target / "linli.db")
    shutil.copytree(source / "keys", target / "keys", dirs_exist_ok=True)
    shutil.copy2(source / PLAN, target / PLAN)
    shutil.copy2(source / CREDENTIALS, target / CREDENTIALS)


def _build(folder: Path, seed_text: str, now: datetime, say: Progress) -> None:
    from hub.main.seed import SeedWorld, give_logins, seed  # once a week; the other starts need none of it

    modules = modules_for(demo=True)
    clock = ManualClock(now)
    store = Store(
        f"sqlite:///{folder / 'linli.db'}",
        seal=Seal.open(folder / "keys" / "seal.key"),
        clock=clock,
        rng=SystemRng(),
        bus=wired_bus(modules),
        inline=True,
    )
    migrations.upgrade(store)
    world = SeedWorld(people.plan(seed_text, now.date()), clock, now, SystemRng())
    seed(store, world, modules, say)
    store.write_now(lambda tx: give_logins(tx, world))
    store.close()
    (folder / PLAN).write_bytes(msgspec.json.encode(world.plan))
    body = {"gateways": world.gateways, "passwords": world.passwords, "seed": seed_text, "made": now.isoformat()}
    path = folder / CREDENTIALS
    path.touch(mode=0o600)
    path.write_text(json.dumps(body), encoding="utf-8")

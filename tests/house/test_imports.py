"""Who may import whom: the contracts of pyproject.toml are run, and what they cannot say is said here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.sources import ROOMS, ROOT, files, imports, module, name

# The composition root, the commands and the migrations may import everything.
FREE = ("hub.main", "hub.cli", "hub.migrations", "hub.__main__")
STANDARD = sys.stdlib_module_names | {"__future__"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def within(what: str, packages: tuple[str, ...] | str) -> bool:
    return any(
        what == package or what.startswith(f"{package}.")
        for package in ([packages] if isinstance(packages, str) else packages)
    )


def test_import_contracts_are_kept() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint), "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_devices_need_the_standard_library_alone() -> None:
    foreign = {
        f"{name(path)}: {what}"
        for path in files(".py", "devices")
        for what in imports(path)
        if what.split(".")[0] not in STANDARD and not within(what, "devices")
    }
    assert not foreign


def test_the_core_never_names_a_civic_slice() -> None:
    core = [path for path in files(".py", "hub") if not within(module(path), (*FREE, "hub.civic"))]
    wrong = {f"{name(path)}: {what}" for path in core for what in imports(path) if within(what, "hub.civic")}
    assert not wrong


def test_a_civic_slice_never_names_another() -> None:
    wrong = set()
    for path in files(".py", "hub"):
        if not module(path).startswith("hub.civic."):
            continue
        own = ".".join(module(path).split(".")[:3])
        wrong |= {
            f"{name(path)}: {what}"
            for what in imports(path)
            if within(what, ("hub.civic", "web", "simulators", *FREE)) and not within(what, own)
        }
    assert not wrong


def test_the_shell_finds_slices_by_the_loader_alone() -> None:
    wrong = {
        f"{name(path)}: {what}"
        for path in files(".py", "web")
        for what in imports(path)
        if re.match(r"hub\.civic\.", what)
    }
    assert not wrong


def test_simulators_and_channels_stand_alone() -> None:
    forbidden = {"simulators": ("hub", "web", "channels"), "channels": ("hub", "web", "devices", "simulators")}
    wrong = {
        f"{name(path)}: {what}"
        for room, others in forbidden.items()
        for path in files(".py", room)
        for what in imports(path)
        if within(what, others)
    }
    assert not wrong


def test_every_foreign_import_is_declared() -> None:
    """A package that is only here because another pulled it in leaves with that other."""
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() if name != "dev" for line in lines]
    declared = {re.split(r"[\[<>=;~! ]", line)[0].lower() for line in [*PROJECT["dependencies"], *extras]}
    # These come with a declared one as part of its own interface: SQLModel stands on SQLAlchemy, FastAPI on Starlette.
    declared |= {"sqlalchemy", "starlette", "pydantic", "anyio", "psycopg", "markupsafe"}
    # fetched into a temporary folder by hub/font.py
    declared |= {"fonttools", "brotli"}
    owners = packages_distributions()
    missing = set()
    for path in files(".py", *ROOMS):
        for top in {what.split(".")[0] for what in imports(path)} - STANDARD - set(ROOMS):
            names = {owner.lower().replace("_", "-") for owner in owners.get(top, [top])}
            if not names & declared:
                missing.add(f"{name(path)}: {top}")
    assert not missing, "declare it in pyproject.toml or do without: " + ", ".join(sorted(missing))

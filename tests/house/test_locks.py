"""The locks: hashed, without an address, small, and in step with pyproject.toml."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.sources import ROOT, files, name, text

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-font.txt")
PACKAGES_MAX = 40  # at run time, with all they pull in: what one person can still read the release notes of
PIN = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)(?: ; (.*?))? \\$", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return {found[1]: found[2] for found in PIN.finditer(text(ROOT / lock))}


def project(section: str) -> set[str]:
    whole = tomllib.loads(text(ROOT / "pyproject.toml"))
    lines = {
        "run": whole["project"]["dependencies"],
        "dev": whole["project"]["optional-dependencies"]["dev"] + whole["project"]["optional-dependencies"]["postgres"],
        "font": whole["dependency-groups"]["font"],
    }[section]
    return {re.split(r"[\[<>=;~! ]", line)[0].lower() for line in lines} - {"linli"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_address(lock: str) -> None:
    words = text(ROOT / lock)
    assert not re.search(
        r"https?:|file:|--(extra-)?index-url|--find-links|--trusted-host|^-[ifer]\b", words, re.MULTILINE
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_carries_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", text(ROOT / lock).strip())
    assert len(entries) == len(pins(lock)) > 0
    assert all("--hash=sha256:" in entry for entry in entries)


def test_what_runs_is_at_most_forty_packages() -> None:
    windows = {found[1] for found in PIN.finditer(text(ROOT / "requirements.txt")) if "win32" in (found[3] or "")}
    assert len(set(pins("requirements.txt")) - windows) <= PACKAGES_MAX


def test_the_development_lock_holds_every_line_of_the_other() -> None:
    run, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {package: dev.get(package) for package in run} == run


@pytest.mark.parametrize(
    ("section", "lock"),
    [("run", "requirements.txt"), ("dev", "requirements-dev.txt"), ("font", "requirements-font.txt")],
)
def test_the_lock_holds_what_the_project_names(section: str, lock: str) -> None:
    assert project(section) <= set(pins(lock)), "run .ci/lock"


def test_no_configuration_of_one_machine_is_in_the_repository() -> None:
    # Put together here, so that this file does not find itself.
    flags = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "--trusted" + "-host"]
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "registry" + ".npm", "deb.debian" + ".org"]
    paths = [f"/{folder}/" for folder in ("ro" + "ot", "wo" + "rk", "fa" + "rm")] + [
        "/opt/" + "pypi",
        "/opt/" + "wheels",
    ]
    own_path = re.compile("|".join(rf"(?<![.\w-]){re.escape(path)}" for path in paths))
    lock_checks = ("tests/house/test_locks.py", ".ci/lock")  # these speak of the flags in order to forbid them
    found = []
    for path in files(""):
        if path.suffix in (".png", ".jpg", ".wav", ".woff2", ".otf") or name(path).startswith("requirements"):
            continue
        words = text(path)
        found += [f"{name(path)}: {host}" for host in hosts if host in words]
        found += [f"{name(path)}: {flag}" for flag in flags if flag in words and name(path) not in lock_checks]
        found += [f"{name(path)}: {match[0]}" for match in own_path.finditer(words)]
    assert not found, "\n" + "\n".join(found)

"""`./linli` on a small checkout of its own, with the real venv and the real pip, and no network."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.sources import ROOT

BASE = getattr(sys, "_base_executable", sys.executable)


def wheel(folder: Path, package: str, version: str) -> str:
    """A package of one module, and its line in a lock."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{package}-{version}-py3-none-any.whl"
    info = f"{package}-{version}.dist-info"
    members = {
        f"{package}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for inside, words in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(words.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{inside},sha256={digest},{len(words)}")
    members[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(path, "w") as archive:
        for inside, words in members.items():
            archive.writestr(inside, words)
    return f"{package}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return furnished(tmp_path)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A place where a first run has been, and what it left there: making an environment takes a second each time."""
    place, left = tmp_path_factory.mktemp("made") / "here", tmp_path_factory.mktemp("left") / "here"
    place.mkdir()
    assert run(furnished(place), "demo")[0] == 0
    shutil.copytree(place, left, symlinks=True)
    return place, left


@pytest.fixture
def made(first_run: tuple[Path, Path]) -> Path:
    """A checkout with its environment, as the first run left it; in the same place, for it may not be moved."""
    place, left = first_run
    shutil.rmtree(place)
    shutil.copytree(left, place, symlinks=True)
    return place / "checkout"


def furnished(folder: Path) -> Path:
    """What `linli` looks for: itself, two locks and a `hub` to hand over to."""
    home = folder / "checkout"
    home.mkdir()
    shutil.copy2(ROOT / "linli", home / "linli")
    first, second = wheel(folder / "wheels", "pebble", "1.0"), wheel(folder / "wheels", "moss", "2.0")
    (home / "requirements.txt").write_text(first, encoding="utf-8")
    (home / "requirements-dev.txt").write_text(first + second, encoding="utf-8")
    (home / "hub").mkdir()
    (home / "hub" / "__init__.py").write_text("", encoding="utf-8")
    (home / "hub" / "__main__.py").write_text(
        "import sys, pebble\n"
        "try:\n    import moss\nexcept ImportError:\n    moss = None\n"
        "print('hub', pebble.VERSION, bool(moss), sys.argv[1:])\n",
        encoding="utf-8",
    )
    return home


def environment(checkout: Path) -> dict[str, str]:
    """No index at all, whatever this machine's pip is told: the wheels beside the checkout or nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL"))}
    wheels = str(checkout.parent / "wheels")
    return kept | {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
    }


def start(checkout: Path, *words: str) -> subprocess.Popen[str]:
    command = [BASE, str(checkout / "linli"), *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=checkout.parent, env=environment(checkout), text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def run(checkout: Path, *words: str) -> tuple[int, str, str]:
    started = start(checkout, *words)
    out, err = started.communicate(timeout=120)
    return started.returncode, out, err


def test_the_first_run_makes_the_environment_and_hands_over(checkout: Path) -> None:
    code, out, err = run(checkout, "settings", "--json")
    assert (code, out) == (0, "hub 1.0 False ['settings', '--json']\n"), err
    assert "1/1 pebble" in err
    assert not (checkout / ".venv/bin/pip").exists()
    assert run(checkout, "demo")[2] == "", "a second run has nothing to say and nothing to fetch"


def test_the_test_command_adds_the_development_lock_and_keeps_it(made: Path) -> None:
    code, out, err = run(made, "-v", "test")
    assert (code, out.split(" [")[0]) == (0, "hub 1.0 True"), err
    assert run(made, "demo")[1:] == ("hub 1.0 True ['demo']\n", "")


def test_a_changed_lock_is_followed(made: Path) -> None:
    (made / "requirements.txt").write_text(wheel(made.parent / "wheels", "pebble", "1.1"), encoding="utf-8")
    assert run(made, "demo")[1] == "hub 1.1 False ['demo']\n"


def test_a_wrong_hash_installs_nothing_and_says_so(checkout: Path) -> None:
    lock = checkout / "requirements.txt"
    lock.write_text(lock.read_text(encoding="utf-8")[:-5] + "0000\n", encoding="utf-8")
    code, out, err = run(checkout, "demo")
    assert code == 1
    assert not out
    assert err.splitlines()[-1].startswith("linli: pip could not install requirements.txt")


def test_an_interrupted_run_repairs_itself(checkout: Path) -> None:
    killed = start(checkout, "demo")
    assert killed.stderr is not None
    assert "setting up" in killed.stderr.readline()
    assert "pebble" in killed.stderr.readline()
    killed.kill()
    killed.communicate()
    # What is worst to find: an environment that looks whole, with a package half unpacked.
    assert (checkout / ".venv/linli.making").exists()
    half = checkout / ".venv/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    half.mkdir(parents=True, exist_ok=True)
    (half / "pebble.py").write_text("VERSION = 'half'\n", encoding="utf-8")
    code, out, err = run(checkout, "demo")
    assert (code, out) == (0, "hub 1.0 False ['demo']\n"), err


def test_an_environment_somebody_else_made_is_added_to_not_thrown_away(checkout: Path) -> None:
    subprocess.run([BASE, "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    theirs = checkout / ".venv" / "theirs"
    theirs.write_text("kept", encoding="utf-8")
    assert run(checkout, "demo")[:2] == (0, "hub 1.0 False ['demo']\n")
    assert theirs.exists()


def test_a_moved_checkout_is_made_afresh(made: Path) -> None:
    moved = made.rename(made.parent / "moved")
    (moved / ".venv" / "old").write_text("", encoding="utf-8")
    assert run(moved, "demo")[:2] == (0, "hub 1.0 False ['demo']\n")
    assert not (moved / ".venv" / "old").exists()


def test_two_first_runs_at_once_make_one_environment(checkout: Path) -> None:
    both = [start(checkout, "demo"), start(checkout, "test")]
    answers = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], answers
    assert answers[1][0] == "hub 1.0 True ['test']\n"
    assert run(checkout, "test")[2] == ""


def test_without_pip_one_sentence_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "nopip" / "pip").mkdir(parents=True)
    (tmp_path / "nopip" / "pip" / "__init__.py").write_text("raise ImportError('no pip')\n", encoding="utf-8")
    done = subprocess.run(
        [BASE, str(checkout / "linli"), "demo"],
        env=environment(checkout) | {"PYTHONPATH": str(tmp_path / "nopip")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("apt install python3-pip")


def test_an_active_environment_that_has_everything_is_used_as_it_is(made: Path, tmp_path: Path) -> None:
    (made / ".venv").rename(tmp_path / "active")
    done = subprocess.run(
        [str(tmp_path / "active/bin/python"), str(made / "linli"), "demo"],
        env=environment(made), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "hub 1.0 False ['demo']\n", "")
    assert not (made / ".venv").exists()

"""`linli test --planted`: each patch in tests/planted/ breaks one promise; the test it names must go red.

A patch whose test stays green means the promise is not guarded; one that no longer applies must be made anew. Both are
errors. The first line of a patch is `# kills: tests/path/test_x.py::test_name`; several tests may stand there, each on
a line of its own. The work is done in a copy, so the checkout is never touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST_TIMEOUT_S = 300
_KILLS = re.compile(r"^# kills: (\S+::\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    patch: str
    word: str  # red (as it should be) | GREEN | DOES NOT APPLY | NAMES NO TEST | DOES NOT RUN
    took_s: float
    detail: str = ""


def copy_tree(target: Path) -> None:
    """What git knows or would take: neither .venv nor caches."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listing.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run_test(tree: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    here = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        words, cwd=tree, env=here, capture_output=True, text=True, timeout=TEST_TIMEOUT_S, check=False
    )


def plant(tree: Path, patch: Path) -> Outcome:
    began = time.monotonic()
    tests = _KILLS.findall(patch.read_text(encoding="utf-8"))
    if not tests:
        return Outcome(patch.stem, "NAMES NO TEST", 0.0, "its first line must be `# kills: tests/...::test_...`")
    applied = subprocess.run(["git", "apply", str(patch)], cwd=tree, capture_output=True, text=True, check=False)
    if applied.returncode:
        return Outcome(patch.stem, "DOES NOT APPLY", time.monotonic() - began, applied.stderr.strip().splitlines()[0])
    try:
        # Red means a failed test (1); a test that is not found or cannot be collected proves nothing.
        answers = [run_test(tree, [test]) for test in tests]
    except subprocess.TimeoutExpired:
        return Outcome(patch.stem, "DOES NOT RUN", time.monotonic() - began, f"no end after {TEST_TIMEOUT_S} s")
    finally:
        subprocess.run(["git", "apply", "-R", str(patch)], cwd=tree, capture_output=True, check=True)
    took_s = time.monotonic() - began
    for test, answer in zip(tests, answers, strict=True):
        if answer.returncode == 0:
            return Outcome(patch.stem, "GREEN", took_s, f"{test} does not see it")
        if answer.returncode != 1:
            last = (answer.stdout.strip() or answer.stderr.strip()).splitlines()[-1]
            return Outcome(patch.stem, "DOES NOT RUN", took_s, f"{test}: {last}")
    return Outcome(patch.stem, "red", took_s)


def main(names: list[str]) -> int:
    patches = [path for path in sorted((ROOT / "tests" / "planted").glob("*.patch")) if not names or path.stem in names]
    if not patches:
        print("no such patch in tests/planted")
        return 1
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="linli-planted-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        # Outside any repository `git apply` takes paths as they stand; inside one it silently skips what it ignores.
        os.environ["GIT_CEILING_DIRECTORIES"] = str(tree.parent)
        for patch in patches:
            outcome = plant(tree, patch)
            outcomes.append(outcome)
            print(f"{outcome.word:<15} {outcome.took_s:6.1f} s  {outcome.patch}  {outcome.detail}".rstrip(), flush=True)
    wrong = [outcome for outcome in outcomes if outcome.word != "red"]
    print(f"planted: {len(outcomes) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

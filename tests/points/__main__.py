"""The ledger's proof in its long form, on both engines to the end: 20,000 operations, kills, races.

    python -m tests.points [--engine sqlite|postgresql]

A PostgreSQL of its own is made and thrown away; it is killed too. What was done is counted and printed; the exit code
is 1 when anything was violated, or too little was done to say so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.postgres.cluster import a_cluster

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ("sqlite", "postgresql")
WORDS = ("-q", "-s", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0")
TESTS = (
    "tests/points/test_points_machine.py",
    "tests/points/test_points_killed.py",
    "tests/points/test_points_ledger.py",
    "tests/points/test_points_rewards.py",
)  # fmt: skip


def prove(engine: str) -> bool:
    here = {**os.environ, "PYTHONPATH": str(ROOT), "LINLI_TEST_LONG": "1"}
    here.pop("LINLI_TEST_POSTGRES", None)
    with ExitStack() as stack:
        if engine == "postgresql":
            here["LINLI_TEST_POSTGRES"] = stack.enter_context(a_cluster()).render_as_string(hide_password=False)
        done = subprocess.run([sys.executable, "-P", "-m", "pytest", *WORDS, *TESTS], cwd=ROOT, env=here, check=False)
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="both unless one is named")
    sys.exit(not all([prove(engine) for engine in parser.parse_args().engine or ENGINES]))


if __name__ == "__main__":
    main()

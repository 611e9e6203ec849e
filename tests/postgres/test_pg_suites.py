"""The tests of the core, the notices and the ledger, run once more with their stores on PostgreSQL.

Each suite is a pytest of its own with the plugin `tests.postgres.elsewhere`; what a suite leaves out is SQLite's own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.conftest import needs

pytestmark = needs("postgresql")
ROOT = Path(__file__).resolve().parents[2]
SUITE_S = 300
# Suite, and the tests that must be among those that ran: an empty run proves nothing. Here the short form; all of them
# take some minutes and run with LINLI_TEST_LONG=1.
SHORT = [("tests/core/test_ingest.py tests/core/test_audit.py", 20)]
LONG = [
    ("tests/core/test_presence.py tests/core/test_store.py", 8),
    ("tests/notices/test_notice_life.py", 15),
    ("tests/notices/test_outbox.py", 12),
    ("tests/points/test_points_ledger.py", 30),
]
SUITES = [*SHORT, *(LONG if os.environ.get("LINLI_TEST_LONG") == "1" else [])]


@pytest.mark.parametrize(("suite", "at_least"), SUITES)
def test_the_same_suite_passes_on_postgresql(cluster: URL, suite: str, at_least: int) -> None:
    here = {
        **os.environ,
        "LINLI_TEST_POSTGRES": cluster.render_as_string(hide_password=False),
        "PYTHONPATH": str(ROOT),
    }
    words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.postgres.elsewhere", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*words, *suite.split()], cwd=ROOT, env=here, capture_output=True, text=True, timeout=SUITE_S, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= at_least
    assert "skipped" not in done.stdout

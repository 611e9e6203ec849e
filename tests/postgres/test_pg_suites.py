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
SUITE_S = 900
# Suites, and how many tests must have run: an empty run proves nothing. The short form is one run of what engines
# differ in, its properties with few examples; LINLI_TEST_LONG=1 runs everything whole, some minutes.
LEDGER, OUTBOX = "tests/points/test_points_ledger.py::test_", "tests/notices/test_outbox.py::test_"
QUOTA, HELP = "tests/notices/test_quota.py::test_", "tests/visits/test_visit_help.py::test_"
SHORT = [
    (
        "tests/core/test_ingest.py tests/core/test_audit.py tests/core/test_receipts.py "
        "tests/points/test_points_machine.py "
        f"{LEDGER}fifty_threads_cannot_spend_the_same_points {LEDGER}fifty_threads_with_one_reference_post_it_once "
        f"{LEDGER}the_database_itself_refuses_to {LEDGER}a_reversal_takes_two_people_and_may_go_below_zero "
        f"{OUTBOX}sums_hold_after_every_kill_and_nothing_leaves_after_the_end "
        "tests/notices/test_reach_ledger.py::test_proof_never_falls_and_every_viewer_is_counted_once "
        "tests/notices/test_coverage.py::test_whoever_is_at_risk_is_knocked_at_first_and_then_the_way_is_walked "
        "tests/notices/test_answers.py::test_what_was_asked_and_answered_stands_in_no_event_and_returns_to_the_asker "
        f"{QUOTA}what_is_over_the_quota_waits_for_tomorrow_and_is_counted_as_waiting "
        "tests/notices/test_delivery_fold.py::test_sums_stand_still_while_it_folds_and_after_every_kill "
        "tests/notices/test_allclear.py::"
        "test_only_whoever_the_emergency_may_have_reached_gets_one_message_about_its_end "
        f"{HELP}answered_by_telephone_nobody_need_go "
        "tests/visits/test_visit_book.py::test_who_sees_it_elsewhere_is_not_called_at "
        "tests/operations/test_operations_queue.py::test_what_is_put_off_comes_back_by_itself "
        "tests/operations/test_operations_pages.py::test_the_page_of_a_device_draws_its_history_and_no_value",
        40,
    )
]
LONG = [
    ("tests/core/test_ingest.py tests/core/test_audit.py tests/core/test_receipts.py", 20),
    ("tests/core/test_presence.py tests/core/test_store.py", 8),
    ("tests/notices/test_notice_life.py", 15),
    ("tests/notices/test_outbox.py tests/notices/test_reach_ledger.py", 20),
    ("tests/notices/test_ladder.py", 20),
    ("tests/notices/test_quota.py tests/notices/test_delivery_fold.py tests/notices/test_digest.py", 15),
    ("tests/notices/test_allclear.py tests/notices/test_corrections.py", 15),
    ("tests/visits/test_visit_book.py tests/visits/test_visit_help.py tests/visits/test_visit_chances.py", 25),
    ("tests/notices/test_answers.py tests/notices/test_coverage.py", 18),
    ("tests/operations/test_operations_queue.py tests/operations/test_operations_why.py", 25),
    ("tests/operations/test_operations_rules.py tests/operations/test_operations_pages.py", 40),
    ("tests/health/test_health_triage.py tests/health/test_health_mine.py", 20),
    (
        "tests/health/test_health_cover.py tests/health/test_health_emergency.py tests/health/test_health_tasks_api.py "
        "tests/health/test_health_erasing.py --deselect "  # but the one that looks into SQLite's file
        "tests/health/test_health_erasing.py::test_nothing_of_an_erased_reading_is_left_in_the_file",
        20,
    ),
    ("tests/points/test_points_ledger.py", 30),
    ("tests/fleet/test_fleet_takein.py tests/fleet/test_fleet_queue.py tests/fleet/test_fleet_retention.py", 13),
    ("tests/points/test_points_award.py tests/points/test_activities_sheets.py", 10),
]
SUITES = LONG if os.environ.get("LINLI_TEST_LONG") == "1" else SHORT


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

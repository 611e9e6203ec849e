"""A later start does only what is new: what it leaves out must not be missed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from alembic.script import ScriptDirectory

from hub import migrations
from hub.main import seedstore
from hub.main.seedstore import Credentials
from simulators import people
from simulators.plan import DemoPlan

ROOT = Path(__file__).resolve().parents[2]
# What only a migration, the weekly building of a seed store, or httpx's own command line needs.
NOT_AT_START = {"alembic", "mako", "hub.main.seed", "httpx._main", "pygments.lexers"}
A_START = """
import sys
from hub import __main__, cli
cli.main = lambda: None
__main__.main()
import hub.main.demo, hub.main.serve, web.app, web.serve
hub.main.demo.wiring.modules_for(demo=True)
print(*(name for name, module in sys.modules.items() if module is not None))
"""
MADE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CREDENTIALS = Credentials({}, {}, "linli-9", MADE)


@pytest.fixture(scope="module")
def drawn() -> DemoPlan:
    return people.plan(CREDENTIALS.seed, MADE.date())


def test_the_files_names_say_what_alembic_says_of_the_versions() -> None:
    script = ScriptDirectory.from_config(migrations.config())
    assert migrations.versions() == [each.revision for each in reversed(list(script.walk_revisions()))]
    assert migrations.head() == script.get_current_head()


def test_the_plan_read_back_is_the_plan_that_was_drawn(tmp_path: Path, drawn: DemoPlan) -> None:
    (tmp_path / seedstore.PLAN).write_bytes(msgspec.json.encode(drawn))
    assert seedstore.plan_of(tmp_path, Credentials({}, {}, "another seed", MADE)) == drawn


def test_a_plan_that_is_missing_or_of_another_shape_is_drawn_again(tmp_path: Path, drawn: DemoPlan) -> None:
    assert seedstore.plan_of(tmp_path, CREDENTIALS) == drawn
    (tmp_path / seedstore.PLAN).write_text('{"seed": "linli-9", "areas": 3}', encoding="utf-8")
    assert seedstore.plan_of(tmp_path, CREDENTIALS) == drawn


def test_a_start_imports_nothing_that_only_other_commands_need() -> None:
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-P", "-c", A_START], capture_output=True, text=True, env=there, check=True)
    assert "hub.main.demo" in said.stdout.split()
    assert not NOT_AT_START & set(said.stdout.split())

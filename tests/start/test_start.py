"""A later start does only what is new: what it leaves out must not be missed."""

from __future__ import annotations

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

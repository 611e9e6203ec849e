"""A pytest plugin (`-p tests.postgres.elsewhere`): the stores of tests/world.py stand on PostgreSQL, not on a file.

LINLI_TEST_POSTGRES names the server. Each folder a test asks a store for is one database, so that what is opened again
in the same folder finds what it left there. So the tests of the core and the slices are the same on both engines.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy.engine import URL, make_url

import tests.world
from hub.bus import Bus
from hub.clock import ManualClock
from hub.db import Store
from hub.module import discover
from tests.postgres.cluster import a_database, open_store, template_of

CLUSTER = make_url(os.environ["LINLI_TEST_POSTGRES"])
# These speak of SQLite's file, or of its one writer.
OF_SQLITE = {
    "test_durability_is_really_switched_on",
    "test_no_name_phone_or_card_stands_in_the_file",
    "test_nothing_is_acknowledged_while_the_disk_refuses",
    "test_no_name_is_in_the_outbox_and_none_in_the_log",
}
LONG = os.environ.get("LINLI_TEST_LONG") == "1"
# Each example of a property is a database of its own, and each commit a round trip to a server.
EXAMPLES_MAX, OPERATIONS_MAX = (10_000, 2_000) if LONG else (4, 200)
_test = contextlib.ExitStack()
_databases: dict[Path, URL] = {}


def _make_store(
    folder: Path, *, clock: ManualClock | None = None, bus: Bus | None = None, inline: bool = True
) -> Store:
    if folder not in _databases:
        _databases[folder] = _test.enter_context(a_database(CLUSTER, template_of(CLUSTER)))
    if bus is None:
        tests.world.wire(bus := Bus(), discover())
    store = open_store(_databases[folder], clock=clock, bus=bus, inline=inline)
    _test.callback(store.close)
    return store


tests.world.make_store = _make_store


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    _test.close()
    _databases.clear()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    spared = [item for item in items if getattr(item, "originalname", "") in OF_SQLITE]
    config.hook.pytest_deselected(items=spared)
    items[:] = [item for item in items if item not in spared]
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        if hasattr(module, "OPERATIONS"):
            module.OPERATIONS = min(module.OPERATIONS, OPERATIONS_MAX)
    for item in items:
        _shorten(getattr(item, "obj", None))


def _shorten(test: Any) -> None:
    """Hypothesis has no word for "at most so many": a test's own number counts for more than any profile's."""
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None and own.max_examples > EXAMPLES_MAX:
        test._hypothesis_internal_use_settings = settings(own, max_examples=EXAMPLES_MAX)

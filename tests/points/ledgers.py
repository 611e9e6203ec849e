"""Stores for the ledger's tests: SQLite on disk, or PostgreSQL where LINLI_TEST_POSTGRES names a server (postgresql+psycopg://...).

Each test gets a database of its own, copied from one at the newest version: the migrations take seconds, a copy a tenth
of one. The same tests run on both engines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from sqlalchemy.engine import make_url

from hub import directory
from hub.bus import Bus
from hub.civic import activities, points
from hub.civic.points import beneficiary, ledger
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.directory import NewHousehold, NewResident
from hub.rng import SystemRng
from hub.seal import Seal
from tests.postgres.cluster import a_database, open_store, template_of
from tests.world import KEY, LIUHE, START, make_store, people, wire

POSTGRES = os.environ.get("LINLI_TEST_POSTGRES", "")


@contextmanager
def a_store(folder: Path, *, clock: ManualClock | None = None, inline: bool = True) -> Iterator[Store]:
    """An empty store with the small world of tests/world.py, and the two slices wired."""
    opened = _postgres(clock, inline) if POSTGRES else _sqlite(folder, clock, inline)
    with opened as store:
        store.write_now(people)
        yield store


def a_bus() -> Bus:
    bus = Bus()
    wire(bus, (points.MODULE, activities.MODULE))
    return bus


@contextmanager
def _sqlite(folder: Path, clock: ManualClock | None, inline: bool) -> Iterator[Store]:
    store = make_store(folder, clock=clock, bus=a_bus(), inline=inline)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _postgres(clock: ManualClock | None, inline: bool) -> Iterator[Store]:
    cluster = make_url(POSTGRES)
    with a_database(cluster, template_of(cluster)) as url:
        store = open_store(url, clock=clock, bus=a_bus(), inline=inline)
        try:
            yield store
        finally:
            store.close()


def crowd(tx: Tx, count: int) -> list[str]:
    """So many grown-up residents, two to a household, in 浏河."""
    homes = []
    for number in range(0, count, 2):
        home = f"h-c{number:04d}"
        members = tuple(
            NewResident(f"r-c{each:04d}", home, "林甲", "f", date(1980, 1, 1))
            for each in (number, number + 1)[: count - number]
        )
        homes.append(NewHousehold(home, "lh-b1", f"{number}", (), members))
    directory.register_households(tx, LIUHE, homes)
    return [member.id for home in homes for member in home.members]


def account(tx: Tx, kind: str, owner: str) -> str:
    return ledger.open_account(tx, beneficiary.one(tx, kind, owner))


def issue(tx: Tx) -> str:
    return ledger.house_account(tx, "issue", LIUHE, "Asia/Shanghai")


@contextmanager
def reopened(url: str) -> Iterator[Store]:
    """The same store in a process of its own."""
    store = Store(url, seal=Seal(KEY), clock=ManualClock(START), rng=SystemRng(), bus=Bus(), inline=True)
    try:
        yield store
    finally:
        store.close()

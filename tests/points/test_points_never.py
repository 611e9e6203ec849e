"""Never a point for health data, consent or a hut visit: shown over what is emitted, on the real bus, with all slices.

The catalogue and the listeners are read by test_claim_abuse.py. Here nothing is read: true visits to a hut are lived
through, and every kind of event that any part of the house may emit is emitted, found and not listed; and no statement
of all that writes into a table of the points. LINLI_TEST_LONG=1 also lives through the demo's ninety days of visits.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from sqlalchemy import event as listening
from sqlalchemy import select, text
from sqlmodel import SQLModel

import hub
from hub import erasure, readings, sightings
from hub.bus import Bus
from hub.civic.health import alerts, consents, kiosk, tasks
from hub.civic.points import away, honours, publicity, rewards, transfers
from hub.clock import ManualClock
from hub.db import Actor, Store, Tx
from hub.events import Event, ReadValue, StoredReading
from hub.main import seed
from hub.module import discover
from hub.readings import Reading
from hub.rng import SeededRng
from simulators import people
from tests.health import hutrig
from tests.health.hutrig import HUT, LIN, WANG, Hut
from tests.points.ledgers import account
from tests.world import LIUHE, START, make_store, staff, wire

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
TIMES = 40 if LONG else 2  # each kind, with other values each time
EARNING = ("hub.civic.points.", "hub.civic.activities.")  # whose own events may move points
EARNED_BY = {"PointsPosted", "SheetApproved", "SheetSubmitted", "ActivityPublished"}
MEASURED = (("bp", "sys"), ("spo2", "spo2"), ("temp", "temp"))
WANTS_MORE = {"AlarmChanged"}  # its listener looks for the rules that somebody reviewed
HEAD = {each.name for each in fields(Event)}
LIVED = {  # what the story below must really have said, or it would prove nothing
    "KioskOpened", "KioskClosed", "ReadingsStored", "ReadingBound", "ReadingRebound", "ReadingsErased", "AlertRaised",
    "AlertOpened", "AlertTaken", "AlertDone", "DoctorAnswered", "TaskChanged", "ConsentChanged", "AttendantCalled",
    "ValuesSeen",
}  # fmt: skip


def kinds() -> list[type[Event]]:
    """Every kind of event in the house but the points' own and the activities' that earn them."""
    for module in pkgutil.walk_packages(hub.__path__, "hub."):
        if module.name.split(".")[1] not in ("__main__", "main", "migrations"):
            importlib.import_module(module.name)
    found = sorted(set(_below(Event)), key=lambda kind: (kind.__module__, kind.__name__))
    return [kind for kind in found if not kind.__module__.startswith(EARNING) and kind.__name__ not in EARNED_BY]


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


class Watch:
    """Each statement that writes into a table of the points, also one that is rolled back later."""

    def __init__(self, store: Store) -> None:
        self.wrote: list[str] = []
        tables = [name for name in SQLModel.metadata.tables if name.startswith("points_")]
        assert {"points_txn", "points_posting", "points_claim", "points_redemption"} <= set(tables)
        self.tables = tables
        listening.listen(store.engine, "before_cursor_execute", self._look)

    def _look(self, _connection: Any, _cursor: Any, statement: str, *_more: object) -> None:
        words = statement.split(None, 3)
        if words[0] in ("INSERT", "UPDATE", "DELETE") and any(each.startswith("points_") for each in words[1:3]):
            self.wrote.append(statement)


@pytest.fixture
def hut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hut:
    monkeypatch.setattr(hutrig, "_wired", _all_slices)
    made = Hut(tmp_path)
    for who in ("r-wang", "r-lin"):
        made.act(account, "person", who)
    made.act(account, "household", "h-wang")
    return made


def _all_slices() -> Bus:
    bus = Bus()
    wire(bus, discover())
    return bus


def _counts(store: Store, tables: list[str]) -> dict[str, int]:
    with store.engine.connect() as connection:
        return {each: connection.execute(text(f"SELECT count(*) FROM {each}")).scalar_one() for each in tables}  # noqa: S608


def _live(hut: Hut) -> None:
    """Two who come with their cards, one who asks for help, a guest; consents given and taken back; a doctor."""
    as_doctor: Callable[..., Any] = lambda verb, *words: hut.store.write_now(  # noqa: E731
        lambda tx: verb(tx, *words), Actor("staff:s-doctor")
    )
    hut.act(consents.give, "r-lin", "doctor")
    for card, first in ((WANG, "186"), (LIN, "128")):
        hut.visit(card)
        for sys in (first, "184"):
            hut.measure(values={"sys": sys, "dia": "112", "map": "137", "pulse": "80"})
            hut.clock.advance(300)
        hut.measure("spo2", {"spo2": "97", "pulse": "70"})
        if card == WANG:
            hut.act(lambda tx: alerts.tell_doctor(tx, kiosk.open_at(tx, HUT), True))  # type: ignore[arg-type]
        hut.act(lambda tx: alerts.call(tx, kiosk.open_at(tx, HUT)))  # type: ignore[arg-type]
        hut.act(kiosk.end, HUT)
    hut.visit(LIN)
    mine = hut.measure("temp", {"temp": "36.6"})
    hut.act(kiosk.end, HUT)
    alert = hut.alerts()[0].id
    for verb in (alerts.look_at, alerts.take, alerts.finish):
        as_doctor(verb, alert)
    (task,) = hut.store.read_now(lambda read: tasks.of_person(read, "r-wang"))
    as_doctor(tasks.act, task.id, "called")
    for purpose in consents.PURPOSES:
        hut.act(consents.give, "r-wang", purpose)
        hut.act(consents.take_back, "r-wang", purpose)
    rows = hut.store.read_now(lambda read: list(read.session.execute(select(Reading)).scalars()))
    hut.act(sightings.leave, staff(hut.store, "s-doctor"), rows, "triage")
    hut.act(readings.rebind, mine, None, "not-mine")
    hut.act(erasure.erase, [mine], "self")


def test_a_life_of_measuring_agreeing_and_visiting_earns_nothing(hut: Hut) -> None:
    told: set[str] = set()
    hut.store.bus.observe(lambda events, _touched: told.update(type(each).__name__ for each in events))
    watch = Watch(hut.store)
    before = _counts(hut.store, watch.tables)
    _live(hut)
    assert told >= LIVED
    hut.clock.set(START + timedelta(days=40))
    for due in (publicity.settle_due, transfers.settle_due, away.end_leases, rewards.return_unclaimed):
        hut.act(due)
    hut.act(honours.honour_continued)
    assert watch.wrote == []
    assert _counts(hut.store, watch.tables) == before


def _made_up(hint: Any, name: str, ids: dict[str, list[str]], rng: random.Random) -> Any:
    """A value that a listener may take for a true one: what an id's name names is there."""
    if get_origin(hint) is UnionType:
        return _made_up(rng.choice((*get_args(hint)[:1] * 3, *get_args(hint))), name, ids, rng)  # seldom nothing
    if get_origin(hint) is tuple:
        return tuple(_made_up(get_args(hint)[0], name.rstrip("s"), ids, rng) for _ in range(rng.randint(1, 2)))
    if hint is str:
        return rng.choice(ids.get(name, ["r-wang", "routine", "open", "done", "confirmed", "urgent"]))
    if issubclass(hint, StoredReading):
        given = get_type_hints(hint)
        return hint(**{each: _made_up(given[each], each, ids, rng) for each in given})
    made: dict[type, Any] = {
        bool: rng.random() < 0.5, int: rng.randint(0, 3), type(None): None, date: START.date(),
        datetime: START + timedelta(days=rng.randint(-3, 3)), ReadValue: ReadValue("sys", Decimal(128), "mm[Hg]"),
    }  # fmt: skip
    return made[hint]


def _ids(store: Store) -> dict[str, list[str]]:
    """Of every table with one: the rows' own ids, by the name under which an event would carry them."""
    ids = {"person": ["r-wang", "r-lin"], "resident": ["r-wang", "r-lin"], "area": [LIUHE], "staff": ["s-staff"]}
    for each in ("by", "worker", "owner", "doctor", "deputy", "before", "to"):
        ids[each] = ["s-staff", "s-doctor", "r-wang"]
    with store.engine.connect() as connection:
        for name, table in SQLModel.metadata.tables.items():
            if "id" in table.columns and not name.startswith("points_"):
                found = [str(each) for each in connection.execute(select(table.c.id).limit(5)).scalars()]
                for short in {name, name.partition("_")[2]} - {""}:
                    ids.setdefault(short, []).extend(found)
    return {name: found for name, found in ids.items() if found}


def test_no_event_of_any_other_part_of_the_house_moves_a_point(hut: Hut) -> None:
    watch, rng = Watch(hut.store), random.Random(7)
    before, refused = _counts(hut.store, watch.tables), set[str]()
    _live(hut)
    ids = _ids(hut.store)
    every = kinds()
    assert len(every) > 80
    for kind in every:
        hints, heard = get_type_hints(kind), 0
        for _time in range(TIMES):
            made = {name: _made_up(hint, name, ids, rng) for name, hint in hints.items() if name not in HEAD}
            with suppress(Exception):  # a listener may find that nothing of it is true; what it wrote was seen
                hut.store.write_now(partial(_emit, kind=kind, made=made))
                heard += 1
        refused |= set() if heard else {kind.__name__}
        assert watch.wrote == [], kind
    assert refused <= WANTS_MORE
    assert _counts(hut.store, watch.tables) == before


def _emit(tx: Tx, kind: type[Event], made: dict[str, Any]) -> None:
    tx.emit(kind, **made)


if LONG:

    def test_ninety_days_of_two_communities_visits_earn_nothing(tmp_path: Path) -> None:
        """The demo's history, and what every slice adds to it but the two that earn."""
        clock = ManualClock(START)
        store = make_store(tmp_path, clock=clock, bus=_all_slices())
        watch = Watch(store)
        lives = tuple(each for each in discover() if each.name not in ("points", "activities"))
        world = seed.SeedWorld(people.plan("linli-1", START.date()), clock, START, SeededRng("demo"))
        seed.seed(store, world, lives, print)
        assert _counts(store, ["reading"])["reading"] > 4_000
        assert watch.wrote == []
        assert sum(_counts(store, watch.tables).values()) == 0
        store.close()

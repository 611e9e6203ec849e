"""A street with doors to call at: two grids, two who walk them, a desk; behind the real shell where it is asked for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import delete, select
from sqlmodel import col

from hub import directory, reach
from hub.access import Permissions, Subject
from hub.bus import Bus
from hub.civic import notices, visits
from hub.civic.notices.models import Notice
from hub.civic.visits import book, knocks
from hub.civic.visits.knocks import Said
from hub.civic.visits.models import Knock, Visit
from hub.clock import ManualClock, SystemClock
from hub.db import Actor, Store, Tx
from hub.directory import NewHousehold, NewResident
from hub.events import VisitWanted
from hub.feed import Feed
from hub.rng import SeededRng
from hub.services import Services
from tests import world
from tests.notices.office import open_office
from tests.web.shell_world import Shell, running
from tests.world import LIUHE, START
from web.app import create_app
from web.render import make_render

ON_POSTGRESQL = "LINLI_TEST_POSTGRES" in os.environ
MODULES = (notices.MODULE, visits.MODULE)
# household -> (building, flat, tags, residents): two to a home where the second is of the family
HOMES = {
    "h-he": ("lh-b2", "1单元101", ("alone", "aged80"), (("r-he", "何秀英", 1938),)),
    "h-su": ("lh-b2", "1单元1001", (), (("r-su", "苏明", 1980), ("r-su2", "苏青", 1984), ("r-su3", "苏小", 2020))),
    "h-tan": ("lh-b2", "2单元201", (), (("r-tan", "谭云", 1979),)),
    "h-xia": ("lh-b9", "101", ("alone",), (("r-xia", "夏兰", 1950),)),
}


@dataclass
class Street:
    store: Store
    clock: Any
    sent: int = 0
    notice: str = ""
    revision: int = 1

    def who(self, ident: str) -> Subject:
        return world.staff(self.store, ident)

    def want(self, household: str, resident: str | None = None, **more: Any) -> Visit:
        """As the ladder would."""
        given: dict[str, Any] = {
            "notice": self.notice, "revision": self.revision, "area": LIUHE, "household": household,
            "resident": resident, "reason": "no_address" if resident else "unseen", "rank": 0, "priority": "routine",
            "title": "停水通知", "expires": None,
        } | more  # fmt: skip

        def ask(tx: Tx) -> str:
            tx.emit(VisitWanted, **given)
            key = f"{given['notice']}|{given['revision']}|{household}"
            return str(tx.session.execute(select(col(Visit.id)).where(col(Visit.key) == key)).scalar_one())

        return self.visit(self.store.write_now(ask))

    def visit(self, ident: str) -> Visit:
        return self.store.read_now(lambda read: book.visit(read, ident))

    def knock(self, visit: Visit, result: str, person: str = "", *, by: str = "s-feng", **more: Any) -> Knock:
        self.sent += 1
        signed = "何秀英" if result in ("met", "family") else ""
        said = Said(**({"key": f"k{self.sent}", "visit": visit.id, "result": result, "person": person,
                        "signature": signed, "at": self.clock.now()} | more))  # fmt: skip
        who = self.who(by)
        return self.store.write_now(lambda tx: knocks.record(tx, who, said), Actor(f"staff:{by}"))

    def knocks(self, visit: Visit) -> list[Knock]:
        return self.store.read_now(lambda read: knocks.of_visit(read, visit.id))

    def best(self, resident: str) -> str:
        found = self.store.read_now(lambda read: reach.best_of(read, f"r:{resident}", [self.notice]))
        return found.get(self.notice, "")

    def see(self, *residents: str, level: str = "seen") -> None:
        at = self.clock.now()
        proofs = [reach.Proof(self.notice, self.revision, f"r:{each}", "web", level, at) for each in residents]
        self.store.write_now(lambda tx: reach.record_all(tx, proofs))

    def later(self, **span: float) -> datetime:
        self.clock.set(self.clock.now() + timedelta(**span))
        return self.clock.now()  # type: ignore[no-any-return]


def open_street(folder: Path, *, clock: Any = None, inline: bool = True) -> Street:
    """A copy of the street as it stands on the morning its notice was released."""
    if ON_POSTGRESQL:
        _settle(folder)  # no file to copy; the folder's database is found again below
    else:
        shutil.copy(_morning(), folder / "linli.db")
    bus = Bus()
    world.wire(bus, MODULES)
    clock = clock or ManualClock(START)
    store = world.make_store(folder, clock=clock, bus=bus, inline=inline)
    store.rng = SeededRng("street")  # the morning's ids began with the ordinary one
    street = Street(store, clock)
    street.notice = store.read_now(lambda read: read.session.execute(select(col(Notice.id))).scalar_one())
    return street


@cache
def _morning() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="linli-street-"))
    _settle(folder)
    return folder / "linli.db"


def _settle(folder: Path) -> None:
    bus = Bus()
    world.wire(bus, MODULES)
    office = open_office(folder, followers={}, bus=bus)
    office.store.write_now(_move_in)
    desk = world.staff(office.store, "s-staff")
    for grid, staff in ((1, "s-grid"), (2, "s-feng"), (3, "s-luo")):
        office.store.write_now(partial(book.give_round, who=desk, area=LIUHE, grid=grid, staff=staff))
    office.released()
    office.store.close()


def _move_in(tx: Tx) -> None:
    directory.found_building(tx, "lh-b2", LIUHE, "2栋", "Building 2", grid=2)
    directory.found_building(tx, "lh-b9", LIUHE, "9栋", "Building 9", grid=3)
    tx.session.flush()
    for ident, (building, flat, tags, living) in HOMES.items():
        members = tuple(
            NewResident(each, ident, name, "f", date(born, 1, 1), f"1001{born}0000" if born < 1960 else None)
            for each, name, born in living
        )
        directory.register_households(tx, LIUHE, [NewHousehold(ident, building, flat, tags, members)])
    directory.hire(tx, "s-feng", "冯云", "p-feng2", [("grid_worker", LIUHE)], title_zh="网格员", title_en="Grid worker")
    directory.hire(tx, "s-luo", "罗雨", "p-luo", [("grid_worker", LIUHE)], title_zh="网格员", title_en="Grid worker")


def empty(tx: Tx) -> None:
    """No visit was ever asked for and nobody has read anything: for tests that share one street."""
    for table in (Knock, Visit, reach.Reach, reach.ReachCount):
        tx.session.execute(delete(table))


@contextmanager
def a_street(folder: Path) -> Iterator[tuple[Street, Shell]]:
    """The same behind a real socket."""
    street = open_street(folder, clock=SystemClock(), inline=False)
    render, store = make_render(MODULES, None), street.store
    feed = Feed(store, [topic for module in MODULES for topic in module.topics], render, street.clock)
    store.bus.observe(feed.committed)
    hub = Services(
        store=store, feed=feed, registry=None, ingest=None, clock=street.clock, rng=store.rng,  # type: ignore[arg-type]
        net=httpx.AsyncClient(trust_env=False), permissions=Permissions(each.permissions or {} for each in MODULES),
        modules=MODULES, render=render, data=folder,
    )  # fmt: skip
    with running(Shell(None, store, hub, create_app(hub))) as shell:  # type: ignore[arg-type]
        yield street, shell

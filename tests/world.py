"""A small world for tests: a real store on disk at the newest version, a few areas and people, a clock that stands
still.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from hub import db, directory, migrations
from hub.access import Permissions, Subject
from hub.bus import Bus
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.directory import NewHousehold, NewResident
from hub.module import Module, discover
from hub.rng import SeededRng
from hub.seal import Seal

START = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 09:00 in Jingmen
CITY, DISTRICT, STREET, LIUHE, TAYING = "420800000000", "420802000000", "420802002000", "420802002001", "420802001013"
KEY = bytes(range(64))
WAIT_S_MAX = 20.0  # a loaded machine is slow; an event that never comes must still fail its test and not spin
db.STATEMENTS_MAX = 5_000  # all of the house's, for all stores of the run; a hub asks far fewer


@cache
def _template() -> Path:
    """The empty store, migrated once per test run and copied for each test."""
    path = Path(tempfile.mkdtemp(prefix="linli-world-")) / "linli.db"
    store = Store(f"sqlite:///{path}", seal=Seal(KEY), clock=ManualClock(START), rng=SeededRng("t"), inline=True)
    migrations.upgrade(store)
    store.close()
    return path


def lay_store(folder: Path) -> None:
    """The empty store where a hub that is started on this folder finds it: migrating one takes a second."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "linli.db").exists():
        shutil.copy(_template(), folder / "linli.db")


def make_store(folder: Path, *, clock: ManualClock | None = None, bus: Bus | None = None, inline: bool = True) -> Store:
    """A store at the newest version in `folder`. Slices' listeners are wired unless a bus is given."""
    lay_store(folder)
    if bus is None:
        bus = Bus()
        wire(bus, discover())
    return Store(
        f"sqlite:///{folder / 'linli.db'}",
        seal=Seal(KEY),
        clock=clock or ManualClock(START),
        rng=SeededRng("linli-test"),
        bus=bus,
        inline=inline,
    )


def wire(bus: Bus, modules: tuple[Module, ...]) -> None:
    for module in modules:
        for kind, listener in module.listeners:
            bus.on(kind, listener)


def permissions() -> Permissions:
    return Permissions(module.permissions or {} for module in discover())


def people(tx: Tx) -> None:
    """Jingmen > Dongbao > Quankou > Liuhe with one building, two households, five staff; Taying beside it, empty."""
    directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
    directory.found_area(tx, DISTRICT, "district", "东宝区", "Dongbao", CITY)
    directory.found_area(tx, STREET, "street", "泉口街道", "Quankou", DISTRICT)
    directory.found_area(tx, "420802001000", "street", "龙泉街道", "Longquan", DISTRICT)
    directory.found_area(tx, LIUHE, "community", "浏河社区", "Liuhe", STREET)
    directory.found_area(tx, TAYING, "community", "塔影社区", "Taying", "420802001000")
    directory.found_building(tx, "lh-b1", LIUHE, "1栋", "Building 1", grid=1)
    wang = NewResident(
        "r-wang", "h-wang", "王桂兰", "f", date(1944, 3, 5), "10012345678", "LH-000001", ("alone", "aged80")
    )
    lin = NewResident("r-lin", "h-lin", "林春禾", "f", date(1982, 6, 1), "10012345679", "LH-000002")
    boy = NewResident("r-boy", "h-lin", "林晓雨", "m", date(2015, 6, 1))
    directory.register_households(
        tx,
        LIUHE,
        [
            NewHousehold("h-wang", "lh-b1", "101", ("alone", "aged80"), (wang,)),
            NewHousehold("h-lin", "lh-b1", "102", (), (lin, boy)),
        ],
    )
    directory.hire(
        tx, "s-staff", "周文", "p-zhou", [("staff", LIUHE)], title_zh="社区工作者", title_en="Community worker"
    )
    directory.hire(
        tx, "s-director", "郑云", "p-zheng", [("director", LIUHE)], title_zh="书记兼主任", title_en="Director"
    )
    directory.hire(tx, "s-grid", "冯雪", "p-feng", [("grid_worker", LIUHE)], household="h-lin")
    directory.hire(tx, "s-attendant", "陈露", "p-chen", [("attendant", LIUHE)])
    directory.hire(tx, "s-doctor", "韩松", "p-han", [("doctor", LIUHE)])
    directory.hire(tx, "s-operator", "吴霜", "p-wu", [("operator", CITY)])
    directory.hire(tx, "s-publisher", "何雾", "p-he", [("publisher", CITY)])


def staff(store: Store, ident: str) -> Subject:
    """The subject a staff member's session would give, the password typed this moment."""
    return store.read_now(
        lambda read: Subject(
            id=ident,
            kind="staff",
            grants=directory.grants(read, ident),
            surface="staff",
            person=read.session.get(directory.Staff, ident).person,  # type: ignore[union-attr]
            household=read.session.get(directory.Staff, ident).household,  # type: ignore[union-attr]
            proved_at=read.now(),
        )
    ).with_permissions(permissions())


async def until(met: Callable[[], object]) -> None:
    """Let everything else run until a condition holds; what another task does next is no event we could wait for."""
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            while not met():  # noqa: ASYNC110
                await asyncio.sleep(0)
    except TimeoutError:
        raise AssertionError(f"what was waited for did not come within {WAIT_S_MAX:g} s") from None

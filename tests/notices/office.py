"""A community office for the notices' tests: a real store with followers, and the people who write and sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub import audience
from hub.access import Subject
from hub.audience import Audience
from hub.bus import Bus
from hub.civic.notices import MODULE, desk
from hub.civic.notices.models import Notice
from hub.civic.notices.wording import Words
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.directory import hire
from tests import world
from tests.world import DISTRICT, LIUHE, START

NAMES = ("王桂兰", "林春禾", "林晓雨")


@dataclass
class Office:
    store: Store
    clock: ManualClock
    staff: Subject
    second: Subject
    director: Subject
    publisher: Subject
    second_publisher: Subject

    def draft(self, **changes: Any) -> Notice:
        given = words(**changes)
        by = self.publisher if set(given.audience.areas) != {LIUHE} else self.staff
        return self.store.write_now(lambda tx: desk.draft(tx, by, given))

    def released(self, **changes: Any) -> Notice:
        made = self.draft(**changes)
        by = self.publisher if made.place != LIUHE else self.staff
        return self.store.write_now(lambda tx: desk.release(tx, by, made.id))

    def spread(self) -> None:
        from hub import outbox

        while self.store.write_now(outbox.spread):
            pass

    def sweep(self, limit: int = 1_000) -> None:
        """What ended is closed; in life a job of its own does it a moment later."""
        from hub import sweep

        while self.store.write_now(lambda tx: sweep.sweep(tx, limit)):
            pass


def words(**changes: Any) -> Words:
    plain: dict[str, Any] = {
        "kind": "water", "title": "停水通知", "text": "因管道检修,明天8:00至12:00停水。",
        "audience": Audience((LIUHE,)),
        "title_en": "Water cut", "text_en": "No water tomorrow from 8:00 to 12:00.", "contact": "0724-1000001",
    }  # fmt: skip
    return Words(**{**plain, **changes})


def open_office(
    folder: Path,
    followers: Mapping[str, str] | None = None,
    *,
    bus: Bus | None = None,
    clock: Any = None,
    inline: bool = True,
) -> Office:
    clock = clock or ManualClock(START)
    if bus is None:
        world.wire(bus := Bus(), (MODULE,))
    store = world.make_store(folder, clock=clock, bus=bus, inline=inline)
    bound = {"r-wang": "openid-wang", "r-lin": "openid-lin"} if followers is None else followers

    def fill(tx: Tx) -> None:
        world.people(tx)
        hire(tx, "s-second", "许云", "p-xu", [("staff", LIUHE)])
        hire(tx, "s-publisher2", "孔雨", "p-kong", [("publisher", DISTRICT)])
        for resident, address in bound.items():
            audience.bind(tx, resident, "wechat", address)

    store.write_now(fill)
    who = [world.staff(store, f"s-{each}") for each in ("staff", "second", "director", "publisher", "publisher2")]
    return Office(store, clock, *who)

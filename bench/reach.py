"""A notice to a whole city: how soon its release answers, how fast it fans out to SQLite, what each step costs.

    linli bench reach [--people 100000] [--batches 100] [--json]

One process does it all, so that its CPU time and its memory are the delivery's own. The city has 214 communities; six
in ten people follow by WeChat. `release` and `withdraw` are the transactions of the desk's buttons; `spread` turns the
notice into deliveries, page by page; `carry` claims and settles batches while all the others wait behind them.
`together` is what one channel's messages take while two others hang, as a multiple of what they take alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import text

from bench.rig import machine, town, withdrawal
from bench.rig.figures import quantile
from channels import discover
from channels.base import Accepted, Caps, Delivery, Message, Outcome, Rendered, Skip
from hub import courier, delivery, directory, outbox
from hub.access import Permissions, Subject
from hub.audience import Audience
from hub.civic.notices import MODULE, desk
from hub.civic.notices.wording import Words
from hub.db import Store, Tx
from hub.main import wiring
from hub.services import Services
from hub.settings import load as load_settings

CITY = "420800000000"
COMMUNITIES = 214
FOLLOWERS_OF_TEN = 6
HOME = 3  # people behind a door
RENDERS = 2_000
ALONE, HUNG = "wechat", ("sms", "webpush")
BESIDE = 400  # messages of the channel that is watched
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    wall_s: float
    cpu_s: float


def timed(work: Callable[[], T]) -> tuple[T, Cost]:
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()
    return made, Cost(time.perf_counter() - wall, time.process_time() - cpu)


def rss_mib() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def furnish(store: Store, people: int) -> None:
    """People by one statement each table: only their number and their addresses matter here."""

    def areas(tx: Tx) -> None:
        directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
        for n in range(COMMUNITIES):
            directory.found_area(tx, _code(n), "community", f"社区{n}", f"Community {n}", CITY)
            directory.found_building(tx, f"b-{n}", _code(n), "1栋", "Building 1", grid=1)
        directory.hire(tx, "s-publisher", "何雾", "p-he", [("publisher", CITY)])

    def crowd(tx: Tx) -> None:
        seal = store.seal
        given = {
            "people": people, "communities": COMMUNITIES, "home": HOME, "of_ten": FOLLOWERS_OF_TEN,
            "name": seal.close("周甲".encode(), "resident.name"), "now": "2026-01-01 00:00:00.000000",
            "address": seal.close(b"openid", "channel_binding.address"),
        }  # fmt: skip
        for statement in _CROWD:
            tx.session.execute(text(statement), given)

    store.write_now(areas)
    store.write_now(crowd)


def _code(number: int) -> str:
    return f"420802{number:03d}001"


# A recursive count of all the people, in the order of their communities.
_CROWD = (
    """WITH RECURSIVE one(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM one WHERE n + 1 < :people)
    INSERT INTO household (id, area, building, flat, size, tags)
    SELECT printf('h-%07d', n), printf('420802%03d001', n * :communities / :people),
        'b-' || (n * :communities / :people), n, :home, ' ' FROM one WHERE n % :home = 0""",
    """WITH RECURSIVE one(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM one WHERE n + 1 < :people)
    INSERT INTO resident (id, household, area, name, sex, born, tags)
    SELECT printf('r-%07d', n), printf('h-%07d', n - n % :home),
        (SELECT area FROM household WHERE id = printf('h-%07d', n - n % :home)), :name, 'f', '1980-01-01', ' '
    FROM one""",
    """WITH RECURSIVE one(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM one WHERE n + 1 < :people)
    INSERT INTO channel_binding (id, resident, channel, address, address_mark, state, bound_at)
    SELECT printf('c-%07d', n), printf('r-%07d', n), 'wechat', :address, printf('m-%07d', n), 'active', :now
    FROM one WHERE n % 10 < :of_ten""",
)


def publisher(store: Store) -> Subject:
    grants = store.read_now(lambda read: directory.grants(read, "s-publisher"))
    held = Permissions([MODULE.permissions or {}])
    return Subject(id="s-publisher", kind="staff", grants=grants, surface="staff", person="p-he").with_permissions(held)


def release(store: Store) -> tuple[str, dict[str, Any]]:
    by = publisher(store)
    words = Words(
        kind="water", title="停水通知", text="明天停水。", title_en="Water cut", text_en="No water tomorrow.",
        audience=Audience((CITY,)), contact="0724-1000001",
    )  # fmt: skip
    made = store.write_now(lambda tx: desk.draft(tx, by, words))
    _done, cost = timed(lambda: store.write_now(lambda tx: desk.release(tx, by, made.id)))
    return made.id, {"release_s": round(cost.wall_s, 3), "release_cpu_s": round(cost.cpu_s, 3)}


def spread(store: Store) -> dict[str, Any]:
    before, peak, pages = rss_mib(), 0.0, list[Cost]()
    while True:
        more, cost = timed(lambda: store.write_now(outbox.spread))
        if not more:
            break
        pages.append(cost)
        if len(pages) % 20 == 0:
            peak = max(peak, rss_mib())
    rows = store.read_now(lambda read: int(read.session.execute(text("SELECT count(*) FROM outbox")).scalar_one()))
    wall, cpu = sum(page.wall_s for page in pages), sum(page.cpu_s for page in pages)
    ordered = sorted(page.wall_s for page in pages)
    return {
        "pages": len(pages), "deliveries": rows, "spread_s": round(wall, 1), "spread_cpu_s": round(cpu, 1),
        "deliveries_per_s": round(rows / wall), "page_ms_p50": round(quantile(ordered, 0.5) * 1000, 1),
        "page_ms_p99": round(quantile(ordered, 0.99) * 1000, 1), "rss_mib_before": round(before),
        "rss_mib_grown": round(max(peak, rss_mib()) - before),
    }  # fmt: skip


def carry(store: Store, batches: int) -> dict[str, Any]:
    """With everybody else's delivery waiting behind."""
    claims, settles, carried = list[Cost](), list[Cost](), 0
    for _batch in range(batches):
        batch, cost = timed(lambda: store.write_now(lambda tx: delivery.claim(tx, "wechat", 20)))
        claims.append(cost)
        answers: list[Outcome] = [Accepted(each.delivery.id) for each in batch]
        _none, cost = timed(lambda b=batch, a=answers: store.write_now(lambda tx: delivery.settle(tx, b, a)))  # type: ignore[misc]
        settles.append(cost)
        carried += len(batch)
    wall = sum(cost.wall_s for cost in (*claims, *settles))
    _due, look = timed(lambda: [store.read_now(lambda read: delivery.due(read, "wechat")) for _ in range(100)])
    return {
        "carried": carried, "carried_per_s": round(carried / wall),
        "claim_cpu_ms_p50": round(statistics.median(cost.cpu_s for cost in claims) * 1000, 2),
        "settle_cpu_ms_p50": round(statistics.median(cost.cpu_s for cost in settles) * 1000, 2),
        "look_cpu_us": round(look.cpu_s / 100 * 1e6),
    }  # fmt: skip


def withdraw(store: Store, notice: str) -> dict[str, Any]:
    """While a community's readings come in."""
    by = publisher(store)
    store.write_now(lambda tx: town.huts(tx, _code(0)))
    ended = withdrawal.beside(store, _code(0), lambda tx: desk.retract(tx, by, notice, "It was a mistake"))
    return asyncio.run(ended) | {"rss_mib_after": round(rss_mib())}


def renders(services: Services) -> dict[str, float]:
    """CPU microseconds to put one notice into a channel's form."""
    message = Message(
        "n", 1, "important", "water", "停水通知", "因管道检修，明天8:00至12:00停水。" * 3, "浏河社区", "社区",
        services.clock.now(), None, "/n/1",
    )  # fmt: skip
    found = {}
    for name in sorted(discover()):
        channel = courier.for_preview(services, name)
        render = channel.render
        _many, cost = timed(lambda render=render: [render(message) for _ in range(RENDERS)])  # type: ignore[misc]
        found[name] = round(cost.cpu_s / RENDERS * 1e6, 1)
    return found


@dataclass
class Beside:
    """A channel whose provider takes 20 ms, or never answers."""

    name: str
    hangs: bool
    title: str = "beside"
    caps: Caps = Caps("addressed", "person", "delivered", 20, 20, False, False, batch_max=20)  # noqa: RUF009
    waits: list[float] | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        return Rendered(message.title)

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        now = time.time()
        if self.waits is not None:
            self.waits += [now - each.message.sent_at.timestamp() for each in batch]
            self.came.set()
        await asyncio.sleep(3_600 if self.hangs else 0.02)
        return [Accepted(each.id) for each in batch]

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self.send(batch)


async def _beside(services: Services, hung: Sequence[str]) -> float:
    """p99 of a message's way from its notice to the provider, in ms, with these others hanging."""
    watched = Beside(ALONE, hangs=False, waits=[])
    ways = [watched, *(Beside(name, hangs=True) for name in hung)]
    jobs = [courier.fan_out(services), *(courier.keep_carrying(services, way) for way in ways)]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    assert watched.waits is not None
    try:
        while len(watched.waits) < BESIDE:
            count = len(watched.waits)
            await services.store.write(_plan_more)
            async with asyncio.timeout(60):
                while len(watched.waits) == count:
                    watched.came.clear()
                    await watched.came.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return quantile(sorted(watched.waits), 0.99) * 1000


def _plan_more(tx: Tx) -> None:
    """A notice to a handful of people: each has an address on every channel."""
    message = Message(tx.new_id(), 1, "urgent", "water", "停水", "停水", "荆门", "社区", tx.now(), None, "/n")
    outbox.plan(tx, message, Audience((_code(0),)))


def independence(folder: Path) -> dict[str, Any]:
    store = wiring.open_store(load_settings({"data_dir": folder}, {}))
    furnish(store, 20 * COMMUNITIES)
    for name in HUNG:
        copy = (
            "INSERT INTO channel_binding (id, resident, channel, address, address_mark, state, bound_at) SELECT "
            ":name || id, resident, :name, address, :name || address_mark, state, bound_at FROM channel_binding "
            "WHERE channel = 'wechat'"
        )
        store.write_now(lambda tx, copy=copy, name=name: tx.session.execute(text(copy), {"name": name}))  # type: ignore[misc]
    services = _services(store, folder)
    alone = [asyncio.run(_beside(services, ())) for _pass in range(2)]
    together = asyncio.run(_beside(services, HUNG))
    store.close()
    return {
        "alone_ms_p99": round(min(alone), 1), "together_ms_p99": round(together, 1),
        "together": round(together / min(alone), 2),
    }  # fmt: skip


def _services(store: Store, folder: Path) -> Services:
    settings = load_settings({"data_dir": folder, "quiet_hours": ""}, {})  # the hour must not decide what is measured
    made = wiring.services(settings, store=store)
    return replace(made, net=httpx.AsyncClient(trust_env=False))


def main() -> None:
    words = argparse.ArgumentParser(prog="linli bench reach", description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--people", type=int, default=100_000, help="1560000 is the source's city")
    words.add_argument("--batches", type=int, default=100)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as name:
        folder = Path(name)
        told: dict[str, Any] = {"people": given.people, **machine.described()}
        store = wiring.open_store(load_settings({"data_dir": folder / "city"}, {}), bus=wiring.wired_bus((MODULE,)))
        furnish(store, given.people)
        services = _services(store, folder / "city")
        told |= {"render_us": renders(services)}
        notice, figures = release(store)
        told |= figures | spread(store) | carry(store, given.batches) | withdraw(store, notice)
        told["store_mib"] = round((folder / "city" / "linli.db").stat().st_size / 2**20)
        store.close()
        told |= independence(folder / "few")
        told["rss_mib_max"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if given.json:
        print(json.dumps(told))
        return
    for key, value in told.items():
        print(f"{key:20} {value}")


if __name__ == "__main__":
    main()

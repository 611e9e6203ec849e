"""How fast points move, beside the same rows put in with nothing to guard them, in the same passes.

    linli bench ledger [--passes 5] [--transfers 10000] [--group 1000] [--engine sqlite] [--engine postgresql] [--json]

`grouped` moves a point from person to person by `ledger.post_all`, so many to a commit: locks, receipts of repeats, the
chain's link, triggers that keep both balances, an event for each account. `raw` inserts the same two rows for each
transfer, made before the clock starts, by the same statements into the same tables and indexes without one trigger,
committed in the same groups. `one` is a commit for each transfer. A ratio is taken within a pass; what is shown is the
median over passes. CPU is this process's; PostgreSQL's own is not in it, so there only the wall clock compares. SQLite
syncs each commit to the disk; PostgreSQL is a cluster in memory that does not (tests/postgres/cluster.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from bench.rig import machine
from hub import bulk, directory, migrations
from hub.bus import Bus
from hub.civic.points import accounts, beneficiary, book, chain, guards, journal, ledger
from hub.civic.points.why import Draft, Why
from hub.clock import SystemClock
from hub.db import Store, Tx
from hub.directory import NewHousehold, NewResident
from hub.rng import SystemRng
from hub.seal import Seal
from tests.postgres.cluster import a_cluster

PEOPLE = 200
EACH = 1_000_000  # points to begin with: nobody runs out
ONE_PART = 50  # of the transfers are made one a commit: each waits for the disk by itself
AREA = "420802002001"


@dataclass(frozen=True)
class Turn:
    """One contestant's turn: transfers a second by the wall clock, and by this process's CPU time."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Found:
    engine: str
    grouped: Turn
    raw: Turn
    one: Turn
    grouped_of_raw_wall: float
    grouped_of_raw_cpu: float


@contextmanager
def a_store(url: str) -> Iterator[Store]:
    store = Store(url, seal=Seal(bytes(64)), clock=SystemClock(), rng=SystemRng(), bus=Bus(), inline=True)
    try:
        migrations.upgrade(store)
        yield store
    finally:
        store.close()


def people(tx: Tx) -> list[str]:
    """A community of so many grown-ups with points."""
    directory.found_area(tx, AREA, "community", "浏河社区", "Liuhe")
    directory.found_building(tx, "b1", AREA, "1栋", "Building 1")
    homes = [
        NewHousehold(
            f"h-{each}", "b1", str(each), (), (NewResident(f"r-{each}", f"h-{each}", "林甲", "f", date(1980, 1, 1)),)
        )
        for each in range(PEOPLE)
    ]
    directory.register_households(tx, AREA, homes)
    owners = beneficiary.find(tx, {("person", f"r-{each}") for each in range(PEOPLE)})
    found = list(accounts.open_accounts(tx, owners.values()).values())
    source = accounts.house_account(tx, "issue", AREA, "Asia/Shanghai")
    why = Why("award", item="C01", catalogue="jingmen-46@1")
    ledger.post_all(tx, [Draft(source, each, EACH, f"start:{each}", why) for each in found])
    return found


def transfers(found: Sequence[str], tag: str, count: int) -> list[Draft]:
    why = Why("transfer", proposer="r-0")
    ends = [(found[n % PEOPLE], found[(n * 7 + 3) % PEOPLE]) for n in range(count)]
    ends = [(source, end if end != source else found[(n + 1) % PEOPLE]) for n, (source, end) in enumerate(ends)]
    return [Draft(*each, 1, f"transfer:{tag}:{n}", why) for n, each in enumerate(ends)]


def timed(count: int, work: Callable[[], None]) -> Turn:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Turn(count / (time.perf_counter() - wall), count / (time.process_time() - cpu))


def grouped(store: Store, drafts: Sequence[Draft], group: int) -> None:
    for start in range(0, len(drafts), group):
        _post(store, drafts[start : start + group])


def _post(store: Store, some: Sequence[Draft]) -> None:
    store.write_now(lambda tx: ledger.post_all(tx, some))


def raw_rows(store: Store, drafts: Sequence[Draft]) -> list[tuple[tuple[object, ...], tuple[object, ...]]]:
    """The very rows that `grouped` writes, made before the clock starts."""

    def made(tx: Tx) -> list[tuple[tuple[object, ...], tuple[object, ...]]]:
        at = tx.now()
        rows: list[tuple[tuple[object, ...], tuple[object, ...]]] = []
        for draft in drafts:
            ident, why = tx.new_id(), draft.why
            txn = (
                ident, draft.reference, bulk.moment(tx, at), AREA, why.reason, why.by_rule, why.item, why.catalogue,
                why.act_date, why.about, why.proposer, why.verifier, why.approver, why.third, why.evidence, why.cause,
                "hub", None, None, None, None, 1,
            )  # fmt: skip
            rows.append((txn, (ident, draft.source, draft.destination, draft.amount)))
        return rows

    return store.write_now(made)


def put_in(store: Store, rows: Sequence[tuple[tuple[object, ...], tuple[object, ...]]], group: int) -> None:
    for start in range(0, len(rows), group):
        _put(store, rows[start : start + group])


def _put(store: Store, some: Sequence[tuple[tuple[object, ...], tuple[object, ...]]]) -> None:
    def insert(tx: Tx) -> None:
        bulk.insert(tx, "points_txn", journal.TXN_COLUMNS, [txn for txn, _posting in some])
        bulk.insert(tx, "points_posting", journal.POSTING_COLUMNS, [posting for _txn, posting in some])

    store.write_now(insert)


def bench(engine: str, guarded: Store, bare: Store, passes: int, count: int, group: int) -> Found:
    found = guarded.write_now(people)
    bare.write_now(people)
    with bare.engine.begin() as connection:
        guards.remove(connection)
    turns: dict[str, list[Turn]] = {"grouped": [], "raw": [], "one": []}
    for turn in range(-1, passes):  # the first warms up and is not counted
        drafts = transfers(found, f"g{turn}", count)
        rows = raw_rows(bare, transfers(found, f"r{turn}", count))
        singles = transfers(found, f"o{turn}", max(1, count // ONE_PART))
        made = {
            "grouped": timed(count, lambda: grouped(guarded, drafts, group)),  # noqa: B023 - timed calls it at once
            "raw": timed(count, lambda: put_in(bare, rows, group)),  # noqa: B023
            "one": timed(len(singles), lambda: grouped(guarded, singles, 1)),  # noqa: B023
        }
        if turn >= 0:
            for name, each in made.items():
                turns[name].append(each)
    if not guarded.read_now(book.recount).sound or guarded.read_now(chain.verify):
        raise RuntimeError("the ledger is not sound after the bench")
    middle = {
        name: Turn(statistics.median(each.wall for each in some), statistics.median(each.cpu for each in some))
        for name, some in turns.items()
    }
    pairs = list(zip(turns["grouped"], turns["raw"], strict=True))
    return Found(
        engine, middle["grouped"], middle["raw"], middle["one"],
        statistics.median(mine.wall / theirs.wall for mine, theirs in pairs),
        statistics.median(mine.cpu / theirs.cpu for mine, theirs in pairs),
    )  # fmt: skip


def run(engines: Sequence[str], passes: int, count: int, group: int) -> list[Found]:
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linli-ledger-")))
        for engine in engines:
            if engine == "sqlite":
                urls = [f"sqlite:///{folder / name}.db" for name in ("guarded", "bare")]
            else:
                cluster = stack.enter_context(a_cluster())
                urls = [
                    cluster.set(database=name).render_as_string(hide_password=False)
                    for name in ("postgres", "template1")
                ]
            stores = [stack.enter_context(a_store(url)) for url in urls]
            found.append(bench(engine, stores[0], stores[1], passes, count, group))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="linli bench ledger", description="Points moved a second, beside raw rows.")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--transfers", type=int, default=10_000)
    parser.add_argument(
        "--group", type=int, default=1_000, help="transfers to a commit; the house commits a thousand at once"
    )
    parser.add_argument("--engine", action="append", choices=("sqlite", "postgresql"))
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    found = run(words.engine or ["sqlite", "postgresql"], words.passes, words.transfers, words.group)
    if words.json:
        print(
            json.dumps({"bench": "ledger", "machine": machine.described(), "engines": [asdict(each) for each in found]})
        )
        return
    print("transfers a second, by the wall clock (by CPU time)")
    for each in found:
        figures = "  ".join(
            f"{name} {turn.wall:,.0f} ({turn.cpu:,.0f})"
            for name, turn in (("grouped", each.grouped), ("raw", each.raw), ("one", each.one))
        )
        print(f"{each.engine}: {figures}  grouped/raw {each.grouped_of_raw_wall:.2f} ({each.grouped_of_raw_cpu:.2f})")


if __name__ == "__main__":
    main()

"""What PostgreSQL alone can show: several hubs writing one store at the same time."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text

from channels.base import Accepted, Message
from devices import topics
from hub import audience, audit, delivery, idempotency, outbox, quarantine, reach, receipts, registry
from hub.audience import Audience
from hub.clock import ManualClock
from hub.db import Actor, Store, Tx
from hub.events import NoticeReleased
from hub.idempotency import Answer
from hub.ingest import Ingest
from hub.outbox import Outbox
from hub.quarantine import QuarantineRow
from hub.readings import Reading
from hub.registry import Registry, Stamp
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict
from tests.conftest import needs
from tests.core.test_ingest import GOOD, envelope, furnish
from tests.postgres.cluster import MakeStore
from tests.world import LIUHE, START, people

pytestmark = needs("postgresql")
T = TypeVar("T")
WORKERS, WAIT_S = 4, 30
CUFF = "generic.sig.2a35"


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """`work(0)` ... `work(count - 1)`, each in a thread of its own, all let go at once."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait(WAIT_S)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=2 * WAIT_S))


def frame(minute: int, sys: int = 128) -> bytes:
    return GOOD[:1] + bytes([sys]) + GOOD[2:12] + bytes([minute]) + GOOD[13:]


class Worker:
    """One of several hubs on one store: an ingest of its own, fed by hand."""

    def __init__(self, store: Store, number: int) -> None:
        self.store = store
        self.book = Registry(store, store.clock)
        self.book.look()
        self.ingest = Ingest(store, self.book, store.clock, SeededRng(f"worker-{number}"), batch_frames_max=5)
        self.verdicts: list[Verdict] = []

    def feed(self, payloads: Sequence[bytes]) -> None:
        async def go() -> None:
            for payload in payloads:
                codec = "pack" if payload[:1] == b"{" else "sig.2a35"
                topic = f"linli/1/{LIUHE}/lh-hut-1/up/bp-1/{codec}"
                await self.ingest.put(Uplink("lh-hut-1", topic, payload, START, self.verdicts.append))
            await self.ingest.drain()

        asyncio.run(go())


def workers(make_store: MakeStore, count: int = WORKERS) -> list[Worker]:
    make_store().write_now(furnish)
    return [Worker(make_store(clock=Quick(START), seed=f"hub-{number}"), number) for number in range(count)]


class Quick(ManualClock):
    """Whoever must try again does so at once."""

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(0)


def test_workers_that_hear_the_same_devices_in_any_order_never_block_each_other_in_a_circle(
    make_store: MakeStore,
) -> None:
    hubs = workers(make_store, 2)
    devices = ["bp-1", *(f"bp-{number}" for number in range(2, 6))]
    for device in devices[1:]:
        hubs[0].store.write_now(lambda tx, device=device: registry.add_device(tx, device, "lh-hut-1", CUFF))  # type: ignore[misc]

    async def hear(number: int, minute: int) -> None:
        hub = hubs[number]
        for device in devices if number else reversed(devices):
            topic = topics.up(LIUHE, "lh-hut-1", device, "sig.2a35")
            await hub.ingest.put(Uplink("lh-hut-1", topic, frame(minute), START, hub.verdicts.append))
        await hub.ingest.drain()

    for hub in hubs:
        hub.book.look()
    for minute in range(0, 40, 2):
        together(2, lambda number, minute=minute: asyncio.run(hear(number, minute + number)))  # type: ignore[misc]
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    for hub in hubs:
        hub.store.engine.dispose()  # what a connection has counted is told when it ends
    assert hubs[0].store.read_now(lambda read: read.session.execute(text(counted)).scalar_one()) == 0
    assert count(hubs[0].store, Reading) == 5 * 40


def count(store: Store, table: type) -> int:
    return int(store.read_now(lambda read: read.session.execute(select(func.count()).select_from(table)).scalar_one()))


def test_four_hubs_given_the_same_frames_store_each_once_and_count_each(make_store: MakeStore) -> None:
    """Duplicates, a conflict, poison and envelopes, in another order for each hub."""
    hubs = workers(make_store)
    frames = [frame(minute) for minute in range(30)]
    bad = [frame(3)[:5], envelope(1, frame(40), frame(41)[:4])]

    def work(number: int) -> None:
        mine = [*frames, *bad]
        random.Random(number).shuffle(mine)
        hubs[number].feed(mine)

    together(WORKERS, work)
    meters = [hub.ingest.meter for hub in hubs]
    store = hubs[0].store
    assert count(store, Reading) == 31
    assert sum(meter.stored for meter in meters) == 31
    assert sum(meter.quarantined for meter in meters) == count(store, QuarantineRow)
    assert all(meter.balanced() for meter in meters)
    assert all(len(hub.verdicts) == len(frames) + len(bad) for hub in hubs)
    assert store.read_now(audit.verify) is None


def test_other_content_under_a_stored_identity_is_quarantined_on_every_hub(make_store: MakeStore) -> None:
    hubs = workers(make_store, 2)
    together(2, lambda number: hubs[number].feed([frame(1, sys=128 + number)]))
    assert count(hubs[0].store, Reading) == 1
    rows = hubs[0].store.read_now(quarantine.newest)
    assert [row.reason for row in rows] == ["conflict"]


def test_a_receipt_counts_what_several_hubs_settled_out_of_order(make_store: MakeStore) -> None:
    hubs = workers(make_store)
    entries = [envelope(seq, frame(seq % 60)) for seq in range(1, 81)]
    together(WORKERS, lambda number: hubs[number].feed(entries[number::WORKERS]))
    assert hubs[0].store.read_now(lambda read: receipts.of_gateway(read, "lh-hut-1")) == {("lh-hut-1", "b7"): 80}


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(1, 13)), missing=st.integers(0, 12))
def test_the_receipt_is_the_highest_contiguous_entry_in_any_order(
    make_store: MakeStore, order: list[int], missing: int
) -> None:
    store = make_store(seed=str(order))
    boot = f"b{store.rng.token(6).hex()}"
    sent = [seq for seq in order if seq != missing]
    halves = sent[::2], sent[1::2]

    def settle(number: int) -> None:
        for seq in halves[number]:
            store.write_now(partial(receipts.settle, entries={("gw", boot): {seq}}))

    store.write_now(lambda tx: receipts.settle(tx, {("gw", boot): set()}))
    together(2, settle)
    known = store.read_now(lambda read: receipts.of_gateway(read, "gw"))
    assert known["gw", boot] == (missing - 1 if missing else 12)


def test_the_audit_chain_of_four_writers_is_one_whole_chain(make_store: MakeStore) -> None:
    stores = [make_store(seed=f"writer-{number}") for number in range(WORKERS)]

    def work(number: int) -> None:
        for _ in range(25):
            stores[number].write_now(_release, Actor(f"staff:s-{number}"))

    together(WORKERS, work)
    assert stores[0].read_now(audit.length) == 100
    assert stores[0].read_now(audit.verify) is None


def _release(tx: Tx) -> None:
    tx.emit(NoticeReleased, notice="n-1", revision=1, priority="routine", areas=(LIUHE,))


def test_two_workers_share_the_outbox_and_send_nothing_twice(make_store: MakeStore) -> None:
    one = make_store(seed="one")
    one.write_now(_forty_deliveries)
    stores = [one, make_store(seed="two")]

    def work(number: int) -> list[str]:
        mine = []
        while batch := stores[number].write_now(lambda tx: delivery.claim(tx, "wechat", 3)):
            mine += [each.delivery.id for each in batch]
            answers = [Accepted(f"w-{each.delivery.id}") for each in batch]
            stores[number].write_now(partial(delivery.settle, batch=batch, outcomes=answers))
        return mine

    left, right = together(2, work)
    assert left
    assert right
    assert len(left) + len(right) == len({*left, *right}) == 40
    states = one.read_now(lambda read: read.session.execute(select(Outbox.state).distinct()).scalars().all())  # type: ignore[call-overload]
    assert states == ["accepted"]


def _forty_deliveries(tx: Tx) -> None:
    from tests.points.ledgers import crowd

    people(tx)
    for resident in crowd(tx, 40):
        audience.bind(tx, resident, "wechat", f"openid-{resident}")
    message = Message(
        "n-1",
        1,
        "routine",
        "water",
        "停水通知",
        "明天停水。",
        "浏河社区",
        "居委会",
        tx.now(),
        tx.now() + timedelta(days=1),
        "/n/1",
    )
    outbox.plan(tx, message, Audience((LIUHE,)))
    while outbox.spread(tx):
        pass


def test_a_command_repeated_at_once_by_four_hubs_runs_once(make_store: MakeStore) -> None:
    stores = [make_store(seed=f"hub-{number}") for number in range(WORKERS)]
    ran: list[int] = []

    def work(number: int) -> Answer:
        def command(tx: Tx) -> Answer:
            ran.append(number)
            return Answer(201, {"by": number})

        return stores[number].write_now(lambda tx: idempotency.once(tx, "scope", "key", b"body", command))

    answers = together(WORKERS, work)
    assert len(ran) == 1
    assert {json.dumps(answer.body) for answer in answers} == {json.dumps({"by": ran[0]})}
    assert sorted(answer.repeated for answer in answers) == [False, True, True, True]


@pytest.mark.parametrize("said", ['"b\\u0000"', '"\\ud800"', '"' + "x" * 5_000 + '"', "[" * 50 + "]" * 50])
def test_what_a_gateway_says_of_itself_cannot_stop_the_batch(make_store: MakeStore, said: str) -> None:
    """PostgreSQL has no NUL in a text, and no half of a surrogate pair: one birth must not hold up all readings."""
    (hub,) = workers(make_store, 1)

    async def go() -> None:
        birth = f'{{"boot": {said}, "firmware": {said}}}'.encode()
        await hub.ingest.put(
            Uplink("lh-hut-1", topics.birth(LIUHE, "lh-hut-1"), birth, START, hub.verdicts.append, retain=True)
        )
        await asyncio.wait_for(hub.ingest.drain(), 5)

    asyncio.run(go())
    hub.feed([frame(1)])
    assert hub.verdicts == [Verdict.NOTED, Verdict.STORED]


def first_writers(one: Store, two: Store, work: Callable[[Tx], object]) -> None:
    """Both do `work` as the first ever: the second begins before the first commits, and is seen to wait for it."""
    begun, waits = threading.Event(), "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def ahead(tx: Tx) -> None:
        work(tx)
        tx.session.flush()
        begun.set()
        until = time.monotonic() + WAIT_S
        with one.engine.connect() as onlooker:
            while not onlooker.execute(text(waits)).scalar_one():
                assert time.monotonic() < until, "the second writer never met the first"

    def behind() -> None:
        assert begun.wait(WAIT_S)
        two.write_now(work)

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(one.write_now, ahead), pool.submit(behind)]:
            ended.result(2 * WAIT_S)


def test_two_first_changes_of_the_registry_are_both_counted(make_store: MakeStore) -> None:
    one, two = make_store(seed="one"), make_store(seed="two")
    one.write_now(lambda tx: tx.change(delete(Stamp)))  # as in a store that no migration of ours has filled
    numbers = iter(range(2))

    def enter(tx: Tx) -> None:
        registry.grant_credential(tx, f"screen-{next(numbers)}", "screen", LIUHE)

    first_writers(one, two, enter)
    stamp = one.read_now(lambda read: read.session.get_one(Stamp, "registry"))
    assert stamp.version == 2


def test_two_first_proofs_of_a_notice_are_both_counted(make_store: MakeStore) -> None:
    one, two = make_store(seed="one"), make_store(seed="two")
    one.write_now(lambda tx: reach.open_notice(tx, "n-1", 1, ["/"], 2))
    viewers = iter(("r:1", "r:2"))
    first_writers(one, two, lambda tx: reach.record(tx, reach.Proof("n-1", 1, next(viewers), "web", "seen", tx.now())))
    sums = one.read_now(lambda read: reach.sums(read, "n-1"))
    assert (sums.best, sums.channels) == ({"seen": 2}, {"web": {"seen": 2}})


def test_the_count_of_a_level_needs_no_lock_of_its_callers(make_store: MakeStore) -> None:
    one, two = make_store(seed="one"), make_store(seed="two")
    first_writers(one, two, lambda tx: reach._count(tx, "n-1", {("web", 3): 1, ("web", 4): 2}))
    rows = one.read_now(
        lambda read: read.session.execute(select(reach.ReachCount).order_by(text("level"))).scalars().all()
    )
    assert [(row.level, row.n) for row in rows] == [(3, 2), (4, 4)]


def test_the_registry_is_followed_across_hubs(make_store: MakeStore) -> None:
    one, two = make_store(seed="one"), make_store(seed="two")
    one.write_now(furnish)
    book = Registry(two, two.clock)
    asyncio.run(book.load())
    one.write_now(lambda tx: registry.revoke_credential(tx, "lh-hut-1"))
    assert asyncio.run(book.load()) == {"lh-hut-1"}

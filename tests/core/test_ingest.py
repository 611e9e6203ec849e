"""Ingest: what is acknowledged is on disk, a reading counts once, poison goes to quarantine, and the sums add up."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from devices import topics
from hub import presence, quarantine, readings, receipts, registry
from hub.bus import Bus
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.events import ReadingsStored
from hub.ingest import Ingest
from hub.quarantine import QuarantineRow
from hub.readings import Reading
from hub.registry import Registry
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict
from tests.world import LIUHE, START, make_store, people, until

# 128/82 mmHg, MAP 97, taken 2026-11-22 09:00:00, pulse 72, user 1
GOOD = bytes.fromhex("0e" + "8000" + "5200" + "6100" + "ea070b16090000" + "4800" + "01")
FAILED = bytes.fromhex("16ff07ff07ff07e80706170e230aff070000")


def furnish(tx: Tx) -> None:
    people(tx)
    registry.found_hut(tx, "lh-hut-1", LIUHE, "浏河1号小屋", "Liuhe hut 1")
    registry.add_gateway(tx, "lh-hut-1", LIUHE, "lh-hut-1")
    registry.add_device(tx, "bp-1", "lh-hut-1", "generic.sig.2a35")
    registry.add_device(tx, "temp-1", "lh-hut-1", "generic.sig.2a1c")


class Bench:
    """An ingest on a real store, fed by hand."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.clock = ManualClock(START)
        self.store: Store = make_store(folder, clock=self.clock)
        if self.store.read_now(lambda read: read.session.get(registry.Hut, "lh-hut-1")) is None:
            self.store.write_now(furnish)
        self.registry = Registry(self.store, self.clock)
        asyncio.run(self.registry.load())
        self.limits = limits
        self.verdicts: list[Verdict] = []

    def up(self, payload: bytes, topic: str | None = None, **extra: object) -> Uplink:
        return Uplink(
            account="lh-hut-1",
            topic=topic or topics.up(LIUHE, "lh-hut-1", "bp-1", "sig.2a35"),
            payload=payload,
            received=self.clock.now(),
            settle=self.verdicts.append,
            **extra,  # type: ignore[arg-type]
        )

    def temp(self, delivery: str, *, dup: bool = False) -> Uplink:
        """36.5 degrees from a thermometer without a clock: nothing in it tells it from the next one."""
        topic = topics.up(LIUHE, "lh-hut-1", "temp-1", "sig.2a1c")
        return self.up(bytes.fromhex("006d0100ff"), topic, delivery=delivery, dup=dup)

    def feed(self, *uplinks: Uplink) -> Ingest:
        async def go() -> Ingest:
            ingest = Ingest(self.store, self.registry, self.clock, SeededRng("ids"), **self.limits)
            for uplink in uplinks:
                await ingest.put(uplink)
            await ingest.drain()
            return ingest

        return asyncio.run(go())

    def count(self, table: type) -> int:
        return self.store.read_now(
            lambda read: read.session.execute(select(func.count()).select_from(table)).scalar_one()
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def envelope(seq: int, *records: bytes, boot: str = "b7") -> bytes:
    body = [{"codec": "sig.2a35", "hex": record.hex(), "at": START.isoformat()} for record in records]
    return json.dumps({"boot": boot, "seq": seq, "sent": START.isoformat(), "records": body}).encode()


def test_a_frame_typed_by_hand_becomes_one_reading_with_exact_values(bench: Bench) -> None:
    bench.feed(bench.up(GOOD))
    assert bench.verdicts == [Verdict.STORED]
    row = bench.store.read_now(lambda read: read.session.execute(select(Reading)).scalar_one())
    values = {each.code: str(each.value) for each in bench.store.read_now(lambda read: readings.values(read, row))}
    assert values == {"sys": "128", "dia": "82", "map": "97", "pulse": "72"}
    assert (row.quality, row.t_basis, row.person, row.bound_by) == ("ok", "device", None, "none")


def test_the_same_frame_sent_again_doubles_nothing(bench: Bench) -> None:
    ingest = bench.feed(bench.up(GOOD), bench.up(GOOD), bench.up(GOOD))
    assert bench.count(Reading) == 1
    assert (ingest.meter.stored, ingest.meter.duplicate) == (1, 2)
    again = bench.feed(bench.up(GOOD))
    assert bench.count(Reading) == 1
    assert again.meter.duplicate == 1


def test_the_same_record_by_envelope_and_raw_is_one_reading(bench: Bench) -> None:
    bench.feed(bench.up(GOOD), bench.up(envelope(1, GOOD), topics.pack(LIUHE, "lh-hut-1", "bp-1")))
    assert bench.count(Reading) == 1


def test_other_content_under_the_same_identity_goes_to_quarantine(bench: Bench) -> None:
    other = GOOD[:1] + bytes([130]) + GOOD[2:]
    ingest = bench.feed(bench.up(GOOD), bench.up(other))
    assert ingest.meter.quarantined == 1
    row = bench.store.read_now(lambda read: quarantine.newest(read)[0])
    assert row.reason == "conflict"
    assert bench.count(Reading) == 1


def test_a_failed_cuff_is_stored_without_a_number(bench: Bench) -> None:
    bench.feed(bench.up(FAILED))
    row = bench.store.read_now(lambda read: read.session.execute(select(Reading)).scalar_one())
    values = bench.store.read_now(lambda read: readings.values(read, row))
    assert row.quality == "bad"
    assert all(each.value is None and each.absent_reason == "not-a-number" for each in values)


@pytest.mark.parametrize(
    ("payload", "topic", "reason"),
    [
        (GOOD[:5], None, "truncated"),
        (GOOD[:9] + bytes([31, 2]) + GOOD[11:], None, "impossible-date"),
        (GOOD, topics.up(LIUHE, "lh-hut-1", "bp-9", "sig.2a35"), "unknown-device"),
        (GOOD, topics.up(LIUHE, "lh-hut-1", "bp-1", "sig.ffff"), "unknown-codec"),
        (b"{", topics.pack(LIUHE, "lh-hut-1", "bp-1"), "bad-json"),
    ],
)
def test_bad_input_waits_in_quarantine_with_one_sentence(
    bench: Bench, payload: bytes, topic: str | None, reason: str
) -> None:
    ingest = bench.feed(bench.up(payload, topic), bench.up(GOOD))
    row = bench.store.read_now(lambda read: quarantine.newest(read)[0])
    assert row.reason == reason
    sentence = quarantine.sentence(row)
    assert sentence
    assert "{" not in sentence
    assert bench.count(Reading) == 1, "the good reading behind it is stored all the same"
    assert ingest.meter.balanced()


def test_a_receipt_names_the_highest_contiguous_entry(bench: Bench) -> None:
    pack = topics.pack(LIUHE, "lh-hut-1", "bp-1")

    def frame(minute: int) -> bytes:
        return GOOD[:12] + bytes([minute]) + GOOD[13:]

    bench.feed(bench.up(envelope(1, frame(1)), pack), bench.up(envelope(3, frame(3)), pack))
    assert bench.store.read_now(lambda read: receipts.of_gateway(read, "lh-hut-1")) == {("lh-hut-1", "b7"): 1}
    bench.feed(bench.up(envelope(2, GOOD[:4]), pack))
    assert bench.store.read_now(lambda read: receipts.of_gateway(read, "lh-hut-1")) == {("lh-hut-1", "b7"): 3}


def test_nothing_is_acknowledged_while_the_disk_refuses(bench: Bench) -> None:
    """The batch waits, unacknowledged, until the store takes it."""
    bench.store.engine.dispose()
    path = bench.store.url.database
    assert path is not None

    async def go() -> list[Verdict]:
        import sqlite3

        ingest = Ingest(bench.store, bench.registry, bench.clock, SeededRng("ids"))
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        bench.store.engine.dispose()
        task = asyncio.create_task(asyncio.wait_for(_drain(ingest, bench), 30))
        await until(lambda: ingest.trouble is not None)
        seen = list(bench.verdicts)
        lock.execute("ROLLBACK")
        await until(lambda: task.done() or bench.clock.advance(1))
        await task
        return seen

    assert asyncio.run(go()) == []
    assert bench.verdicts == [Verdict.STORED]


async def _drain(ingest: Ingest, bench: Bench) -> None:
    await ingest.put(bench.up(GOOD))
    await ingest.drain()


def test_a_full_queue_holds_the_sender_and_drops_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_frames_max=2)

    async def go() -> tuple[bool, int]:
        ingest = Ingest(bench.store, bench.registry, bench.clock, SeededRng("ids"), queue_frames_max=2)
        frames = [GOOD[:12] + bytes([minute]) + GOOD[13:] for minute in range(5)]
        putting = asyncio.create_task(_put_all(ingest, [bench.up(frame) for frame in frames]))
        for _ in range(20):
            await asyncio.sleep(0)
        held = not putting.done()
        running = asyncio.create_task(ingest.run())
        await putting
        await until(lambda: len(bench.verdicts) == 5)
        running.cancel()
        return held, ingest.meter.stored

    assert asyncio.run(go()) == (True, 5)
    assert bench.count(Reading) == 5


async def _put_all(ingest: Ingest, uplinks: list[Uplink]) -> None:
    for uplink in uplinks:
        await ingest.put(uplink)


def test_equal_frames_without_identity_are_two_readings_unless_one_is_said_again(bench: Bench) -> None:
    """devices.md 7.2, case 4: a thermometer frame without a time; equal values a minute apart are two readings."""
    bench.feed(bench.temp("s1/7"), bench.temp("s1/7", dup=True))
    assert bench.count(Reading) == 1
    bench.clock.advance(60)
    bench.feed(bench.temp("s1/7"))
    assert bench.count(Reading) == 2
    rows = bench.store.read_now(lambda read: read.session.execute(select(Reading)).scalars().all())
    assert all(row.weak_key for row in rows)


# What a door hands over: the delivery's name, whether it is said to be a repetition, whether a commit comes after it.
DELIVERED = st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=40)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=DELIVERED)
def test_a_repetition_is_folded_before_and_after_its_puback_and_a_fresh_message_never(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[int, bool, bool]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("again"))
    known: set[int] = set()
    fresh = 0
    for name, dup, _ in plan:
        fresh += not dup or name not in known
        known.add(name)

    async def go() -> Ingest:
        ingest = Ingest(bench.store, bench.registry, bench.clock, SeededRng("ids"))
        for name, dup, commit in plan:
            await ingest.put(bench.temp(f"s1/{name}", dup=dup))
            if commit:
                await ingest.drain()
        await ingest.drain()
        return ingest

    ingest = asyncio.run(go())
    assert bench.count(Reading) == fresh
    assert ingest.meter.duplicate == len(plan) - fresh
    assert ingest.meter.balanced()


def test_the_memory_for_repetitions_has_a_bound(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.ingest.DELIVERIES_KEPT_MAX", 3)

    async def go() -> None:
        ingest = Ingest(bench.store, bench.registry, bench.clock, SeededRng("ids"))
        for name in (1, 2, 3, 1, 4):  # 1 is said again, so 2 is the oldest when 4 comes
            await ingest.put(bench.temp(f"s1/{name}", dup=True))
            await ingest.drain()
        for name in (1, 3, 4, 2):
            await ingest.put(bench.temp(f"s1/{name}", dup=True))
        await ingest.drain()

    asyncio.run(go())
    assert bench.count(Reading) == 5, "four messages, and the one whose repetition came too late"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["good", "other", "bad", "pack"])), max_size=30))
def test_ingested_equals_stored_duplicate_quarantined_and_refused(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[int, str]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("conserve"))
    uplinks = []
    for minute, what in plan:
        frame = GOOD[:12] + bytes([minute]) + GOOD[13:]
        other = frame[:1] + bytes([130]) + frame[2:]
        match what:
            case "good":
                uplinks.append(bench.up(frame))
            case "other":
                uplinks.append(bench.up(other))
            case "bad":
                uplinks.append(bench.up(frame[:6]))
            case _:
                body = envelope(minute + 1, frame, other, frame[:3])
                uplinks.append(bench.up(body, topics.pack(LIUHE, "lh-hut-1", "bp-1")))
    ingest = bench.feed(*uplinks)
    ingest.refused("acl")
    meter = ingest.meter
    assert meter.balanced()
    assert meter.ingested == 1 + sum(3 if what == "pack" else 1 for _, what in plan)
    assert meter.stored == bench.count(Reading)
    assert meter.quarantined == bench.count(QuarantineRow)
    assert len(bench.verdicts) == len(plan)


TREE = f"linli/1/{LIUHE}/lh-hut-1"
TAILS = st.sampled_from(["birth", "state", "twin/bp-1/reported", "up/bp-1/pack", "up/bp-1/sig.2a35", "up/bp-1/done/x"])
# Text as JSON can spell it, with NUL (PostgreSQL keeps none) and halves of surrogate pairs (nobody keeps them).
WORDS = st.text(st.sampled_from("a1 \0\ud800\udfff\u20ac\U0001f600"), min_size=1, max_size=80)
SAID = st.fixed_dictionaries({}, optional=dict.fromkeys(["boot", "firmware", "s", "seq", "records", "at", "x"], WORDS))
PAYLOADS = SAID.map(lambda said: json.dumps(said).encode()) | st.binary(max_size=40)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(TAILS, PAYLOADS), min_size=1, max_size=20))
@example(said=[("birth", b'{"boot": "b\\ud800"}')])
@example(said=[("birth", b'{"firmware": "b\\u0000"}')])
def test_nothing_a_gateway_can_say_stops_the_batch(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, bytes]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("said"))
    ingest = bench.feed(*(bench.up(payload, f"{TREE}/{tail}") for tail, payload in said), bench.up(GOOD))
    assert len(bench.verdicts) == len(said) + 1
    assert bench.verdicts[-1] in (Verdict.STORED, Verdict.DUPLICATE)
    assert ingest.meter.balanced()
    said_of = bench.store.read_now(lambda read: presence.gateways(read)).values()
    assert all((word or "").isprintable() for row in said_of for word in (row.boot, row.firmware))


def test_late_data_keeps_its_own_time(bench: Bench) -> None:
    bench.clock.advance(timedelta(hours=2).total_seconds())
    bench.feed(bench.up(envelope(1, GOOD), topics.pack(LIUHE, "lh-hut-1", "bp-1")))
    row = bench.store.read_now(lambda read: read.session.execute(select(Reading)).scalar_one())
    assert readings.from_ms(row.t_effective_ms) == START
    assert readings.from_ms(row.t_received_ms) == START + timedelta(hours=2)


def test_a_rule_that_breaks_on_one_record_costs_that_record_only(tmp_path: Path) -> None:
    """A listener with a bug must neither lose the batch nor stop the readings behind it."""
    bus = Bus()

    def broken(_tx: Tx, event: ReadingsStored) -> None:
        if any(value.code == "sys" and value.value == 131 for each in event.readings for value in each.values):
            raise ZeroDivisionError("a bug in a rule")

    bus.on(ReadingsStored, broken)
    bench = Bench(tmp_path)
    bench.store = make_store(tmp_path, clock=bench.clock, bus=bus)
    frames = [GOOD[:12] + bytes([minute]) + GOOD[13:] for minute in range(7)]
    frames[4] = GOOD[:1] + bytes([131]) + GOOD[2:12] + bytes([4]) + GOOD[13:]
    ingest = bench.feed(*(bench.up(frame) for frame in frames))
    assert bench.count(Reading) == 6
    assert [verdict.value for verdict in bench.verdicts] == ["stored"] * 4 + ["quarantined"] + ["stored"] * 2
    row = bench.store.read_now(lambda read: quarantine.newest(read)[0])
    assert row.reason == "unworkable"
    assert ingest.meter.balanced()

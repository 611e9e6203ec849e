"""Ingest: bounded queue -> read -> group commit -> acknowledge.

A batch is whatever arrived while the last one was being committed (cap 1,000), in one transaction: readings,
quarantine, outbox receipts, presence, and all that listeners decide. Only after its commit is anything acknowledged.
When the queue is full, `put` waits: the door stops reading, the gateway keeps its message. Nothing is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from devices import topics
from hub import presence, quarantine, receipts
from hub.arrival import Arrival, Book, Opened, open_uplink
from hub.clock import Clock
from hub.db import Store, Tx
from hub.events import ReadingsStored, ReadValue, StoredReading
from hub.meter import Meter
from hub.quarantine import Poison, hub_poison
from hub.readings import RawFrame, Reading, open_values, seal_raw, seal_values, to_ms
from hub.rng import Rng, uuid7
from hub.uplink import Door, Uplink, Verdict

log = logging.getLogger(__name__)
QUEUE_FRAMES_MAX = 10_000  # about 2 s of the whole city at peak; beyond that the gateways should hold them
BATCH_FRAMES_MAX = 1_000  # one commit of 1,000 is within a few per cent of the best rate and still only ~40 ms
COMMIT_RETRY_S = 0.5  # disk full, locked, database away: keep the batch, acknowledge nothing, try again
IDLE_LOOK_S = 0.01
# Names of deliveries kept after their PUBACK, which the client may not have got: 20 s at the design rate, longer than
# any client waits before it says them again on a new line.
DELIVERIES_KEPT_MAX = 10_000
Glimpse = Callable[[Arrival], None]


@dataclass
class Outcome:
    """What a committed batch came to."""

    verdicts: list[Verdict] = field(default_factory=list)
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    receipts: dict[tuple[str, str], int] = field(default_factory=dict)
    births: list[str] = field(default_factory=list)


class Ingest:
    def __init__(
        self,
        store: Store,
        book: Book,
        clock: Clock,
        rng: Rng,
        *,
        queue_frames_max: int = QUEUE_FRAMES_MAX,
        batch_frames_max: int = BATCH_FRAMES_MAX,
    ) -> None:
        self._store, self._book, self._clock, self._rng = store, book, clock, rng
        self._queue: asyncio.Queue[Uplink] = asyncio.Queue(queue_frames_max)
        self._batch_max = batch_frames_max
        self._deliveries: OrderedDict[str, str] = OrderedDict()  # delivery name -> what singles it out
        self._sending: set[asyncio.Task[None]] = set()
        self._busy = False
        self.meter = Meter(clock)
        self.glimpses: list[Glimpse] = []
        self.links: list[Callable[[str, str, bool], None]] = []
        self.door: Door | None = None
        self.trouble: str | None = None  # why nothing is committed at the moment; the operator's page shows it

    # -- the door's side -------------------------------------------------------------------------------------------
    async def put(self, uplink: Uplink) -> None:
        await self._queue.put(uplink)

    def refused(self, reason: str) -> None:
        self.meter.refuse(reason)

    def linked(self, account: str, connection: str, up: bool) -> None:
        for hear in self.links:
            hear(account, connection, up)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    # -- the work --------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Commit batches for ever."""
        while True:
            batch = [await self._queue.get()]
            self._busy = True
            while len(batch) < self._batch_max and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._settle(batch)
            self._busy = False

    async def idle(self) -> None:
        """Wait until what was queued is settled: the hub's part of a clean stop."""
        while self._busy or not self._queue.empty():
            await self._clock.sleep(IDLE_LOOK_S)

    async def drain(self) -> None:
        """Commit what is queued and return: the last step before the store closes."""
        while not self._queue.empty():
            batch: list[Uplink] = []
            while len(batch) < self._batch_max and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._settle(batch)

    async def _settle(self, batch: Sequence[Uplink]) -> None:
        opened = [open_uplink(uplink, self._book, self._new_id, self._unique(uplink)) for uplink in batch]
        self._glimpse(opened)
        outcome = await self._commit(opened)
        now = self._clock.now()
        latencies = [(now - each.uplink.received).total_seconds() * 1000 for each in opened if each.arrivals]
        self.meter.batch(
            stored=outcome.stored,
            duplicate=outcome.duplicate,
            quarantined=outcome.quarantined,
            latencies_ms=latencies,
        )
        for each, verdict in zip(opened, outcome.verdicts, strict=True):
            each.uplink.settle(verdict)
        self._send_receipts(outcome)

    async def _commit(self, opened: Sequence[Opened]) -> Outcome:
        while True:
            try:
                outcome = await self._store.write(lambda tx: write_batch(tx, opened))
            except (SQLAlchemyError, OSError) as error:
                # Outcome unknown or disk full: the same keys make a second try harmless, so nothing is ever assumed.
                if self.trouble is None:
                    log.error("batch not committed, trying again", extra={"why": type(error).__name__})
                self.trouble = type(error).__name__
                await self._clock.sleep(COMMIT_RETRY_S)
                continue
            self.trouble = None
            return outcome

    def _glimpse(self, opened: Sequence[Opened]) -> None:
        for each in opened:
            for arrival in each.arrivals:
                for glimpse in self.glimpses:
                    try:
                        glimpse(arrival)
                    except Exception:
                        log.exception("a glimpse failed", extra={"frame": arrival.frame})

    def _unique(self, uplink: Uplink) -> str:
        """A fresh mark, or the same one for a redelivery: the client may not have got our PUBACK (devices.md 7.2,
        case 4). Without the DUP flag it is another message, whatever its packet id."""
        if uplink.delivery is None:
            return self._new_id()
        mark = self._deliveries.get(uplink.delivery) if uplink.dup else None
        mark = self._deliveries[uplink.delivery] = mark or self._new_id()
        self._deliveries.move_to_end(uplink.delivery)
        if len(self._deliveries) > DELIVERIES_KEPT_MAX:
            self._deliveries.popitem(last=False)
        return mark

    def _new_id(self) -> str:
        return uuid7(self._clock.now(), self._rng)

    def _send_receipts(self, outcome: Outcome) -> None:
        for (gateway, boot), seq in outcome.receipts.items():
            self._send(self._receipt(gateway, boot, seq))
        for gateway in outcome.births:
            self._send(self.resend(gateway))

    async def resend(self, gateway: str) -> None:
        """Tell a gateway that has just come back where each of its outboxes stands."""
        known = await self._store.read(lambda read: receipts.of_gateway(read, gateway))
        for (_gateway, boot), seq in known.items():
            await self._receipt(gateway, boot, seq)

    async def _receipt(self, gateway: str, boot: str, seq: int) -> None:
        area = self._book.gateway_area(gateway)
        if area is not None and self.door is not None:
            payload = msgspec.json.encode({"boot": boot, "seq": seq})
            await self.door.publish(topics.receipt(area, gateway), payload, qos=1)

    def _send(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, name="receipt")
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # The receipt is due again with the next batch or birth; until then the gateway only keeps more.
            log.warning("a receipt could not be sent", extra={"why": type(task.exception()).__name__})


def write_batch(tx: Tx, opened: Sequence[Opened]) -> Outcome:
    """One batch in one transaction."""
    outcome = Outcome()
    arrivals = [arrival for each in opened for arrival in each.arrivals]
    fresh, conflicts = _insert(tx, arrivals)
    fresh_ids = {arrival.id for arrival in fresh}
    poisons = [poison for each in opened for poison in each.poisons] + conflicts
    new_poisons = quarantine.store(tx, poisons) if poisons else 0
    outcome.stored = len(fresh)
    outcome.quarantined = new_poisons
    outcome.duplicate = len(arrivals) - len(fresh) - len(conflicts) + len(poisons) - new_poisons
    entries: dict[tuple[str, str], set[int]] = defaultdict(set)
    for each in opened:
        if each.entry is not None:
            entries[each.entry[0], each.entry[1]].add(each.entry[2])
        if each.note is not None:
            presence.note(tx, each.note)
            if isinstance(each.note.topic, topics.Birth):
                outcome.births.append(each.note.topic.gateway)
        outcome.verdicts.append(_verdict(each, fresh_ids))
    if entries:
        outcome.receipts = receipts.settle(tx, entries)
    if fresh:
        presence.hear(tx, fresh)
        tx.emit(ReadingsStored, cause=fresh[0].frame, readings=tuple(_stored(arrival) for arrival in fresh))
    return outcome


def _verdict(opened: Opened, fresh: set[str]) -> Verdict:
    if opened.note is not None:
        return Verdict.NOTED
    if any(arrival.id in fresh for arrival in opened.arrivals):
        return Verdict.STORED
    return Verdict.QUARANTINED if opened.poisons else Verdict.DUPLICATE


def _insert(tx: Tx, arrivals: Sequence[Arrival]) -> tuple[list[Arrival], list[Poison]]:
    """Insert what is new; judge what is not: a duplicate in silence, other content under the same key to quarantine."""
    first: dict[str, Arrival] = {}
    again: list[Arrival] = []
    for arrival in arrivals:
        if arrival.key in first:
            again.append(arrival)
        else:
            first[arrival.key] = arrival
    if not first:
        return [], []
    insert = _insert_for(tx)
    rows = [_row(tx, arrival) for arrival in first.values()]
    kept = set(
        tx.session.execute(
            insert(Reading).on_conflict_do_nothing(index_elements=["key"]).returning(col(Reading.key)), rows
        ).scalars()
    )
    fresh = [arrival for arrival in first.values() if arrival.key in kept]
    if fresh:
        raw = [
            {
                "reading": arrival.id,
                "payload": seal_raw(tx.seal, arrival.payload),
                "t_received_ms": to_ms(arrival.t_received),
            }
            for arrival in fresh
        ]
        tx.session.execute(insert(RawFrame), raw)
    known = [arrival for arrival in first.values() if arrival.key not in kept]
    conflicts = [_conflict(arrival) for arrival in [*known, *again] if not _same(tx, arrival)]
    return fresh, conflicts


def _insert_for(tx: Tx) -> Callable[..., Any]:
    postgres = tx.session.get_bind().dialect.name == "postgresql"
    return postgres_insert if postgres else sqlite_insert


def _same(tx: Tx, arrival: Arrival) -> bool:
    """Whether what is stored under this key says the same: same record bytes, or the same values by another codec."""
    stored = tx.session.execute(
        select(col(Reading.raw_sha256), col(Reading.codec), col(Reading.sealed_values)).where(
            col(Reading.key) == arrival.key
        )
    ).one()
    if stored.raw_sha256 == arrival.raw_sha256:
        return True
    return stored.codec != arrival.codec and _plain(open_values(tx.seal, stored.sealed_values)[0]) == _plain(
        arrival.values
    )


def _plain(values: Sequence[ReadValue]) -> dict[str, Any]:
    return {each.code: each.value for each in values}


def _conflict(arrival: Arrival) -> Poison:
    return Poison(
        gateway=arrival.device.gateway,
        device=arrival.device.id,
        area=arrival.device.area,
        codec=arrival.codec,
        payload=arrival.payload,
        entry=f"conflict|{arrival.key}|{arrival.raw_sha256}",
        frame=arrival.frame,
        **hub_poison("conflict"),
    )


def _row(tx: Tx, arrival: Arrival) -> dict[str, Any]:
    return {
        "id": arrival.id,
        "key": arrival.key,
        "weak_key": arrival.weak_key,
        "kind": arrival.kind,
        "device": arrival.device.id,
        "gateway": arrival.device.gateway,
        "hut": arrival.hut,
        "area": arrival.device.area,
        "bound_by": "none",
        "quality": arrival.quality,
        "reasons": " ".join(arrival.reasons)[:256],
        "sealed_values": seal_values(tx.seal, arrival.values, arrival.orig),
        "context": msgspec.json.encode(arrival.context).decode(),
        "t_device": arrival.t_device,
        "t_gateway_ms": to_ms(arrival.t_gateway) if arrival.t_gateway else None,
        "t_received_ms": to_ms(arrival.t_received),
        "t_effective_ms": to_ms(arrival.effective.at),
        "t_basis": arrival.effective.basis,
        "late": arrival.effective.late,
        "profile": arrival.profile,
        "codec": arrival.codec,
        "serial": arrival.device.serial,
        "firmware": arrival.device.firmware,
        "calibration": arrival.device.calibration,
        "boot": arrival.boot,
        "seq": arrival.seq,
        "raw_sha256": arrival.raw_sha256,
        "cause": arrival.frame,
    }


def _stored(arrival: Arrival) -> StoredReading:
    return StoredReading(
        id=arrival.id,
        cause=arrival.frame,
        kind=arrival.kind,
        device=arrival.device.id,
        gateway=arrival.device.gateway,
        hut=arrival.hut,
        area=arrival.device.area,
        values=arrival.values,
        quality=arrival.quality,
        reasons=arrival.reasons,
        t_effective=arrival.effective.at,
        t_received=arrival.t_received,
        t_basis=arrival.effective.basis,
        late=arrival.effective.late,
        weak_key=arrival.weak_key,
    )

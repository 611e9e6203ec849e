"""Ingest: read -> bounded queue -> group commit -> acknowledge.

A batch is whatever arrived while the last one was being committed (cap 1,000), in one transaction: readings,
quarantine, outbox receipts, presence, and all that listeners decide. Only after its commit is anything acknowledged.
When the queue is full, `put` waits: the door stops reading, the gateway keeps its message. Nothing is dropped.

A frame is read (decoded, judged) when it is put, so that this is done while the batch before it is on its way to disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError, StatementError

from devices import topics
from hub import receipts
from hub.arrival import Arrival, Lanes, Opened, open_uplink
from hub.batch import Outcome, write_batch
from hub.clock import Clock
from hub.db import Store
from hub.disk import why
from hub.foreign import AddressBook, is_foreign, open_foreign
from hub.meter import Meter
from hub.quarantine import Poison, hub_poison
from hub.rng import Ids, Rng
from hub.uplink import Door, Uplink

log = logging.getLogger(__name__)
QUEUE_FRAMES_MAX = 10_000  # about 2 s of the whole city at peak; beyond that the gateways should hold them
BATCH_FRAMES_MAX = 1_000  # one commit of 1,000 is within a few per cent of the best rate and still only ~40 ms
COMMIT_RETRY_S = 0.5  # disk full, locked, database away: keep the batch, acknowledge nothing, try again
IDLE_LOOK_S = 0.01
# Names of deliveries kept after their PUBACK, which the client may not have got: 20 s at the design rate, longer than
# any client waits before it says them again on a new line.
DELIVERIES_KEPT_MAX = 10_000
Glimpse = Callable[[Arrival], None]


class Ingest:
    def __init__(
        self,
        store: Store,
        book: AddressBook,
        clock: Clock,
        rng: Rng,
        *,
        queue_frames_max: int = QUEUE_FRAMES_MAX,
        batch_frames_max: int = BATCH_FRAMES_MAX,
    ) -> None:
        self._store, self._book, self._clock = store, book, clock
        self._ids, self._lanes = Ids(rng), Lanes()
        self._queue: deque[Opened] = deque()
        self._queue_max, self._batch_max = queue_frames_max, batch_frames_max
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._deliveries: OrderedDict[str, str] = OrderedDict()  # delivery name -> what singles it out
        self._sending: set[asyncio.Task[None]] = set()
        self._busy = False
        self.meter = Meter(clock)
        self.glimpses: list[Glimpse] = []
        self.links: list[Callable[[str, str, bool], None]] = []
        self.door: Door | None = None
        self._back: dict[str, None] = {}  # gateways that came back and have not been told yet, in their order
        self._looking = asyncio.Lock()
        self.trouble: str | None = None  # why nothing is committed at the moment; the operator's page shows it

    # -- the door's side -------------------------------------------------------------------------------------------
    async def put(self, uplink: Uplink) -> None:
        while len(self._queue) >= self._queue_max:
            self._room.clear()
            await self._room.wait()
        opened = self._open(uplink)
        self._queue.append(opened)
        self._arrived.set()
        if self.glimpses:
            self._glimpse(opened)

    @property
    def pressure(self) -> float:
        return len(self._queue) / self._queue_max

    def refused(self, reason: str) -> None:
        self.meter.refuse(reason)

    def linked(self, account: str, connection: str, up: bool) -> None:
        for hear in self.links:
            hear(account, connection, up)

    def listening(self, account: str) -> None:
        self._came_back(account)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    # -- the work --------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Commit batches for ever."""
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            self._busy = True
            await self._settle(self._waiting_now())
            self._busy = False

    async def idle(self) -> None:
        """Wait until what was queued is settled: the hub's part of a clean stop."""
        while self._busy or self._queue:
            await self._clock.sleep(IDLE_LOOK_S)

    async def drain(self) -> None:
        """Commit what is queued and return: for whoever feeds by hand, without `run`."""
        while self._queue:
            await self._settle(self._waiting_now())

    def _waiting_now(self) -> list[Opened]:
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(self._batch_max, len(queue)))]
        self._room.set()
        return batch

    async def _settle(self, opened: Sequence[Opened]) -> None:
        outcome = await self._commit(opened)
        self.meter.batch(
            stored=outcome.stored,
            duplicate=outcome.duplicate,
            quarantined=outcome.quarantined,
            latencies_ms=self._waited_ms(opened),
        )
        for each, verdict in zip(opened, outcome.verdicts, strict=True):
            each.uplink.settle(verdict)
        self._send_receipts(outcome)

    def _waited_ms(self, opened: Sequence[Opened]) -> list[float]:
        """How long each uplink with a reading in it took to the disk. Those of one read share their moment."""
        now, moments = self._clock.now(), [each.uplink.received for each in opened if each.arrivals]
        waited_ms = {moment: (now - moment).total_seconds() * 1000 for moment in set(moments)}
        return [waited_ms[moment] for moment in moments]

    def _open(self, uplink: Uplink) -> Opened:
        unique, new_id = self._unique(uplink), partial(self._ids.at, uplink.received)
        try:
            if not uplink.topic.startswith("linli/") and is_foreign(uplink.topic):
                return open_foreign(uplink, self._book, new_id, unique)
            return open_uplink(uplink, self._book, new_id, unique, self._lanes)
        except Exception as error:  # a codec that breaks its promise must cost one record, not the batch
            log.exception("a frame broke its codec", extra={"connection": uplink.connection})
            return _set_aside(Opened(uplink, new_id()), error, unique)

    async def _commit(self, opened: Sequence[Opened]) -> Outcome:
        """Commit a batch. One record that the store or a rule cannot bear is found by halving, and set aside."""
        try:
            return await self._write(opened)
        except Exception as error:
            if len(opened) > 1:
                half = len(opened) // 2
                first = await self._commit(opened[:half])
                return first.and_then(await self._commit(opened[half:]))
            log.exception("a record could not be stored", extra={"frame": opened[0].frame})
            failed = error
        try:
            return await self._write(opened)  # another worker may have been in the way just then
        except Exception:
            return await self._write([_set_aside(opened[0], failed, opened[0].frame)])

    async def _write(self, opened: Sequence[Opened]) -> Outcome:
        while True:
            try:
                outcome = await self._store.write(lambda tx: write_batch(tx, opened), can_wait=True)
            except (SQLAlchemyError, OSError) as error:
                if _of_the_record(error):
                    raise
                # Outcome unknown or disk full: the same keys make a second try harmless, so nothing is ever assumed.
                if self.trouble is None:
                    log.error("batch not committed, trying again", extra={"why": why(error)})
                self.trouble = why(error)
                await self._clock.sleep(COMMIT_RETRY_S)
                continue
            if self.trouble is not None:
                log.warning("batches are committed again", extra={"was": self.trouble})
                self.trouble = None
            return outcome

    def _glimpse(self, opened: Opened) -> None:
        for arrival in opened.arrivals:
            for glimpse in self.glimpses:
                try:
                    glimpse(arrival)
                except Exception:
                    log.exception("a glimpse failed", extra={"frame": arrival.frame})

    def _unique(self, uplink: Uplink) -> str:
        """A fresh mark, or the same one for a redelivery: the client may not have got our PUBACK (devices.md 7.2,
        case 4). Without the DUP flag it is another message, whatever its packet id."""
        if uplink.delivery is None:
            return self._ids.at(uplink.received)
        mark = self._deliveries.get(uplink.delivery) if uplink.dup else None
        mark = self._deliveries[uplink.delivery] = mark or self._ids.at(uplink.received)
        self._deliveries.move_to_end(uplink.delivery)
        if len(self._deliveries) > DELIVERIES_KEPT_MAX:
            self._deliveries.popitem(last=False)
        return mark

    def _send_receipts(self, outcome: Outcome) -> None:
        for (gateway, boot), seq in outcome.receipts.items():
            self._send(self._receipt(gateway, boot, seq))
        for gateway in outcome.births:
            self._came_back(gateway)

    def _came_back(self, gateway: str) -> None:
        """Tell a gateway that has just come back where each of its outboxes stands."""
        self._back[gateway] = None
        if len(self._back) == 1:
            self._send(self._tell_back())

    async def _tell_back(self) -> None:
        """One look for all who come while the last one is taken: ten thousand looks would keep every page waiting."""
        async with self._looking:
            asked, self._back = list(self._back), {}
            known = await self._store.read(lambda read: receipts.of_gateways(read, asked))
        for (gateway, boot), seq in known.items():
            self._send(self._receipt(gateway, boot, seq))

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


def _of_the_record(error: Exception) -> bool:
    """Whether what was to be written is at fault, not the disk or the line: then waiting would not help."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError | ProgrammingError)
    return isinstance(error, StatementError)


def _set_aside(opened: Opened, error: Exception, entry: str) -> Opened:
    """The same uplink with everything in it quarantined, so that it can be acknowledged and looked at."""
    topic = topics.parse(opened.uplink.topic)
    why = hub_poison("unworkable", error=type(error).__name__)
    poison = Poison(
        gateway=opened.uplink.account,
        device=getattr(topic, "device", ""),
        area=getattr(topic, "area", ""),
        codec=getattr(topic, "codec", ""),
        payload=opened.uplink.payload,
        entry=f"unworkable|{entry}",
        frame=opened.frame,
        **why,
    )
    return Opened(opened.uplink, opened.frame, poisons=[poison], entry=opened.entry)

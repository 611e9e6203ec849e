"""One session's state (MQTT 5, 4.1), sans I/O: what a subscriber still has to get, what a publisher sent before.

The connection asks `take()` for packets to send and tells it what came back. A session that outlives its connection is
written down row by row (records.py), so that it outlives the hub as well.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

import msgspec

from hub.broker import message as messages
from hub.broker.counters import Counters
from hub.broker.deliveries import Deliveries
from hub.broker.encode import encode_publish
from hub.broker.journal import Journal
from hub.broker.limits import Limits
from hub.broker.message import Message, Parcel
from hub.broker.packets import Publish, Pubrel, Subscription
from hub.broker.records import OwedRecord, ReceivedRecord, SessionRecord, SubscriptionRecord, Table

PACKET_ID_MAX = 65_535


class Offer(Enum):
    """What became of a message offered to a session."""

    TAKEN = "taken"
    DROPPED = "dropped"  # QoS 0, or nobody is there to be cut
    OVERFLOW = "overflow"  # QoS 1 or 2 and the queue is full: the connection must be cut


@dataclass(slots=True, eq=False)
class Outgoing:
    """One message on its way to the subscriber. `released` is QoS 2 after PUBREC: only PUBREL is repeated then."""

    parcel: Parcel
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    packet_id: int = 0
    released: bool = False
    number: int = 0  # its row on disk
    share: str = ""  # the shared subscription it came by
    filter: str = ""  # of a retained message: the subscription that asked for it


@dataclass(frozen=True, slots=True)
class Entry:
    """A subscription with the identifier its SUBSCRIBE carried."""

    subscription: Subscription
    identifier: int | None = None


class Session:
    def __init__(
        self,
        session_id: str,
        username: str,
        client_id: str,
        limits: Limits,
        current: Callable[[Message], bool],
        *,
        journal: Journal | None = None,
        number: int = 0,
        counters: Counters | None = None,
    ) -> None:
        self.id = session_id
        self.username = username
        self.client_id = client_id
        self.limits = limits
        self.number = number
        self.version = 4
        self.expiry_s = 0.0
        self.connected = False
        self.writable = True
        self.peer_receive_maximum = PACKET_ID_MAX
        self.peer_packet_bytes_max: int | None = None
        self.subscriptions: dict[str, Entry] = {}
        self.received: set[int] = set()  # QoS 2 identifiers between PUBREC and PUBREL [MQTT-4.3.3-10]
        self.owing: set[str] = set()  # subscriptions whose retained messages have not all been sent
        self._current = current  # whether a message is still the retained one of its topic
        self._journal = journal
        self._counters = counters or Counters()
        self._ended = False
        self._written = False  # on disk, whatever its expiry is now
        self._inflight: dict[int, Outgoing] = {}
        self._resend: deque[int] = deque()  # in flight since an earlier connection, not yet repeated on this one
        self._unanswered: set[int] = set()  # sent on this connection: what the client's Receive Maximum counts
        self._backlog: deque[Outgoing] = deque()
        self._queue: deque[Outgoing] = deque()
        self._queued_bytes = 0
        self._fades_s = -math.inf  # when the first of the queue expires, at the earliest
        self._ready: list[Publish | Pubrel] = []
        self._next_id = 0
        self._deliveries = Deliveries(session_id, 2 * limits.receive_maximum)

    @property
    def journal(self) -> Journal | None:
        """Where this session is written down; None for one that ends with its connection."""
        return self._journal if self.expiry_s and not self._ended else None

    # What goes out.

    def offer(
        self, parcel: Parcel, qos: int, retain: bool, identifiers: tuple[int, ...], now: float, share: str = ""
    ) -> Offer:
        outgoing = Outgoing(parcel, qos, retain, identifiers, share=share)
        if (
            self.connected
            and self.writable
            and not self._queue
            and not self._resend
            and (not qos or self._window_open())
        ):
            self._start(outgoing, now)
            return Offer.TAKEN
        if not qos and not self.connected:
            return Offer.DROPPED
        if not self.has_room(len(parcel.message.payload), now):
            return Offer.OVERFLOW if qos and self.connected else Offer.DROPPED
        self._queue.append(outgoing)
        self._queued_bytes += len(parcel.message.payload)
        if parcel.message.expires is not None:
            self._fades_s = min(self._fades_s, parcel.message.expires)
        self._write(outgoing)
        return Offer.TAKEN

    def has_room(self, size: int, now: float) -> bool:
        if not self._full(size):
            return True
        if self._fades_s > now:
            return False
        faded = [each for each in self._queue if each.parcel.expired(now)]  # they would never be sent
        self._queue = deque(each for each in self._queue if not each.parcel.expired(now))
        self._queued_bytes = sum(len(each.parcel.message.payload) for each in self._queue)
        self._counters.expired += len(faded)
        self.erase(faded)
        self._fades_s = min((each.parcel.message.expires or math.inf for each in self._queue), default=math.inf)
        return not self._full(size)

    def _full(self, size: int) -> bool:
        return (
            len(self._queue) >= self.limits.queue_messages_max
            or self._queued_bytes + size > self.limits.queue_bytes_max
        )

    def offer_retained(self, found: list[Message], entry: Entry, now: float) -> Offer:
        """Retained messages for a fresh subscription. They are in memory anyway, so they wait outside the queue and
        do not count as slowness; one that was replaced meanwhile is skipped, for the newer one went out live."""
        if len(self._backlog) + len(found) > self.limits.retained_max:
            return Offer.OVERFLOW
        identifiers = () if entry.identifier is None else (entry.identifier,)
        for message in found:
            qos = min(message.qos, entry.subscription.qos)
            self._backlog.append(Outgoing(Parcel(message), qos, True, identifiers, filter=entry.subscription.filter))
        self.advance(now)
        self._settle_owing()
        return Offer.TAKEN

    def take(self) -> list[Publish | Pubrel]:
        """The packets to send now, in order."""
        ready, self._ready = self._ready, []
        return ready

    def resume(self, now: float) -> None:
        """A client is back: repeat what it did not acknowledge [MQTT-4.4.0-1], then what waited."""
        self.connected, self.writable = True, True
        self._ready.clear()
        self._unanswered.clear()
        self._resend = deque(self._inflight)
        self.advance(now)

    def forgotten_retained(self) -> list[Entry]:
        """Subscriptions whose retained messages a restart has interrupted."""
        under_way = {outgoing.filter for outgoing in self._backlog}
        return [self.subscriptions[name] for name in self.owing if name not in under_way]

    def pause(self) -> None:
        """The client is gone; what it had not acknowledged stays in flight, QoS 0 is not kept."""
        self.connected = False
        self._ready.clear()
        if not self.expiry_s:
            self._backlog.clear()
        self._queue = deque(outgoing for outgoing in self._queue if outgoing.qos)
        self._queued_bytes = sum(len(outgoing.parcel.message.payload) for outgoing in self._queue)

    def advance(self, now: float) -> None:
        """Move from the queue to the wire what may go."""
        while self._resend and self._may_send() and self._repeat(self._resend[0], now):
            self._resend.popleft()
        while self._may_send() and not self._resend and (self._queue or self._backlog):
            source = self._queue or self._backlog
            if source[0].qos and not self._window_open():
                return
            outgoing = source.popleft()
            if source is self._queue:
                self._queued_bytes -= len(outgoing.parcel.message.payload)
            elif not self._current(outgoing.parcel.message):
                continue
            self._start(outgoing, now)
        if self.owing and not self._backlog:
            self._settle_owing()

    def acknowledged(self, packet_id: int, now: float) -> bool:
        """PUBACK or PUBCOMP, or a PUBREC that refuses. False for an identifier we do not know."""
        outgoing = self._inflight.pop(packet_id, None)
        if outgoing is not None:
            self._erase(outgoing)
        self._unanswered.discard(packet_id)
        self.advance(now)
        return outgoing is not None

    def recorded(self, packet_id: int) -> bool:
        """PUBREC: from here on only PUBREL is sent for it [MQTT-4.3.3-4]."""
        outgoing = self._inflight.get(packet_id)
        if outgoing is None or outgoing.qos != 2:
            return False
        if not outgoing.released:
            outgoing.released = True
            self._write(outgoing)
        return True

    def _may_send(self) -> bool:
        return self.connected and self.writable

    def _window_open(self) -> bool:
        return len(self._unanswered) < min(self.peer_receive_maximum, self.limits.receive_maximum)

    def _repeat(self, packet_id: int, now: float) -> bool:
        """Sends again what is in flight, under its own identifier [MQTT-4.4.0-1]. False when it must wait."""
        outgoing = self._inflight.get(packet_id)
        if outgoing is None:
            return True
        if outgoing.released:
            self._ready.append(Pubrel(packet_id))
            return True
        if not self._window_open():
            return False
        again = self._packet(outgoing, now)
        if self._too_large(again):
            self._counters.dropped_too_large += 1
            del self._inflight[packet_id]
            self._erase(outgoing)
            return True
        self._unanswered.add(packet_id)
        self._ready.append(msgspec.structs.replace(again, dup=True))
        return True

    def _start(self, outgoing: Outgoing, now: float) -> None:
        if outgoing.parcel.expired(now):  # [MQTT-3.3.2-5]
            self._counters.expired += 1
            return self._erase(outgoing)
        if outgoing.qos:
            outgoing.packet_id = self._free_id()
        packet = self._packet(outgoing, now)
        if self._too_large(packet):  # [MQTT-3.1.2-24], and as if it were done [MQTT-3.1.2-25]
            self._counters.dropped_too_large += 1
            return self._erase(outgoing)
        if outgoing.qos:
            self._inflight[outgoing.packet_id] = outgoing
            self._unanswered.add(outgoing.packet_id)
            self._write(outgoing)
        self._ready.append(packet)
        return None

    def _too_large(self, packet: Publish) -> bool:
        limit = self.peer_packet_bytes_max
        return limit is not None and len(encode_publish(packet, self.version)) > limit

    def _packet(self, outgoing: Outgoing, now: float) -> Publish:
        return messages.to_packet(
            outgoing.parcel.message, outgoing.qos, outgoing.retain, outgoing.packet_id, outgoing.identifiers, now
        )

    def _free_id(self) -> int:
        while True:
            self._next_id = self._next_id % PACKET_ID_MAX + 1
            if self._next_id not in self._inflight:
                return self._next_id

    # What comes in.

    def delivery(self, packet: Publish, topic: str) -> str:
        if not self.expiry_s:  # it ends with its connection, and so does every right to repeat
            return self._deliveries.fresh(packet.packet_id)
        return self._deliveries.name(packet.packet_id, topic, packet.payload, packet.dup)

    def first_settled(self, packet_id: int, delivery: str) -> bool:
        """Whether this delivery was not settled before, on an earlier connection."""
        return self._deliveries.first_settled(packet_id, delivery)

    def record_received(self, packet_id: int) -> None:
        """A QoS 2 message is ours from here on: its repetitions get PUBREC and nothing else."""
        self.received.add(packet_id)
        if (journal := self.journal) is not None:
            journal.keep(Table.RECEIVED, (self.number, packet_id), ReceivedRecord(self.number))

    def release_received(self, packet_id: int) -> bool:
        """PUBREL. False for an identifier we do not know."""
        if packet_id not in self.received:
            return False
        self.received.discard(packet_id)
        if (journal := self.journal) is not None:
            journal.drop(Table.RECEIVED, (self.number, packet_id))
        return True

    # What is subscribed to.

    def enter(self, name: str, entry: Entry, owing: bool) -> None:
        self.subscriptions[name] = entry
        (self.owing.add if owing else self.owing.discard)(name)
        self._write_subscription(name)

    def strike(self, name: str) -> bool:
        if self.subscriptions.pop(name, None) is None:
            return False
        self.owing.discard(name)
        if (journal := self.journal) is not None:
            journal.drop(Table.SUBSCRIPTION, (self.number, name))
        return True

    def _settle_owing(self) -> None:
        left = {outgoing.filter for outgoing in self._backlog}
        for name in [name for name in self.owing if name not in left]:
            self.owing.discard(name)
            self._write_subscription(name)

    def _write_subscription(self, name: str) -> None:
        journal, entry = self.journal, self.subscriptions.get(name)
        if journal is not None and entry is not None:
            record = SubscriptionRecord(entry.subscription, entry.identifier, name in self.owing)
            journal.keep(Table.SUBSCRIPTION, (self.number, name), record)

    # What is shared with others, and the end.

    def surrender(self, movable: Callable[[str], bool], *, sent: bool = False) -> list[Outgoing]:
        """Messages of shared subscriptions that another member is to get: those that were never sent, and at the end
        of the session also QoS 1 in flight; QoS 2 in flight may go to nobody else [MQTT-4.8.2-5]."""
        left = [each for each in self._queue if each.share and movable(each.share)]
        if left:
            moved = set(left)
            self._queue = deque(each for each in self._queue if each not in moved)
            self._queued_bytes = sum(len(each.parcel.message.payload) for each in self._queue)
        begun = [each for each in self._inflight.values() if sent and each.share and each.qos == 1]
        for outgoing in begun:
            del self._inflight[outgoing.packet_id]
        return [*begun, *left]

    def erase(self, outgoing: Iterable[Outgoing]) -> None:
        """They are somebody else's now."""
        for each in outgoing:
            self._erase(each)

    def end(self) -> None:
        """Nothing of it is kept, on disk neither."""
        if self._ended:
            return
        for outgoing in (*self._inflight.values(), *self._queue):
            self._erase(outgoing)
        if self._journal is not None and self._written:
            self._journal.end(self.number)
        self._ended = True

    def refill(self, owed: Iterable[Outgoing], received: Iterable[int]) -> None:
        """What a former run has left on disk, in the order of arrival."""
        self._written = True
        for outgoing in owed:
            if outgoing.packet_id:
                self._inflight[outgoing.packet_id] = outgoing
                self._next_id = outgoing.packet_id
            else:
                self._queue.append(outgoing)
                self._queued_bytes += len(outgoing.parcel.message.payload)
        self.received.update(received)

    # What is on disk.

    def write_down(self, ends_s: float | None) -> None:
        """`ends_s` is when it ends by the wall clock, None while somebody is connected."""
        journal = self._journal
        if journal is None or self._ended or not (self.expiry_s or self._written):
            return
        if not self.number:
            self.number = journal.next_number()
        record = SessionRecord(self.username, self.client_id, self.version, self.expiry_s, ends_s)
        journal.keep(Table.SESSION, self.number, record, fresh=not self._written)
        self._written = True

    def _write(self, outgoing: Outgoing) -> None:
        journal, parcel = self.journal, outgoing.parcel
        if journal is None or not outgoing.qos or parcel.fleeting:
            return
        fresh = not outgoing.number
        if fresh:
            outgoing.number = journal.next_number()
            parcel.hold(journal)
        record = OwedRecord(
            self.number,
            parcel.number,
            outgoing.qos,
            outgoing.retain,
            outgoing.identifiers,
            outgoing.packet_id,
            outgoing.released,
            outgoing.share,
        )
        journal.keep(Table.OWED, outgoing.number, record, fresh=fresh)

    def _erase(self, outgoing: Outgoing) -> None:
        if outgoing.number and self._journal is not None:
            self._journal.drop(Table.OWED, outgoing.number)
            outgoing.parcel.let_go(self._journal)
            outgoing.number = 0

"""One session's state (MQTT 5, 4.1), sans I/O: what a subscriber still has to get, what a publisher sent before.

It lives in memory; the connection asks `take()` for packets to send and tells it what came back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from hub.broker import message as messages
from hub.broker.deliveries import Deliveries
from hub.broker.encode import encode_publish
from hub.broker.limits import Limits
from hub.broker.message import Message
from hub.broker.packets import Packet, Publish, Pubrel, Subscription

PACKET_ID_MAX = 65_535


class Offer(Enum):
    """What became of a message offered to a session."""

    TAKEN = "taken"
    DROPPED = "dropped"  # QoS 0, or nobody is there to be cut
    OVERFLOW = "overflow"  # QoS 1 or 2 and the queue is full: the connection must be cut


@dataclass(slots=True, eq=False)
class Outgoing:
    """One message on its way to the subscriber. `released` is QoS 2 after PUBREC: only PUBREL is repeated then."""

    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    packet_id: int = 0
    released: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A subscription with the identifier its SUBSCRIBE carried."""

    subscription: Subscription
    identifier: int | None = None


class Session:
    def __init__(
        self, session_id: str, username: str, client_id: str, limits: Limits, current: Callable[[Message], bool]
    ) -> None:
        self.id = session_id
        self.username = username
        self.client_id = client_id
        self.limits = limits
        self.version = 4
        self.expiry_s = 0.0
        self.connected = False
        self.writable = True
        self.peer_receive_maximum = PACKET_ID_MAX
        self.peer_packet_bytes_max: int | None = None
        self.subscriptions: dict[str, Entry] = {}
        self.received: set[int] = set()  # QoS 2 identifiers between PUBREC and PUBREL [MQTT-4.3.3-10]
        self._current = current  # whether a message is still the retained one of its topic
        self._inflight: dict[int, Outgoing] = {}
        self._backlog: deque[Outgoing] = deque()
        self._queue: deque[Outgoing] = deque()
        self._queued_bytes = 0
        self._ready: list[Packet] = []
        self._next_id = 0
        self._deliveries = Deliveries(session_id, 2 * limits.receive_maximum)

    # What goes out.

    def offer(self, message: Message, qos: int, retain: bool, identifiers: tuple[int, ...], now: float) -> Offer:
        outgoing = Outgoing(message, qos, retain, identifiers)
        if self.connected and self.writable and not self._queue and (not qos or self._window_open()):
            self._start(outgoing, now)
            return Offer.TAKEN
        if not qos and not self.connected:
            return Offer.DROPPED
        size = len(message.payload)
        if (
            len(self._queue) >= self.limits.queue_messages_max
            or self._queued_bytes + size > self.limits.queue_bytes_max
        ):
            return Offer.OVERFLOW if qos and self.connected else Offer.DROPPED
        self._queue.append(outgoing)
        self._queued_bytes += size
        return Offer.TAKEN

    def offer_retained(self, found: list[Message], entry: Entry, now: float) -> Offer:
        """Retained messages for a fresh subscription. They are in memory anyway, so they wait outside the queue and
        do not count as slowness; one that was replaced meanwhile is skipped, for the newer one went out live."""
        if len(self._backlog) + len(found) > self.limits.retained_max:
            return Offer.OVERFLOW
        identifiers = () if entry.identifier is None else (entry.identifier,)
        for message in found:
            qos = min(message.qos, entry.subscription.qos)
            self._backlog.append(Outgoing(message, qos, True, identifiers))
        self.advance(now)
        return Offer.TAKEN

    def take(self) -> list[Packet]:
        """The packets to send now, in order."""
        ready, self._ready = self._ready, []
        return ready

    def resume(self, now: float) -> None:
        """A client is back: repeat what it did not acknowledge [MQTT-4.4.0-1], then what waited."""
        self.connected, self.writable = True, True
        self._ready.clear()
        for packet_id, outgoing in self._inflight.items():
            if outgoing.released:
                self._ready.append(Pubrel(packet_id))
            else:
                again = self._packet(outgoing, now)
                self._ready.append(msgspec.structs.replace(again, dup=True))
        self.advance(now)

    def pause(self) -> None:
        """The client is gone; what it had not acknowledged stays in flight, QoS 0 is not kept."""
        self.connected = False
        self._ready.clear()
        self._backlog.clear()
        self._queue = deque(outgoing for outgoing in self._queue if outgoing.qos)
        self._queued_bytes = sum(len(outgoing.message.payload) for outgoing in self._queue)

    def advance(self, now: float) -> None:
        """Move from the queue to the wire what may go."""
        while self.connected and self.writable and (self._queue or self._backlog):
            source = self._queue or self._backlog
            if source[0].qos and not self._window_open():
                return
            outgoing = source.popleft()
            if source is self._queue:
                self._queued_bytes -= len(outgoing.message.payload)
            elif not self._current(outgoing.message):
                continue
            self._start(outgoing, now)

    def acknowledged(self, packet_id: int, now: float) -> bool:
        """PUBACK or PUBCOMP, or a PUBREC that refuses. False for an identifier we do not know."""
        known = self._inflight.pop(packet_id, None) is not None
        self.advance(now)
        return known

    def recorded(self, packet_id: int) -> bool:
        """PUBREC: from here on only PUBREL is sent for it [MQTT-4.3.3-4]."""
        outgoing = self._inflight.get(packet_id)
        if outgoing is None or outgoing.qos != 2:
            return False
        outgoing.released = True
        return True

    def _window_open(self) -> bool:
        return len(self._inflight) < min(self.peer_receive_maximum, self.limits.receive_maximum)

    def _start(self, outgoing: Outgoing, now: float) -> None:
        if outgoing.message.expires is not None and outgoing.message.expires <= now:  # [MQTT-3.3.2-5]
            return
        if outgoing.qos:
            outgoing.packet_id = self._free_id()
        packet = self._packet(outgoing, now)
        limit = self.peer_packet_bytes_max
        if limit is not None and len(encode_publish(packet, self.version)) > limit:  # [MQTT-3.1.2-24]
            return
        if outgoing.qos:
            self._inflight[outgoing.packet_id] = outgoing
        self._ready.append(packet)

    def _packet(self, outgoing: Outgoing, now: float) -> Publish:
        return messages.to_packet(
            outgoing.message, outgoing.qos, outgoing.retain, outgoing.packet_id, outgoing.identifiers, now
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

"""Acknowledgements in the order of arrival: [MQTT-4.6.0-2] and -3 ask for it, but batches may settle out of order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Unacknowledged:
    """One message of QoS 1 or 2 that waits for its place on disk."""

    packet_id: int
    qos: int
    reason: int = 0
    settled: bool = False
    taken: bool = False  # the hub has it; what it means for others may still be on its way to the disk


class AckQueue:
    """Holds what is not acknowledged yet; gives out the run of settled ones at its head."""

    def __init__(self) -> None:
        self._order: deque[Unacknowledged] = deque()
        self._by_id: dict[int, Unacknowledged] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, packet_id: int) -> bool:
        return packet_id in self._by_id

    def add(self, packet_id: int, qos: int) -> Unacknowledged:
        entry = self._by_id[packet_id] = Unacknowledged(packet_id, qos)
        self._order.append(entry)
        return entry

    def settle(self, entry: Unacknowledged, reason: int = 0) -> list[Unacknowledged]:
        """Marks one as settled and returns all that may be acknowledged now, in order of arrival.

        Settling twice changes nothing: the packet identifier may already be somebody else's.
        """
        if entry.settled:
            return []
        entry.settled, entry.reason = True, reason
        ready = []
        while self._order and self._order[0].settled:
            done = self._order.popleft()
            self._by_id.pop(done.packet_id, None)
            ready.append(done)
        return ready

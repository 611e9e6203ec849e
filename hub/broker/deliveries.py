"""Names for what a publisher sends: a message said again keeps its name, so that the hub folds it (devices.md 7.2, 4).

Both doors use it: the embedded one for each client's session, the paho one for its session at the operator's broker.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Delivery:
    name: str
    fingerprint: int
    settled: bool = False


class Deliveries:
    def __init__(self, prefix: str, kept_max: int) -> None:
        self._prefix = prefix
        self._kept_max = kept_max
        self._known: OrderedDict[int, _Delivery] = OrderedDict()
        self._count = 0

    def name(self, packet_id: int, topic: str, payload: bytes | bytearray, dup: bool) -> str:
        """A DUP of the same identifier with the same content keeps its name, since the publisher may not have got our
        acknowledgement; anything else under that identifier is a fresh message."""
        fingerprint = hash((topic, bytes(payload)))
        known = self._known.pop(packet_id, None)
        if known is None or not dup or known.fingerprint != fingerprint:
            known = _Delivery(self.fresh(packet_id), fingerprint)
        self._known[packet_id] = known
        if len(self._known) > self._kept_max:
            self._known.popitem(last=False)
        return known.name

    def first_settled(self, packet_id: int, name: str) -> bool:
        """Whether this delivery has not been settled before."""
        known = self._known.get(packet_id)
        if known is None or known.name != name:
            return True
        first, known.settled = not known.settled, True
        return first

    def fresh(self, packet_id: int) -> str:
        self._count += 1
        return f"{self._prefix}:{packet_id}:{self._count}"

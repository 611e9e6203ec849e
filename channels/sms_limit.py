"""How many messages of one template a number had in the last 24 hours: beyond the limit a provider drops, and bills."""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import datetime, timedelta

PER_NUMBER_MAX = 50  # of one template; the providers' own rule for notices
WINDOW = timedelta(hours=24)
KEYS_MAX = 200_000  # about 60 MB at worst; the oldest are forgotten first, and then the provider's own count decides


class Window:
    """This process's own count. Several workers do not share it: what it lets through, the provider still refuses."""

    def __init__(self) -> None:
        self._sent: dict[bytes, deque[datetime]] = {}

    def wait_s(self, number: str, template: str, now: datetime) -> float | None:
        """How long until one more may go; None: at once."""
        sent = self._sent.get(_key(number, template))
        while sent and now - sent[0] >= WINDOW:
            sent.popleft()
        if not sent or len(sent) < PER_NUMBER_MAX:
            return None
        return (sent[0] + WINDOW - now).total_seconds()

    def note(self, number: str, template: str, now: datetime) -> None:
        key = _key(number, template)
        sent = self._sent.pop(key, None) or deque(maxlen=PER_NUMBER_MAX)
        sent.append(now)
        self._sent[key] = sent  # now the youngest
        if len(self._sent) > KEYS_MAX:
            del self._sent[next(iter(self._sent))]


def _key(number: str, template: str) -> bytes:
    """Hashed: a memory dump holds no list of whom we wrote to."""
    return hashlib.blake2b(f"{number} {template}".encode(), digest_size=12).digest()

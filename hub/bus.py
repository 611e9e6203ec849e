"""Who hears which event. Listeners run inside the transaction that emitted it; observers run after its commit."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hub.events import Event

if TYPE_CHECKING:
    from hub.db import Tx

log = logging.getLogger(__name__)
E = TypeVar("E", bound=Event)
Listener = Callable[["Tx", Any], None]
Observer = Callable[[Sequence[Event], frozenset[tuple[str, str]]], None]


class Bus:
    def __init__(self) -> None:
        self._listeners: dict[type[Event], list[Listener]] = defaultdict(list)
        self._observers: list[Observer] = []

    def on(self, kind: type[E], listener: Callable[[Tx, E], None]) -> None:
        """Hear an event in its own transaction. Must be idempotent: run twice, same state."""
        self._listeners[kind].append(listener)

    def observe(self, observer: Observer) -> None:
        """Hear every committed transaction: its events, and the feed topics it touched."""
        self._observers.append(observer)

    def listeners(self, kind: type[Event]) -> list[Listener]:
        return self._listeners.get(kind, [])

    def committed(self, events: Sequence[Event], touched: frozenset[tuple[str, str]]) -> None:
        for observer in self._observers:
            try:
                observer(events, touched)
            except Exception:
                # The data is safe on disk; one deaf screen must not take the others with it.
                log.exception("an observer failed", extra={"events": [event.id for event in events][:5]})

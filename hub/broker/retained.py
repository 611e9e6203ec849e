"""Retained messages (MQTT 5, 3.3.1.3), bounded by number, bytes and account; routing.py writes them down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hub.broker.limits import Limits
from hub.broker.message import Message


class _Node:
    __slots__ = ("children", "message", "owner")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: Message | None = None
        self.owner = ""


class Retained:
    """A tree by topic level: a SUBSCRIBE must not walk over the births of ten thousand other gateways."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._root = _Node()
        self._by_owner: Counter[str] = Counter()
        self.count = 0
        self.payload_bytes = 0

    def keep(self, message: Message, owner: str) -> bool:
        """Replaces what the topic held; an empty payload clears it [MQTT-3.3.1-6]. False when there is no room."""
        levels = message.topic.split("/")
        if not message.payload:
            self._clear(levels)
            return True
        held = self._at(levels)
        if held is not None and held.message is not None:
            growth, fresh = len(message.payload) - len(held.message.payload), 0
        else:
            growth, fresh = len(message.payload), 1
        if self.payload_bytes + growth > self._limits.retained_bytes_max or (fresh and self._full(owner)):
            return False
        node = self._root
        for level in levels:
            node = node.children.setdefault(level, _Node())
        if fresh:
            node.owner = owner
            self._by_owner[owner] += 1
        node.message = message
        self.count += fresh
        self.payload_bytes += growth
        return True

    def _full(self, owner: str) -> bool:
        """The hub itself (no owner) retains a board for every area and is bounded by the whole alone."""
        return self.count >= self._limits.retained_max or (
            bool(owner) and self._by_owner[owner] >= self._limits.retained_per_account
        )

    def matching(self, name: str) -> Iterator[Message]:
        """Every retained message whose topic matches the filter."""
        yield from _walk(self._root, name.split("/"), 0)

    def holds(self, message: Message) -> bool:
        """Whether this very message is still what its topic retains."""
        node = self._at(message.topic.split("/"))
        return node is not None and node.message is message

    def _at(self, levels: list[str]) -> _Node | None:
        node: _Node | None = self._root
        for level in levels:
            node = node.children.get(level) if node else None
        return node

    def _clear(self, levels: list[str]) -> None:
        path = [self._root]
        for level in levels:
            node = path[-1].children.get(level)
            if node is None:
                return
            path.append(node)
        last = path[-1]
        if last.message is None:
            return
        self.count -= 1
        self.payload_bytes -= len(last.message.payload)
        self._by_owner[last.owner] -= 1
        if not self._by_owner[last.owner]:
            del self._by_owner[last.owner]
        last.message = None
        for parent, level, node in zip(reversed(path[:-1]), reversed(levels), reversed(path), strict=False):
            if node.message is not None or node.children:
                break
            del parent.children[level]


def _walk(node: _Node, levels: list[str], place: int) -> Iterator[Message]:
    if place == len(levels):
        if node.message is not None:
            yield node.message
        return
    level = levels[place]
    if level == "#":
        yield from _below(node, hidden=place == 0)
    elif level == "+":
        for name, child in node.children.items():
            if place or not name.startswith("$"):  # [MQTT-4.7.2-1]
                yield from _walk(child, levels, place + 1)
    elif level in node.children:
        yield from _walk(node.children[level], levels, place + 1)


def _below(node: _Node, hidden: bool = False) -> Iterator[Message]:
    if node.message is not None:
        yield node.message
    for name, child in node.children.items():
        if not (hidden and name.startswith("$")):
            yield from _below(child)

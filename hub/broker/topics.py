"""Topic names and filters (MQTT 5, 4.7): what is well formed, what matches, a tree that finds all matches at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# The tree's answers are kept per topic until a subscription changes; a gateway repeats a handful of topics.
MATCHES_REMEMBERED_MAX = 10_000


def bad_topic(topic: str) -> str | None:
    """Why this is no topic name, or None."""
    if not topic:  # [MQTT-4.7.3-1]
        return "The topic is empty."
    if "+" in topic or "#" in topic:  # [MQTT-3.3.2-2]
        return "A topic to publish to holds a wildcard."
    return None


def bad_filter(name: str) -> str | None:
    """Why this is no topic filter, or None."""
    if not name:  # [MQTT-4.7.3-1]
        return "The filter is empty."
    levels = name.split("/")
    if levels[0] == "$share" and len(levels) > 1 and (why := _bad_share(levels)):
        return why
    for place, level in enumerate(levels):
        if "#" in level and (level != "#" or place != len(levels) - 1):  # [MQTT-4.7.1-1]
            return "The wildcard # stands elsewhere than alone at the end."
        if "+" in level and level != "+":  # [MQTT-4.7.1-2]
            return "The wildcard + shares its level with other characters."
    return None


def _bad_share(levels: list[str]) -> str | None:
    if not levels[1] or "+" in levels[1] or "#" in levels[1]:  # [MQTT-4.8.2-1]
        return "A shared subscription has no name, or one with a wildcard."
    if len(levels) < 3 or levels[2:] == [""]:  # [MQTT-4.8.2-2]
        return "A shared subscription has no filter."
    return None


def shared_filter(name: str) -> str | None:
    """The filter inside `$share/{group}/{filter}`; None for an ordinary one."""
    return name.split("/", 2)[2] if name.startswith("$share/") else None


def matches(name: str, topic: str) -> bool:
    """Whether the filter `name` matches the topic."""
    return levels_match(name.split("/"), topic.split("/"))


def levels_match(rule: list[str], topic: list[str]) -> bool:
    if topic[0].startswith("$") and rule[0] in ("+", "#"):  # [MQTT-4.7.2-1]
        return False
    for place, level in enumerate(rule):
        if level == "#":  # matches its parent as well (4.7.1.2)
            return True
        if place >= len(topic) or level not in ("+", topic[place]):
            return False
    return len(rule) == len(topic)


class _Node(Generic[Key, Value]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Key, Value]] = {}
        self.values: dict[Key, Value] = {}


class FilterTree(Generic[Key, Value]):
    """Filters, each with values by key; `matching` finds every (key, value) whose filter matches a topic."""

    def __init__(self) -> None:
        self._root: _Node[Key, Value] = _Node()
        self._remembered: dict[str, tuple[tuple[Key, Value], ...]] = {}

    def add(self, name: str, key: Key, value: Value) -> None:
        node = self._root
        for level in name.split("/"):
            node = node.children.setdefault(level, _Node())
        node.values[key] = value
        self._remembered.clear()

    def remove(self, name: str, key: Key) -> None:
        path = [self._root]
        levels = name.split("/")
        for level in levels:
            node = path[-1].children.get(level)
            if node is None:
                return
            path.append(node)
        path[-1].values.pop(key, None)
        for parent, level, node in zip(reversed(path[:-1]), reversed(levels), reversed(path), strict=False):
            if node.values or node.children:
                break
            del parent.children[level]
        self._remembered.clear()

    def matching(self, topic: str) -> tuple[tuple[Key, Value], ...]:
        found = self._remembered.get(topic)
        if found is None:
            if len(self._remembered) >= MATCHES_REMEMBERED_MAX:
                self._remembered.clear()
            found = self._remembered[topic] = tuple(self._find(topic.split("/")))
        return found

    def _find(self, levels: list[str]) -> Iterator[tuple[Key, Value]]:
        frontier = [self._root]
        for place, level in enumerate(levels):
            hidden = place == 0 and level.startswith("$")  # [MQTT-4.7.2-1]
            following = []
            for node in frontier:
                if not hidden:
                    if many := node.children.get("#"):
                        yield from many.values.items()
                    if one := node.children.get("+"):
                        following.append(one)
                if exact := node.children.get(level):
                    following.append(exact)
            frontier = following
        for node in frontier:
            yield from node.values.items()
            if many := node.children.get("#"):
                yield from many.values.items()

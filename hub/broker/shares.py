"""Shared subscriptions `$share/{group}/{filter}` (MQTT 5, 4.8.2): each message goes to one session of the group."""

from __future__ import annotations

from hub.broker.session import Entry, Session
from hub.broker.topics import FilterTree, shared_filter


class Group:
    """The sessions that share one filter under one name, in the order of whose turn it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[Session, Entry] = {}

    def pick(self, qos: int, size: int, now: float, but: Session | None = None) -> Session | None:
        """Whoever is next: a connected member with room; else, for QoS 1 and 2, an absent one whose session is kept;
        else a connected one all the same, which is then too slow."""
        able = [session for session in self.members if session is not but]
        turn = (
            next((each for each in able if each.connected and each.has_room(size, now)), None)
            or next((each for each in able if qos and not each.connected and each.has_room(size, now)), None)
            or next((each for each in able if each.connected), None)
        )
        if turn is not None:
            self.members[turn] = self.members.pop(turn)  # to the end of the line
        return turn


class Shares:
    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._tree: FilterTree[Group, str] = FilterTree()

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, name: str, session: Session, entry: Entry) -> None:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(name)
            self._tree.add(shared_filter(name) or name, group, name)
        group.members[session] = entry

    def remove(self, name: str, session: Session) -> None:
        group = self._groups.get(name)
        if group is None:
            return
        group.members.pop(session, None)
        if not group.members:
            del self._groups[name]
            self._tree.remove(shared_filter(name) or name, group)

    def group(self, name: str) -> Group | None:
        return self._groups.get(name)

    def matching(self, topic: str) -> tuple[tuple[Group, str], ...]:
        return self._tree.matching(topic)

"""Who gets what: a copy for each session that asked, one for each group that shares, and what a topic retains."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from hub.broker import records
from hub.broker.counters import Counters
from hub.broker.journal import Journal
from hub.broker.limits import Limits
from hub.broker.message import Message, Parcel
from hub.broker.records import RetainedRecord, Table
from hub.broker.retained import Retained
from hub.broker.session import Entry, Offer, Outgoing, Session
from hub.broker.shares import Group, Shares
from hub.broker.topics import FilterTree
from hub.clock import Clock

Judge = Callable[[Session, Offer], None]


class Router:
    def __init__(self, limits: Limits, clock: Clock, counters: Counters, journal: Journal | None, judge: Judge) -> None:
        self.subscriptions: FilterTree[Session, Entry] = FilterTree()
        self.shares = Shares()
        self.retained = Retained(limits)
        self._clock, self._counters, self._journal, self._judge = clock, counters, journal, judge
        self._expiring: dict[str, float] = {}  # retained messages with an end

    def subscribe(self, name: str, session: Session, entry: Entry) -> None:
        if name.startswith("$share/"):
            self.shares.add(name, session, entry)
        else:
            self.subscriptions.add(name, session, entry)

    def unsubscribe(self, name: str, session: Session) -> None:
        if name.startswith("$share/"):
            self.shares.remove(name, session)
        else:
            self.subscriptions.remove(name, session)

    def wanted(self, topic: str) -> bool:
        return bool(self.subscriptions.matching(topic) or (self.shares and self.shares.matching(topic)))

    def route(self, message: Message, owner: str, *, fleeting: bool = False) -> None:
        if message.retain:
            self.retain(message, owner, fleeting)
        found = self.subscriptions.matching(message.topic)
        groups = self.shares.matching(message.topic) if self.shares else ()
        if not found and not groups:
            return
        wanted: dict[Session, list[Entry]] = {}
        for session, entry in found:
            if not (entry.subscription.no_local and session.id == message.origin):  # [MQTT-3.8.3-3]
                wanted.setdefault(session, []).append(entry)
        now, parcel = self._clock.monotonic(), Parcel(message, fleeting)
        for session, entries in wanted.items():
            # [MQTT-3.3.4-2]: overlapping subscriptions get one copy at the highest QoS, with all identifiers.
            qos = min(message.qos, max(entry.subscription.qos for entry in entries))
            identifiers = tuple(entry.identifier for entry in entries if entry.identifier is not None)
            retain = message.retain and any(entry.subscription.retain_as_published for entry in entries)
            self._judge(session, session.offer(parcel, qos, retain, identifiers, now))
        for group, _ in groups:
            self._share(group, parcel, now)

    def current(self, message: Message) -> bool:
        """Whether this is still what its topic retains; what $SYS says is not kept anywhere."""
        return message.topic.startswith("$SYS/") or self.retained.holds(message)

    def say(self, message: Message) -> None:
        """To whoever listens now; it is not kept."""
        if self.wanted(message.topic):
            self.route(msgspec.structs.replace(message, retain=False), "", fleeting=True)

    def retain(self, message: Message, owner: str, fleeting: bool = False) -> None:
        if not self.retained.keep(message, owner):
            self._counters.retained_refused += 1
            return
        self._expiring.pop(message.topic, None)
        if message.payload and message.expires is not None:
            self._expiring[message.topic] = message.expires
        if self._journal is None or fleeting:
            return
        if message.payload:
            record = RetainedRecord(owner, records.of_message(message, self._clock))
            self._journal.keep(Table.RETAINED, message.topic, record)
        else:
            self._journal.drop(Table.RETAINED, message.topic)

    def refill(self, message: Message, owner: str) -> None:
        """A retained message of a former run."""
        self.retained.keep(message, owner)
        if message.expires is not None:
            self._expiring[message.topic] = message.expires

    def expire(self, now: float) -> None:
        """3.3.2.3.3: a retained message ends with its interval, too."""
        for topic in [topic for topic, expires in self._expiring.items() if expires <= now]:
            self._counters.expired += 1
            self.retain(Message(topic, b"", retain=True), "")

    def others_connected(self, giver: Session, share: str) -> bool:
        group = self.shares.group(share)
        return group is not None and any(each.connected for each in group.members if each is not giver)

    def hand_over(self, giver: Session, left: Iterable[Outgoing]) -> None:
        """What a member of a group can no longer take goes to another (4.8.2); what nobody takes is counted."""
        now = self._clock.monotonic()
        for outgoing in left:
            group = self.shares.group(outgoing.share)
            size = len(outgoing.parcel.message.payload)
            other = None if group is None else group.pick(outgoing.qos, size, now, giver)
            if group is None or other is None:
                self._counters.dropped += 1
            else:
                self._give(group, other, outgoing.parcel, now)
            giver.erase((outgoing,))

    def _share(self, group: Group, parcel: Parcel, now: float) -> None:
        session = group.pick(parcel.message.qos, len(parcel.message.payload), now)
        if session is None:
            self._counters.dropped += 1
        else:
            self._give(group, session, parcel, now)

    def _give(self, group: Group, session: Session, parcel: Parcel, now: float) -> None:
        entry = group.members[session]
        qos = min(parcel.message.qos, entry.subscription.qos)
        identifiers = () if entry.identifier is None else (entry.identifier,)
        retain = parcel.message.retain and entry.subscription.retain_as_published
        self._judge(session, session.offer(parcel, qos, retain, identifiers, now, group.name))

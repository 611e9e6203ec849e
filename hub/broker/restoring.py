"""From rows to sessions: what a former run has left on disk becomes what it was, as far as time allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import cast

from hub.broker import records
from hub.broker.journal import Journal, Rows
from hub.broker.message import Parcel
from hub.broker.records import (
    MessageRecord,
    OwedRecord,
    RetainedRecord,
    SessionRecord,
    SubscriptionRecord,
    Table,
    WillRecord,
)
from hub.broker.routing import Router
from hub.broker.session import Entry, Outgoing, Session
from hub.broker.wills import Name, Wills
from hub.clock import Clock


def restore_sessions(
    rows: Rows, new_session: Callable[[Name], Session], router: Router, journal: Journal, clock: Clock
) -> Iterator[tuple[Name, Session, float | None]]:
    """Each session with its subscriptions and its queue, and when it ends; None if somebody was connected."""
    owed = _owed(rows, journal, clock)
    received: dict[int, list[int]] = defaultdict(list)
    for key in rows[Table.RECEIVED]:
        number, packet_id = cast(tuple[int, int], key)
        received[number].append(packet_id)
    subscriptions: dict[int, dict[str, SubscriptionRecord]] = defaultdict(dict)
    for key, record in rows[Table.SUBSCRIPTION].items():
        number, wanted = cast(tuple[int, str], key)
        subscriptions[number][wanted] = cast(SubscriptionRecord, record)
    for key, record in rows[Table.SESSION].items():
        number, said = cast(int, key), cast(SessionRecord, record)
        name = (said.username, said.client_id)
        session = new_session(name)
        session.number, session.version, session.expiry_s = number, said.version, said.expiry_s
        for wanted, each in subscriptions[number].items():
            entry = session.subscriptions[wanted] = Entry(each.subscription, each.identifier)
            router.subscribe(wanted, session, entry)
            if each.owed:
                session.owing.add(wanted)
        session.refill(owed.pop(number, []), received[number])
        yield name, session, said.ends_s
    for outgoing in (each for left in owed.values() for each in left):  # its session could not be read
        journal.drop(Table.OWED, outgoing.number)
        outgoing.parcel.let_go(journal)


def _owed(rows: Rows, journal: Journal, clock: Clock) -> dict[int, list[Outgoing]]:
    parcels = {
        key: Parcel(records.to_message(cast(MessageRecord, record), clock), number=cast(int, key))
        for key, record in rows[Table.MESSAGE].items()
    }
    owed: dict[int, list[Outgoing]] = defaultdict(list)
    for key in sorted(cast(dict[int, OwedRecord], rows[Table.OWED])):
        row = cast(OwedRecord, rows[Table.OWED][key])
        parcel = parcels.get(row.message)
        if parcel is None:  # its message could not be read
            journal.drop(Table.OWED, key)
            continue
        parcel.holders += 1
        outgoing = Outgoing(parcel, row.qos, row.retain, row.identifiers, row.packet_id, row.released, key, row.share)
        owed[row.session].append(outgoing)
    for number, parcel in parcels.items():
        if not parcel.holders:
            journal.drop_message(cast(int, number))
    return owed


def restore_retained(rows: Rows, router: Router, clock: Clock) -> None:
    for record in rows[Table.RETAINED].values():
        said = cast(RetainedRecord, record)
        router.refill(records.to_message(said.message, clock), said.owner)


def restore_wills(rows: Rows, wills: Wills, closed_s: float, grace_s: float) -> None:
    for key, record in rows[Table.WILL].items():
        wills.refill(cast(str, key), cast(WillRecord, record), closed_s, grace_s)

"""A batch: what one transaction of ingest writes: readings, quarantine, receipts, presence, and what rules decide.

Pure of queues and clocks: it takes uplinks already read (arrival.py) and says what became of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import col

from devices import topics
from hub import presence, quarantine, receipts
from hub.arrival import Arrival, Opened
from hub.db import Tx
from hub.events import ReadingsStored, ReadValue, StoredReading
from hub.quarantine import Poison, hub_poison
from hub.readings import RawFrame, Reading, open_values, seal_raw, seal_values, to_ms
from hub.uplink import Verdict


@dataclass
class Outcome:
    """What a committed batch came to."""

    verdicts: list[Verdict] = field(default_factory=list)
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    receipts: dict[tuple[str, str], int] = field(default_factory=dict)
    births: list[str] = field(default_factory=list)

    def and_then(self, later: Outcome) -> Outcome:
        """Both, as one: for a batch that was committed in parts."""
        return Outcome(
            self.verdicts + later.verdicts,
            self.stored + later.stored,
            self.duplicate + later.duplicate,
            self.quarantined + later.quarantined,
            {**self.receipts, **later.receipts},
            self.births + later.births,
        )


def write_batch(tx: Tx, opened: Sequence[Opened]) -> Outcome:
    """One batch in one transaction."""
    outcome = Outcome()
    arrivals = [arrival for each in opened for arrival in each.arrivals]
    fresh, conflicts = _insert(tx, arrivals)
    fresh_ids = {arrival.id for arrival in fresh}
    poisons = [poison for each in opened for poison in each.poisons] + conflicts
    new_poisons = quarantine.store(tx, poisons) if poisons else 0
    outcome.stored = len(fresh)
    outcome.quarantined = new_poisons
    outcome.duplicate = len(arrivals) - len(fresh) - len(conflicts) + len(poisons) - new_poisons
    entries: dict[tuple[str, str], set[int]] = defaultdict(set)
    for each in opened:
        if each.entry is not None:
            entries[each.entry[0], each.entry[1]].add(each.entry[2])
        if each.note is not None:
            presence.note(tx, each.note)
            if isinstance(each.note.topic, topics.Birth):
                outcome.births.append(each.note.topic.gateway)
        outcome.verdicts.append(_verdict(each, fresh_ids))
    if entries:
        outcome.receipts = receipts.settle(tx, entries)
    if fresh:
        presence.hear(tx, fresh)
        tx.emit(ReadingsStored, cause=fresh[0].frame, readings=tuple(_stored(arrival) for arrival in fresh))
    return outcome


def _verdict(opened: Opened, fresh: set[str]) -> Verdict:
    if opened.note is not None:
        return Verdict.NOTED
    if any(arrival.id in fresh for arrival in opened.arrivals):
        return Verdict.STORED
    return Verdict.QUARANTINED if opened.poisons else Verdict.DUPLICATE


def _insert(tx: Tx, arrivals: Sequence[Arrival]) -> tuple[list[Arrival], list[Poison]]:
    """Insert what is new; judge what is not: a duplicate in silence, other content under the same key to quarantine."""
    first: dict[str, Arrival] = {}
    again: list[Arrival] = []
    for arrival in arrivals:
        if arrival.key in first:
            again.append(arrival)
        else:
            first[arrival.key] = arrival
    if not first:
        return [], []
    insert = _insert_for(tx)
    rows = [_row(tx, arrival) for arrival in first.values()]
    kept = set(
        tx.session.execute(
            insert(Reading).on_conflict_do_nothing(index_elements=["key"]).returning(col(Reading.key)), rows
        ).scalars()
    )
    fresh = [arrival for arrival in first.values() if arrival.key in kept]
    if fresh:
        raw = [
            {
                "reading": arrival.id,
                "payload": seal_raw(tx.seal, arrival.payload),
                "t_received_ms": to_ms(arrival.t_received),
            }
            for arrival in fresh
        ]
        tx.session.execute(insert(RawFrame), raw)
    known = [arrival for arrival in first.values() if arrival.key not in kept]
    conflicts = [_conflict(arrival) for arrival in [*known, *again] if not _same(tx, arrival)]
    return fresh, conflicts


def _insert_for(tx: Tx) -> Callable[..., Any]:
    postgres = tx.session.get_bind().dialect.name == "postgresql"
    return postgres_insert if postgres else sqlite_insert


def _same(tx: Tx, arrival: Arrival) -> bool:
    """Whether what is stored under this key says the same: same record bytes, or the same values by another codec."""
    stored = tx.session.execute(
        select(col(Reading.raw_sha256), col(Reading.codec), col(Reading.sealed_values)).where(
            col(Reading.key) == arrival.key
        )
    ).one()
    if stored.raw_sha256 == arrival.raw_sha256:
        return True
    return stored.codec != arrival.codec and _plain(open_values(tx.seal, stored.sealed_values)[0]) == _plain(
        arrival.values
    )


def _plain(values: Sequence[ReadValue]) -> dict[str, Any]:
    return {each.code: each.value for each in values}


def _conflict(arrival: Arrival) -> Poison:
    return Poison(
        gateway=arrival.device.gateway,
        device=arrival.device.id,
        area=arrival.device.area,
        codec=arrival.codec,
        payload=arrival.payload,
        entry=f"conflict|{arrival.key}|{arrival.raw_sha256}",
        frame=arrival.frame,
        **hub_poison("conflict"),
    )


def _row(tx: Tx, arrival: Arrival) -> dict[str, Any]:
    return {
        "id": arrival.id,
        "key": arrival.key,
        "weak_key": arrival.weak_key,
        "kind": arrival.kind,
        "device": arrival.device.id,
        "gateway": arrival.device.gateway,
        "hut": arrival.hut,
        "area": arrival.device.area,
        "bound_by": "none",
        "quality": arrival.quality,
        "reasons": " ".join(arrival.reasons)[:256],
        "sealed_values": seal_values(tx.seal, arrival.values, arrival.orig),
        "context": msgspec.json.encode(arrival.context).decode(),
        "t_device": arrival.t_device,
        "t_gateway_ms": to_ms(arrival.t_gateway) if arrival.t_gateway else None,
        "t_received_ms": to_ms(arrival.t_received),
        "t_effective_ms": to_ms(arrival.effective.at),
        "t_basis": arrival.effective.basis,
        "late": arrival.effective.late,
        "profile": arrival.profile,
        "codec": arrival.codec,
        "serial": arrival.device.serial,
        "firmware": arrival.device.firmware,
        "calibration": arrival.device.calibration,
        "boot": arrival.boot,
        "seq": arrival.seq,
        "raw_sha256": arrival.raw_sha256,
        "cause": arrival.frame,
    }


def _stored(arrival: Arrival) -> StoredReading:
    return StoredReading(
        id=arrival.id,
        cause=arrival.frame,
        kind=arrival.kind,
        device=arrival.device.id,
        gateway=arrival.device.gateway,
        hut=arrival.hut,
        area=arrival.device.area,
        values=arrival.values,
        quality=arrival.quality,
        reasons=arrival.reasons,
        t_effective=arrival.effective.at,
        t_received=arrival.t_received,
        t_basis=arrival.effective.basis,
        late=arrival.effective.late,
        weak_key=arrival.weak_key,
    )

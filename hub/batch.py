"""A batch: what one transaction of ingest writes: readings, quarantine, receipts, presence, and what rules decide.

Pure of queues and clocks: it takes uplinks already read (arrival.py) and says what became of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import col

from devices import topics
from hub import bulk, lifecycle, presence, quarantine, readings, receipts, speaker, twin
from hub.arrival import Arrival, Opened
from hub.db import Tx
from hub.events import ReadingsStored, ReadValue, StoredReading
from hub.quarantine import Poison, hub_poison
from hub.readings import Reading, open_values, to_ms
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
    poisons = [poison for each in opened for poison in each.poisons] + conflicts
    new_poisons = quarantine.store(tx, poisons) if poisons else 0
    outcome.stored = len(fresh)
    outcome.quarantined = new_poisons
    outcome.duplicate = len(arrivals) - len(fresh) - len(conflicts) + len(poisons) - new_poisons
    entries: dict[tuple[str, str], set[int]] = defaultdict(set)
    fresh_ids = {arrival.id for arrival in fresh} if len(fresh) < len(arrivals) else None
    for each in opened:
        if each.entry is not None:
            entries[each.entry[0], each.entry[1]].add(each.entry[2])
        if each.note is not None and isinstance(each.note.topic, topics.Birth):
            outcome.births.append(each.note.topic.gateway)
        outcome.verdicts.append(_verdict(each, fresh_ids))
    if notes := [each.note for each in opened if each.note is not None]:
        presence.notes(tx, notes)
        for note in notes:
            speaker.heard(tx, note)
            twin.heard(tx, note)
        if kept_from := presence.outboxes(notes):
            receipts.resume(tx, kept_from)
    if entries:
        outcome.receipts = receipts.settle(tx, entries)
    if fresh:
        presence.hear(tx, fresh)
        if begun := {arrival.device.id for arrival in fresh if arrival.device.state == "provisioned"}:
            lifecycle.activate(tx, begun, fresh[0].frame)
        tx.emit(ReadingsStored, cause=fresh[0].frame, readings=tuple([_stored(arrival) for arrival in fresh]))
    return outcome


def _verdict(opened: Opened, fresh: set[str] | None) -> Verdict:
    """`fresh` is None when every arrival of the batch is."""
    if opened.note is not None:
        return Verdict.NOTED
    if opened.arrivals and (fresh is None or any(arrival.id in fresh for arrival in opened.arrivals)):
        return Verdict.STORED
    return Verdict.QUARANTINED if opened.poisons else Verdict.DUPLICATE


def _insert(tx: Tx, arrivals: Sequence[Arrival]) -> tuple[list[Arrival], list[Poison]]:
    """Insert what is new; judge what is not: a duplicate in silence, other content under the same key to quarantine."""
    first: dict[str, Arrival] = {}
    again: list[Arrival] = []
    for arrival in arrivals:
        if first.setdefault(arrival.key, arrival) is not arrival:
            again.append(arrival)
    if not first:
        return [], []
    fresh = list(first.values())
    kept = bulk.insert_new(tx, "reading", readings.WRITTEN, _rows(tx, fresh), "key")
    if kept is not None:
        again = [*[arrival for arrival in fresh if arrival.key not in kept], *again]
        fresh = [arrival for arrival in fresh if arrival.key in kept]
    sealed = readings.seal_raw(tx.seal, [arrival.payload for arrival in fresh])
    raw = [(arrival.id, blob, to_ms(arrival.t_received)) for arrival, blob in zip(fresh, sealed, strict=True)]
    bulk.insert(tx, "raw_frame", readings.WRITTEN_RAW, raw)
    return fresh, _conflicts(tx, again) if again else []


def _conflicts(tx: Tx, again: Sequence[Arrival]) -> list[Poison]:
    stored: dict[str, Any] = {}
    for keys in bulk.pages(dict.fromkeys(arrival.key for arrival in again)):
        columns = (col(Reading.key), col(Reading.raw_sha256), col(Reading.codec), col(Reading.sealed_values))
        for row in tx.session.execute(select(*columns).where(col(Reading.key).in_(keys))):
            stored[row.key] = row
    return [_conflict(arrival) for arrival in again if not _same(tx, arrival, stored[arrival.key])]


def _same(tx: Tx, arrival: Arrival, stored: Any) -> bool:
    """Whether what is stored under this key says the same: same record bytes, or the same values by another codec."""
    if stored.raw_sha256 == arrival.raw_sha256 or not stored.raw_sha256:
        return True  # without a hash: erased since, and not to come in again by any door (erasure.py)
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


def _rows(tx: Tx, arrivals: Sequence[Arrival]) -> list[tuple[Any, ...]]:
    """In the order of readings.WRITTEN."""
    sealed = readings.seal_values(tx.seal, [readings.body(arrival.values, arrival.orig) for arrival in arrivals])
    return [_row(arrival, values) for arrival, values in zip(arrivals, sealed, strict=True)]


def _row(arrival: Arrival, sealed_values: bytes) -> tuple[Any, ...]:
    device, effective = arrival.device, arrival.effective
    return (
        arrival.id,
        arrival.key,
        arrival.weak_key,
        arrival.kind,
        device.id,
        device.gateway,
        device.hut,
        device.area,
        "none",
        arrival.quality,
        " ".join(arrival.reasons)[:256] if arrival.reasons else "",
        sealed_values,
        msgspec.json.encode(arrival.context).decode() if arrival.context else "{}",
        arrival.t_device,
        None if arrival.t_gateway is None else to_ms(arrival.t_gateway),
        to_ms(arrival.t_received),
        to_ms(effective.at),
        effective.basis,
        effective.late,
        arrival.profile,
        arrival.codec,
        device.serial,
        device.firmware,
        device.calibration,
        arrival.boot,
        arrival.seq,
        arrival.raw_sha256,
        arrival.frame,
    )


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

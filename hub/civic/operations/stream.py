"""The stream that alert rules are judged on: every half minute what changed, once a day all of it, and each answer.

It holds figures of things, never of a person: presence, batteries, queues. The live run appends and judges in one
transaction; a rehearsal reads the same entries.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlmodel import col

from hub import breaker
from hub.civic.operations import board, setaside
from hub.civic.operations.judge import Entry
from hub.civic.operations.models import Figure, Look
from hub.civic.operations.scope import WHOLE
from hub.db import Read, Tx
from hub.events import ReadingsStored
from hub.services import Services
from hub.upsert import insert_for

LOOK_S = 30.0
KEEP = timedelta(days=35)  # a month and some days: what a rehearsal asks for
PAGE = 500
_LOCK = 0x4C4F4F4B  # one writer at a time may extend the stream
# What of a reading is of the thing and not of who used it: nothing else is ever written here.
THINGS = frozenset({"battery", "rssi", "room_temp", "humidity", "co2", "pm25"})


def hear(tx: Tx, event: ReadingsStored) -> None:
    """Keep a thing's last word about itself, out of the readings just stored."""
    for reading in event.readings:
        for value in reading.values:
            if value.code in THINGS and value.text is not None:
                said = {"value": value.text[:32], "at": reading.t_received}
                rule = insert_for(tx)(Figure).values(subject=f"device:{reading.device}", name=value.code, **said)
                # What a release takes in is older than what the device has said since.
                newer = col(Figure.at) <= reading.t_received
                tx.session.execute(
                    rule.on_conflict_do_update(index_elements=["subject", "name"], set_=said, where=newer)
                )


def of_hub(services: Services) -> dict[str, Any]:
    """What the store cannot know: the figures of the running programs."""
    ingest = services.ingest
    p99 = ingest.meter.latency_ms(0.99)
    return {
        "waiting": ingest.waiting,
        "p99_ms": None if p99 is None else round(p99),
        "trouble": 1 if ingest.trouble else 0,
        "down": len(services.down),
        "disk_free_mb": _free_mb(services.data),
    }


def _free_mb(folder: Path) -> int | None:
    """In steps of 64: the last megabytes change with every commit, and a step is exact enough for a rule."""
    try:
        return shutil.disk_usage(folder).free // (1 << 26) * 64
    except OSError:
        return None


def sample(read: Read, hub: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every subject with its figures as they are now."""
    found: dict[str, dict[str, Any]] = {}
    for place in board.look(read, WHOLE):
        for line in place.lines:
            found[f"gateway:{line.id}"] = {"line": line.state}
        for box in place.boxes:
            if box.in_use:
                seen = int(box.seen.timestamp()) if box.seen else None
                said = {"state": box.state, "upkeep": box.upkeep, "heard": seen, "offset_s": box.offset_s}
                found[f"device:{box.id}"] = {name: value for name, value in said.items() if value is not None}
    for row in read.session.execute(select(Figure)).scalars():
        if row.subject in found:
            found[row.subject][row.name] = row.value
    unread, _oldest = setaside.unread(read, WHOLE)
    away = sum(1 for way in breaker.states(read) if way.state == breaker.PAUSED)
    found["hub"] = {name: value for name, value in hub.items() if value is not None} | {"unread": unread, "away": away}
    return found


def changes(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Only what differs; a figure that is gone is None. A subject that is gone waits for the next full entry."""
    found: dict[str, dict[str, Any]] = {}
    for subject, said in now.items():
        known = before.get(subject, {})
        differing = {name: value for name, value in said.items() if known.get(name) != value}
        differing |= {name: None for name in known if name not in said}
        if differing:
            found[subject] = differing
    return found


def hold(tx: Tx) -> None:
    if tx.session.get_bind().dialect.name == "postgresql":
        tx.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def last(read: Read) -> Look | None:
    return read.session.execute(select(Look).order_by(col(Look.seq).desc()).limit(1)).scalar_one_or_none()


def append(tx: Tx, kind: str, body: Mapping[str, Any]) -> Look:
    before = last(tx)
    row = Look(
        seq=before.seq + 1 if before is not None else 1,
        at=tx.now(),
        kind=kind,
        body=json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
    )
    tx.session.add(row)
    tx.session.flush()
    return row


def entries(read: Read, first: int, until: int | None = None) -> Iterator[Entry]:
    """The stream from one entry on, in its order."""
    while True:
        columns = (col(Look.seq), col(Look.at), col(Look.kind), col(Look.body))
        rule = select(*columns).where(col(Look.seq) >= first).order_by(col(Look.seq)).limit(PAGE)
        if until is not None:
            rule = rule.where(col(Look.seq) <= until)
        rows = read.session.execute(rule).all()
        for row in rows:
            yield Entry(row.seq, row.at, row.kind, json.loads(row.body))
        if len(rows) < PAGE:
            return
        first = rows[-1].seq + 1


def entry(row: Look) -> Entry:
    return Entry(row.seq, row.at, row.kind, json.loads(row.body))


def first_full(read: Read, since: datetime) -> int | None:
    """Where a rehearsal from that time begins: the newest full entry before it, or the oldest there is."""
    full = select(func.max(col(Look.seq))).where(col(Look.kind) == "full", col(Look.at) <= since)
    found = read.session.execute(full).scalar()
    if found is None:
        found = read.session.execute(select(func.min(col(Look.seq))).where(col(Look.kind) == "full")).scalar()
    return found


def trim(tx: Tx) -> int:
    """Drop what no rehearsal asks for any more; it begins with a full entry ever after."""
    full = select(func.max(col(Look.seq))).where(col(Look.kind) == "full", col(Look.at) < tx.now() - KEEP)
    oldest = tx.session.execute(full).scalar()
    return tx.change(delete(Look).where(col(Look.seq) < oldest)) if oldest is not None else 0

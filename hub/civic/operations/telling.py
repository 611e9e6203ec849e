"""The meters of several processes on one PostgreSQL store: each that takes readings in tells its own once a second, and
whoever shows the board adds them up. On SQLite there is one process to a store, so nobody tells and nobody listens.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import text

from hub import echo
from hub.db import Tx
from hub.ingest import Ingest
from hub.services import Services

CHANNEL = "linli_flow"
TELL_EVERY_S = 1.0
FRESH = timedelta(seconds=5)  # promises.md P18: a stall is on the board within so long; a process that died leaves it


class Told(msgspec.Struct, frozen=True):
    """One process's meter at one moment."""

    speaker: str
    at: datetime
    ingested: int
    stored: int
    duplicate: int
    quarantined: int
    refused: dict[str, int]
    waiting: int
    p50_ms: float | None
    p99_ms: float | None
    trouble: str | None
    rates: list[int]  # stored in each of the last seconds, the newest last


_OTHERS: MutableMapping[Ingest, dict[str, Told]] = WeakKeyDictionary()


def own(ingest: Ingest, now: datetime, speaker: str = "") -> Told:
    meter = ingest.meter
    return Told(
        speaker, now, meter.ingested, meter.stored, meter.duplicate, meter.quarantined, dict(meter.refused),
        ingest.waiting, meter.latency_ms(0.5), meter.latency_ms(0.99), ingest.trouble, meter.rates(),
    )  # fmt: skip


def every(ingest: Ingest, now: datetime) -> list[Told]:
    """This process and all it has heard of lately."""
    others = _OTHERS.get(ingest, {})
    return [own(ingest, now), *(told for told in others.values() if now - told.at < FRESH)]


def heard(ingest: Ingest, listener: str, payload: str, now: datetime) -> None:
    """Times are taken as ours, for the machines' clocks need not agree."""
    told = msgspec.json.decode(payload, type=Told)
    if told.speaker == listener:
        return
    others = _OTHERS.setdefault(ingest, {})
    others[told.speaker] = msgspec.structs.replace(told, at=now)
    for speaker in [each for each, said in others.items() if now - said.at >= FRESH]:
        del others[speaker]


async def tell(services: Services) -> None:
    store = services.store
    if store.dialect != "postgresql":
        return
    while True:
        body = msgspec.json.encode(own(services.ingest, services.clock.now(), store.name)).decode()
        await store.write(lambda tx, body=body: _notify(tx, body))  # type: ignore[misc]
        await services.clock.sleep(TELL_EVERY_S)


async def hear(services: Services) -> None:
    if services.store.dialect != "postgresql":
        return
    async with echo.listening(services.store, CHANNEL) as line:
        async for note in line.notifies():
            heard(services.ingest, services.store.name, note.payload, services.clock.now())


def _notify(tx: Tx, body: str) -> None:
    tx.session.execute(text("SELECT pg_notify(:channel, :body)"), {"channel": CHANNEL, "body": body})

"""Application receipts: up to which entry of a gateway's outbox everything is settled on disk.

A gateway's outbox (named by `boot`) numbers its entries from 1; workers may commit them out of order, so the table
keeps the highest contiguous number and what lies ahead of it. Only this receipt lets a gateway trim its outbox.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import BigInteger, Column, Text, select
from sqlmodel import Field, SQLModel, col

from hub import bulk
from hub.db import Read, Tx

log = logging.getLogger(__name__)
AHEAD_MAX = 100_000  # a gateway this far out of order has lost an entry for good; the receipt then stands still


class ReceiptRow(SQLModel, table=True):
    __tablename__ = "receipt"
    gateway: str = Field(primary_key=True, max_length=64)
    boot: str = Field(primary_key=True, max_length=64)
    contiguous: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    ahead: str = Field(default="[]", sa_column=Column(Text, nullable=False))


def advance(contiguous: int, ahead: Collection[int], settled: Collection[int]) -> tuple[int, list[int]]:
    """Pure: the new highest contiguous number, and what still lies ahead of it."""
    waiting = {seq for seq in (*ahead, *settled) if seq > contiguous}
    while contiguous + 1 in waiting:
        contiguous += 1
        waiting.discard(contiguous)
    return contiguous, sorted(waiting)[:AHEAD_MAX]


def settle(tx: Tx, entries: Mapping[tuple[str, str], Collection[int]]) -> dict[tuple[str, str], int]:
    """Note entries settled in this transaction. Returns the receipt due for each (gateway, boot)."""
    due = {}
    for (gateway, boot), settled in sorted(entries.items()):
        row = tx.session.get(ReceiptRow, (gateway, boot), with_for_update=True) or ReceiptRow(
            gateway=gateway, boot=boot
        )
        row.contiguous, ahead = advance(row.contiguous, json.loads(row.ahead), settled)
        row.ahead = json.dumps(ahead)
        tx.session.add(row)
        due[gateway, boot] = row.contiguous
    return due


def resume(tx: Tx, kept_from: Mapping[tuple[str, str], int]) -> None:
    """What a gateway does not keep any more never comes: its receipt need not wait for that.

    After a restore the store knows less than the receipts that were sent. It would wait for ever for entries that were
    trimmed, and no outbox would be trimmed again (decision 0021).
    """
    known: dict[tuple[str, str], int] = {}
    for page in bulk.pages(sorted({gateway for gateway, _boot in kept_from})):
        columns = (col(ReceiptRow.gateway), col(ReceiptRow.boot), col(ReceiptRow.contiguous))
        rows = tx.session.execute(select(*columns).where(columns[0].in_(page)))
        known.update({(gateway, boot): contiguous for gateway, boot, contiguous in rows})
    for place, first in sorted(kept_from.items()):
        if first - 1 <= known.get(place, 0):
            continue
        row = tx.session.get(ReceiptRow, place, with_for_update=True) or ReceiptRow(gateway=place[0], boot=place[1])
        behind = max(first - 1, row.contiguous)
        log.warning("a gateway keeps nothing before this entry", extra={"gateway": place[0], "entry": first})
        row.contiguous, ahead = advance(behind, json.loads(row.ahead), ())
        row.ahead = json.dumps(ahead)
        tx.session.add(row)


def of_gateway(read: Read, gateway: str) -> dict[tuple[str, str], int]:
    return of_gateways(read, [gateway])


def of_gateways(read: Read, gateways: Sequence[str]) -> dict[tuple[str, str], int]:
    columns = (col(ReceiptRow.gateway), col(ReceiptRow.boot), col(ReceiptRow.contiguous))
    found: dict[tuple[str, str], int] = {}
    for page in bulk.pages(gateways):
        rows = read.session.execute(select(*columns).where(columns[0].in_(page)))
        found.update(((gateway, boot), contiguous) for gateway, boot, contiguous in rows)
    return found

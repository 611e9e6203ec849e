"""What messages cost (资费): for each notice and channel how many were taken, in how many billed parts, for how much.

Counted once a delivery, in the transaction that settles it; a repeat under the same idempotency key has nothing to
settle. A correction costs as well and is counted with its notice. Money is integer fen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Field, SQLModel, col

from channels.base import Accepted
from hub.db import Read, Tx
from hub.upsert import insert_for


class MessageCharge(SQLModel, table=True):
    __tablename__ = "message_charge"
    notice: str = Field(primary_key=True, max_length=64)
    channel: str = Field(primary_key=True, max_length=16)
    messages: int
    parts: int
    fen: int


@dataclass(frozen=True, slots=True)
class Spent:
    channel: str
    messages: int
    parts: int
    fen: int


def charge(tx: Tx, taken: Iterable[tuple[str, str, Accepted]]) -> None:
    """Enter (notice, channel, answer) for messages a provider took. What is not billed leaves no row."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for notice, channel, answer in taken:
        if answer.parts or answer.cost_fen:
            sums[notice, channel] = [
                have + more
                for have, more in zip(sums[notice, channel], (1, answer.parts, answer.cost_fen), strict=True)
            ]
    rows = [
        {"notice": notice, "channel": channel, "messages": messages, "parts": parts, "fen": fen}
        for (notice, channel), (messages, parts, fen) in sorted(sums.items())
    ]
    if rows:
        fresh = insert_for(tx)(MessageCharge)
        grown = {
            "messages": col(MessageCharge.messages) + fresh.excluded.messages,
            "parts": col(MessageCharge.parts) + fresh.excluded.parts,
            "fen": col(MessageCharge.fen) + fresh.excluded.fen,
        }
        tx.session.execute(fresh.on_conflict_do_update(index_elements=["notice", "channel"], set_=grown), rows)


def of_notice(read: Read, notice: str) -> list[Spent]:
    rows = read.session.execute(
        select(
            col(MessageCharge.channel), col(MessageCharge.messages), col(MessageCharge.parts), col(MessageCharge.fen)
        )
        .where(col(MessageCharge.notice) == notice)
        .order_by(col(MessageCharge.channel))
    )
    return [Spent(*row) for row in rows]

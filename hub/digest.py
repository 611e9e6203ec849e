"""The daily overview (每日一览) as the outbox sees it: which notices wait for whom, and what proof of it proves.

A resident who asked for one message a day gets no delivery of a routine notice, but an item here. The slice's own
digest.py turns the items of a day into one delivery; whatever that reaches, each notice inside has reached.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Column, Index, select, update
from sqlmodel import Field, SQLModel, col

from hub.db import Tx
from hub.reach import ReachNotice
from hub.types import UtcTime
from hub.upsert import insert_for

KIND = "digest"
PRIORITIES = ("routine",)  # what may wait for the evening; anything graver comes by itself


class DigestItem(SQLModel, table=True):
    """One notice in one resident's daily overview."""

    __tablename__ = "digest_item"
    resident: str = Field(primary_key=True, foreign_key="resident.id", max_length=64)
    notice: str = Field(primary_key=True, max_length=64)
    revision: int
    due: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    state: str = Field(default="waiting", max_length=8)  # waiting | sent | dropped
    outbox: str = Field(default="", max_length=36)  # the delivery that carries it
    __table_args__ = (Index("ix_digest_item_due", "state", "due"), Index("ix_digest_item_outbox", "outbox"))


@dataclass(frozen=True, slots=True)
class Inside:
    notice: str
    revision: int
    resident: str


def put(tx: Tx, notice: str, revision: int, waiting: Sequence[tuple[str, datetime]]) -> None:
    """(resident, when their overview is due): once for a notice, however many channels come by."""
    if not waiting:
        return
    fresh = insert_for(tx)(DigestItem)
    place = ["resident", "notice"]
    newer = {"revision": revision, "due": fresh.excluded.due, "state": "waiting", "outbox": ""}
    rows = [
        {"resident": who, "notice": notice, "revision": revision, "due": due, "state": "waiting", "outbox": ""}
        for who, due in waiting
    ]
    corrected = col(DigestItem.revision) < fresh.excluded.revision  # a correction is news; the same revision is not
    tx.session.execute(fresh.on_conflict_do_update(index_elements=place, set_=newer, where=corrected), rows)


def key(day: date, resident: str) -> str:
    """Of the delivery: one a day, whoever asks how often."""
    return f"{KIND}|{day.isoformat()}|{resident}"


def is_one(delivery_key: str) -> bool:
    return delivery_key.startswith(f"{KIND}|")


def inside(tx: Tx, deliveries: Collection[str]) -> dict[str, list[Inside]]:
    """What each of these deliveries carries."""
    found: dict[str, list[Inside]] = {each: [] for each in deliveries}
    rows = select(DigestItem).where(col(DigestItem.outbox).in_(deliveries), col(DigestItem.state) == "sent")
    for item in tx.session.execute(rows).scalars() if deliveries else ():
        found[item.outbox].append(Inside(item.notice, item.revision, item.resident))
    return found


def empty(tx: Tx, deliveries: Collection[str]) -> set[str]:
    """Those of these overviews of which every notice is over by now.

    Asked when one is to leave, not when a notice ends: it may stand in a hundred thousand of them.
    """
    living = (
        select(col(DigestItem.outbox))
        .join(ReachNotice, col(ReachNotice.notice) == col(DigestItem.notice))
        .where(col(DigestItem.outbox).in_(deliveries), col(ReachNotice.open))
    )
    return set(deliveries) - set(tx.session.execute(living).scalars()) if deliveries else set()


def postpone(tx: Tx, resident: str, due: datetime) -> None:
    """They chose another time: what waits, waits for that."""
    mine = (col(DigestItem.resident) == resident, col(DigestItem.state) == "waiting")
    tx.session.execute(update(DigestItem).where(*mine).values(due=due))

"""Idempotency-Key on writes: a repeat returns the first answer, the same key with another body is refused.

The key's row is written first in the command's own transaction: of two repeats at once the second waits for the first,
and a command that fails leaves no row behind, so trying again is safe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Text, delete, update
from sqlmodel import Field, SQLModel, col

from hub.db import Tx
from hub.errors import Refused
from hub.i18n import _
from hub.types import UtcTime
from hub.upsert import insert_for

KEPT_DAYS = 7  # ledger keys live for ever
KEY_CHARS_MAX = 200


class IdempotencyKey(SQLModel, table=True):
    __tablename__ = "idempotency_key"
    mark: str = Field(primary_key=True, max_length=64)  # hash of scope and key
    body_hash: str = Field(max_length=64)
    status: int = Field(default=0)
    answer: str = Field(default="", sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    for_ever: bool = Field(default=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any  # what json.dumps takes
    repeated: bool = False


def once(
    tx: Tx, scope: str, key: str | None, body: bytes, command: Callable[[Tx], Answer], *, for_ever: bool = False
) -> Answer:
    """Run the command, unless this key was used before in this scope (credential + method + path)."""
    if key is None:
        return command(tx)
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise Refused(_("An Idempotency-Key has 1 to 200 characters"))
    mark, body_hash = _hash(f"{scope}\n{key}".encode()), _hash(body)
    row = {"mark": mark, "body_hash": body_hash, "status": 0, "answer": "", "at": tx.now(), "for_ever": for_ever}
    fresh = insert_for(tx)(IdempotencyKey).values(row).on_conflict_do_nothing(index_elements=["mark"])
    # Not rowcount: on PostgreSQL it is -1 here.
    if tx.session.execute(fresh.returning(col(IdempotencyKey.mark))).scalar() is None:
        kept = tx.session.get_one(IdempotencyKey, mark)
        if kept.body_hash != body_hash:
            raise Refused(_("This Idempotency-Key was used for another request; make a new one"))
        return Answer(kept.status, json.loads(kept.answer), repeated=True)
    answer = command(tx)
    tx.session.execute(
        update(IdempotencyKey)
        .where(col(IdempotencyKey.mark) == mark)
        .values(status=answer.status, answer=json.dumps(answer.body, ensure_ascii=False))
    )
    return answer


def prune(tx: Tx) -> None:
    old = tx.now() - timedelta(days=KEPT_DAYS)
    tx.session.execute(
        delete(IdempotencyKey).where(col(IdempotencyKey.at) < old, col(IdempotencyKey.for_ever).is_(False))
    )


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

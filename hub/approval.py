"""N-of-n signatures over one content hash (三瓣章): nobody signs twice, nor for their own household.

The first signature fixes the hash; when the content changes afterwards, all parts are void.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Column, delete, select
from sqlmodel import Field, SQLModel, col

from hub.access import Subject
from hub.db import Read, Tx
from hub.errors import Conflict, NotSigned
from hub.i18n import _
from hub.types import UtcTime


class Signature(SQLModel, table=True):
    __tablename__ = "signature"
    subject: str = Field(primary_key=True, max_length=128)  # what is signed: "sheet:<id>"
    part: str = Field(primary_key=True, max_length=32)  # draft | verify | approve | third
    content_hash: str = Field(max_length=64)
    staff: str = Field(max_length=64)
    person: str = Field(max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


def content_hash(content: dict[str, Any]) -> str:
    body = json.dumps(content, ensure_ascii=False, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def signatures(read: Read, subject: str) -> list[Signature]:
    rows = read.session.execute(select(Signature).where(col(Signature.subject) == subject).order_by(col(Signature.at)))
    return list(rows.scalars())


def sign(
    tx: Tx,
    subject: str,
    part: str,
    content: dict[str, Any],
    signer: Subject,
    *,
    beneficiary_households: Collection[str] = (),
    beneficiary_persons: Collection[str] = (),
) -> list[Signature]:
    """Add one part. Returns all parts that stand."""
    person = signer.person or signer.id
    digest = content_hash(content)
    standing = signatures(tx, subject)
    if any(each.content_hash != digest for each in standing):
        raise Conflict(_("The content changed after the first signature; all signatures are void, start again"))
    if any(each.person == person for each in standing):
        raise NotSigned(
            _("You have signed this already; another person must sign the next part"), subject, part, "twice",
            signer.area,
        )  # fmt: skip
    if any(each.part == part for each in standing):
        raise Conflict(_("This part is signed already"))
    if person in beneficiary_persons or (signer.household and signer.household in beneficiary_households):
        why = "own" if person in beneficiary_persons else "household"
        raise NotSigned(_("You may not sign for yourself or your own household"), subject, part, why, signer.area)
    made = Signature(subject=subject, part=part, content_hash=digest, staff=signer.id, person=person, at=tx.now())
    tx.session.add(made)
    tx.session.flush()
    return [*standing, made]


def void(tx: Tx, subject: str) -> None:
    tx.session.execute(delete(Signature).where(col(Signature.subject) == subject))

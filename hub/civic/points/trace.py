"""The event behind an entry of an account: a posting's number, a movement's id or its reference (hub/why.py)."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlmodel import col

from hub.audit import AuditRow
from hub.civic.points.models import Posting, Txn
from hub.db import Read


def trace(read: Read, ident: str) -> str | None:
    rule = select(Txn).where(or_(col(Txn.id) == ident, col(Txn.reference) == ident))
    if ident.isascii() and ident.isdigit() and len(ident) < 19:
        rule = select(Txn).join(Posting, col(Posting.txn) == col(Txn.id)).where(col(Posting.id) == int(ident))
    txn = read.session.execute(rule.limit(1)).scalar_one_or_none()
    if txn is None:
        return None
    postings = select(col(Posting.source), col(Posting.destination)).where(col(Posting.txn) == txn.id)
    accounts = sorted({account for row in read.session.execute(postings) for account in row})
    told = select(col(AuditRow.id)).where(
        col(AuditRow.kind) == "PointsPosted",
        col(AuditRow.subject).in_(accounts),
        col(AuditRow.detail).contains(f'"reference":"{txn.reference}"', autoescape=True),
    )
    return read.session.execute(told.order_by(col(AuditRow.seq).desc()).limit(1)).scalar()

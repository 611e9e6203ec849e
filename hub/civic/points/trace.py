"""What stands behind an entry of an account: a posting's number, a movement's id or its reference (hub/why.py).

The ledger is its own record (hub/audit.py keeps no second one), so its link of the way is made from the movement.
"""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlmodel import col

from hub.civic.points import rules
from hub.civic.points.models import Account, Posting, Txn
from hub.db import Read
from hub.why import Node

SIGNED_APART = ("claim:", "sheet:")  # evidence that names what was signed


def trace(read: Read, ident: str) -> Node | None:
    rule = select(Txn).where(or_(col(Txn.id) == ident, col(Txn.reference) == ident))
    if ident.isascii() and ident.isdigit() and len(ident) < 19:
        rule = select(Txn).join(Posting, col(Posting.txn) == col(Txn.id)).where(col(Posting.id) == int(ident))
    txn = read.session.execute(rule.limit(1)).scalar_one_or_none()
    if txn is None:
        return None
    ends = read.session.execute(
        select(col(Account.kind), col(Account.owner), col(Posting.amount))
        .join(Posting, or_(col(Posting.source) == col(Account.id), col(Posting.destination) == col(Account.id)))
        .where(col(Posting.txn) == txn.id)
    ).all()
    evidence = txn.evidence or ""
    about = next((evidence.removeprefix(word) for word in SIGNED_APART if evidence.startswith(word)), txn.id)
    detail = {
        "owners": sorted({owner for kind, owner, _amount in ends if kind in rules.PERSONAL}), "area": txn.area,
        "amount": ends[0][2] if ends else 0, "rule": txn.rule, "reference": txn.reference,
    }  # fmt: skip
    return Node(txn.id, "PointsPosted", txn.at, txn.cause, about, txn.actor, txn.on_behalf_of, detail)

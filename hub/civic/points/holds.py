"""Reservations: points set aside (hold), then handed over (post) or given back (void), each of them at most once.

A hold leaves the account at once and stands in the community's `hold` account until it is settled. The database lets
nothing leave a `hold` account but whole, by settling the hold that brought it, and a void only to where it came from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from hub.civic.points import accounts, ledger
from hub.civic.points.beneficiary import chunks
from hub.civic.points.models import Posting, Txn
from hub.civic.points.why import Receipt, Why
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotFound, Refused
from hub.i18n import _

Settling = aliased(Txn)
_HOLDS = (
    select(
        col(Txn.id), col(Txn.reference), col(Posting.source), col(Posting.destination), col(Posting.amount),
        col(Txn.until), col(Settling.reason),
    )
    .join(Posting, col(Posting.txn) == col(Txn.id))
    .outerjoin(Settling, col(Settling.settles) == col(Txn.id))
    .where(col(Txn.reason) == "hold")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hold:
    txn: str
    reference: str
    source: str
    kept_in: str
    amount: int
    until: datetime
    settled: str | None  # the reason of what settled it, None while it stands


def hold(tx: Tx, source: str, amount: int, reference: str, why: Why, until: datetime) -> Receipt:
    """Set points aside until a moment. The same reference again gives the first receipt."""
    if until <= tx.now():
        raise Refused(_("Points are held until a moment to come"))
    area = accounts.locked(tx, [source])[source].area
    zone = tx.session.execute(select(col(Area.tz)).where(col(Area.code) == area)).scalar_one()
    kept_in = accounts.house_account(tx, "hold", area, zone)
    return ledger.post(tx, source, kept_in, amount, reference, replace(why, reason="hold", until=until))


def post(tx: Tx, reference: str, destination: str, why: Why) -> Receipt:
    """Hand over what is held under this reference. Again: the first receipt. After a void: refused."""
    return _settle(tx, reference, destination, why)


def void(tx: Tx, reference: str, why: Why | None = None) -> Receipt:
    """Give back what is held under this reference. Again: the first receipt. After a post: refused."""
    return _settle(tx, reference, None, replace(why or Why("void"), reason="void"))


def find(read: Read, reference: str) -> Hold | None:
    row = read.session.execute(_HOLDS.where(col(Txn.reference) == reference)).first()
    return Hold(*row) if row else None


def standing(read: Read, accounts: Collection[str]) -> dict[str, int]:
    """What of each account is held and not settled."""
    found: dict[str, int] = {}
    for some in chunks(set(accounts)):
        query = (
            select(col(Posting.source), func.sum(col(Posting.amount)))
            .join(Txn, col(Txn.id) == col(Posting.txn))
            .outerjoin(Settling, col(Settling.settles) == col(Txn.id))
            .where(col(Posting.source).in_(some), col(Txn.reason) == "hold", col(Settling.id).is_(None))
            .group_by(col(Posting.source))
        )
        found |= {account: int(amount) for account, amount in read.session.execute(query)}
    return found


def overdue(read: Read, now: datetime, limit: int = 200) -> list[Hold]:
    """Holds whose moment has come and that nobody settled, the oldest first."""
    query = _HOLDS.where(col(Txn.until) <= now, col(Settling.id).is_(None)).order_by(col(Txn.until), col(Txn.id))
    return [Hold(*row) for row in read.session.execute(query.limit(limit))]


def _settle(tx: Tx, reference: str, destination: str | None, why: Why) -> Receipt:
    accounts.alone(tx)
    held = find(tx, reference)
    if held is None:
        raise NotFound(_("Nothing is held under this number"))
    settled = "void" if destination is None else "post"
    if held.settled is not None and (held.settled == "void") != (settled == "void"):
        raise Conflict(
            _("These points have been given back") if held.settled == "void" else _("These points are spent")
        )
    target = destination if destination is not None else held.source
    return ledger.post(
        tx, held.kept_in, target, held.amount, f"{settled}:{held.txn}", replace(why, settles=held.txn, until=None)
    )

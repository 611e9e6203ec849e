"""Reading the ledger: statements with the why of every entry, a balance on any day, and the recount from zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, func, or_, select
from sqlmodel import col

from hub.civic.points.models import Account, Posting, Txn
from hub.civic.points.reward_models import Reward
from hub.db import Read
from hub.directory import Staff
from hub.errors import Refused
from hub.i18n import _, pick

PAGE_ENTRIES = 30
BY_REWARD, ISSUE = "reward@", "issue-"  # how a rule and an account of the house begin


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a statement."""

    posting: int
    txn: str
    at: datetime
    amount: int  # signed, as this account sees it
    balance: int  # after it
    reason: str
    item: str | None
    act_date: date | None
    reference: str
    approved_by: str  # a title, never a name
    other: str  # the kind of account at the other end
    reversed: bool
    about: str = ""  # the reward that was set aside or given back

    @property
    def cursor(self) -> str:
        return f"{self.at.isoformat()}~{self.posting}"


@dataclass(frozen=True, slots=True)
class Recount:
    """The ledger added up from zero. Sound when nothing differs and the whole sums to zero."""

    accounts: int
    postings: int
    total: int
    different: tuple[str, ...]  # accounts whose balance or lifetime earnings are not what their postings say
    bare: int  # transactions without a posting

    @property
    def sound(self) -> bool:
        return self.total == 0 and not self.different and not self.bare


def statement(read: Read, account: str, *, after: str = "", limit: int = PAGE_ENTRIES) -> list[Entry]:
    """The newest first. `after` is the cursor of the last entry seen."""
    rule = _before(after) if after else None
    mine = [or_(col(Posting.source) == account, col(Posting.destination) == account)]
    balance = _sum(read, account, *([rule] if rule is not None else []))
    other = case((col(Posting.source) == account, col(Posting.destination)), else_=col(Posting.source))
    query = (
        select(
            col(Posting.id), col(Txn.id), col(Txn.at), _signed(account), col(Txn.reason), col(Txn.item),
            col(Txn.act_date), col(Txn.reference), col(Txn.approver), col(Account.kind), col(Txn.rule),
        )
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .join(Account, col(Account.id) == other)
        .where(*mine, *([rule] if rule is not None else []))
        .order_by(col(Txn.at).desc(), col(Posting.id).desc())
        .limit(limit)
    )  # fmt: skip
    rows = read.session.execute(query).all()
    titles = _titles(read, {row[8] for row in rows if row[8]})
    undone = _reversed(read, [row[1] for row in rows])
    goods = rewards_of(read, [row[10] for row in rows])
    entries = []
    for posting, txn, at, amount, reason, item, act, reference, approver, far, by_rule in rows:
        title, about = titles.get(approver, "") if approver else "", goods.get(by_rule, "")
        entries.append(
            Entry(posting, txn, at, amount, balance, reason, item, act, reference, title, far, txn in undone, about)
        )
        balance -= amount
    return entries


def rewards_of(read: Read, by_rules: Sequence[str | None]) -> dict[str | None, str]:
    """What a movement by the rule of a reward was for, in the reader's language: `reward@<id>` -> its name."""
    idents = {each.removeprefix(BY_REWARD) for each in by_rules if each and each.startswith(BY_REWARD)}
    if not idents:
        return {}
    rows = read.session.execute(
        select(col(Reward.id), col(Reward.zh), col(Reward.en)).where(col(Reward.id).in_(idents))
    )
    return {f"{BY_REWARD}{ident}": pick(zh, en) for ident, zh, en in rows}


def balance_as_of(read: Read, account: str, at: datetime) -> int:
    """What the account held at a moment, added up from its postings."""
    return _sum(read, account, col(Txn.at) <= at)


def earned_since(read: Read, account: str, since: datetime) -> int:
    """What came from the community less what went back there, from a moment on; points given back were not earned."""
    ends = or_(col(Posting.source).startswith(ISSUE), col(Posting.destination).startswith(ISSUE))
    return _sum(read, account, col(Txn.at) >= since, ends)


def month_start(now: datetime, tz: str) -> datetime:
    local = now.astimezone(ZoneInfo(tz))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def recount(read: Read) -> Recount:
    """Add up every posting from zero and compare: what an auditor does, and a test after 20,000 operations."""
    sums: dict[str, int] = {}
    earned: dict[str, int] = {}
    kinds = {ident: kind for ident, kind in read.session.execute(select(col(Account.id), col(Account.kind)))}
    count = 0
    rows = read.session.execute(
        select(col(Posting.source), col(Posting.destination), func.sum(col(Posting.amount)), func.count()).group_by(
            col(Posting.source), col(Posting.destination)
        )
    )
    for source, destination, amount, postings in rows:
        amount, count = int(amount), count + postings
        sums[source] = sums.get(source, 0) - amount
        sums[destination] = sums.get(destination, 0) + amount
        if kinds.get(source) == "issue":
            earned[destination] = earned.get(destination, 0) + amount
        if kinds.get(destination) == "issue":
            earned[source] = earned.get(source, 0) - amount
    held = read.session.execute(select(col(Account.id), col(Account.balance), col(Account.earned))).all()
    different = [
        ident for ident, balance, ever in held if balance != sums.get(ident, 0) or ever != earned.get(ident, 0)
    ]
    bare = read.session.execute(
        select(func.count())
        .select_from(Txn)
        .outerjoin(Posting, col(Posting.txn) == col(Txn.id))
        .where(col(Posting.id).is_(None))
    ).scalar_one()
    total = sum(balance for _ident, balance, _ever in held)
    return Recount(len(held), count, total, tuple(sorted(different)), int(bare))


def _signed(account: str) -> Any:
    return case((col(Posting.destination) == account, col(Posting.amount)), else_=-col(Posting.amount))


def _sum(read: Read, account: str, *rules: Any) -> int:
    mine = or_(col(Posting.source) == account, col(Posting.destination) == account)
    query = select(func.coalesce(func.sum(_signed(account)), 0)).join(Txn, col(Txn.id) == col(Posting.txn))
    return int(read.session.execute(query.where(mine, *rules)).scalar_one())


def _before(cursor: str) -> Any:
    stamp, _tilde, posting = cursor.partition("~")
    try:
        at, number = datetime.fromisoformat(stamp), int(posting)
    except ValueError:
        raise Refused(_("This is not a place in the list")) from None
    if at.tzinfo is None:
        raise Refused(_("This is not a place in the list"))
    return or_(col(Txn.at) < at, and_(col(Txn.at) == at, col(Posting.id) < number))


def _titles(read: Read, staff: set[str]) -> dict[str, str]:
    rows = read.session.execute(
        select(col(Staff.id), col(Staff.title_zh), col(Staff.title_en)).where(col(Staff.id).in_(staff))
    )
    return {ident: pick(zh, en) for ident, zh, en in rows}


def _reversed(read: Read, txns: Sequence[str]) -> set[str | None]:
    return set(read.session.execute(select(col(Txn.reverses)).where(col(Txn.reverses).in_(txns))).scalars())

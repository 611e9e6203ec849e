"""The ledger's verbs: open, post, share, reverse. Double entry, append-only, each reference at most once for ever.

Accounts are locked in the order of their ids before anything is read that a decision hangs on; what the database
promises on its own stands in guards.py. Everything that moves points goes through `post_all`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, bindparam, insert, select
from sqlmodel import SQLModel, col

from hub import approval
from hub.access import Subject
from hub.civic.points import beneficiary, rules
from hub.civic.points.beneficiary import Owner, chunks
from hub.civic.points.models import Account, Posting, Txn
from hub.civic.points.why import Draft, Held, Receipt, Why
from hub.db import Read, Tx
from hub.directory import Resident, has_consent
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import PointsPosted
from hub.i18n import _
from hub.upsert import insert_for

HOUSE = ("issue", "redeem", "deduct", "pool", "hold", "suspense")  # the community's own accounts, one set a year
OVERDRAWS = ("reversal", "false_claim")  # what may take a balance below zero; the database asks the same
REFERENCE_CHARS_MAX = 160
SHARE_VERSION = "1"  # of the text a grown-up agreed to before drawing on the household account


# Built once: every movement asks these three, and building a statement costs more than running it.
_BALANCES = (
    select(
        col(Account.id), col(Account.area), col(Account.kind), col(Account.owner), col(Account.balance),
        col(Account.earned), col(Account.floor),
    )
    .where(col(Account.id).in_(bindparam("ids", expanding=True)))
    .order_by(col(Account.id))
)  # fmt: skip
_LOCKED = _BALANCES.with_for_update()
_RECEIPTS = (
    select(
        col(Txn.id), col(Txn.reference), col(Txn.at), col(Posting.source), col(Posting.destination), col(Posting.amount)
    )
    .join(Posting, col(Posting.txn) == col(Txn.id))
    .where(col(Txn.reference).in_(bindparam("references", expanding=True)))
)


class NotEnoughPoints(Conflict):
    slug = "not-enough-points"

    def __init__(self, has: int, needs: int) -> None:
        super().__init__(_("{needs} points needed, {has} available").format(needs=needs, has=max(0, has)))


@dataclass(frozen=True, slots=True)
class Opening:
    id: str
    area: str
    kind: str
    owner: str


def account_id(kind: str, owner: str) -> str:
    """Known before the account is opened, so that a sheet can name someone who never took part."""
    return f"{kind}-{owner}"


def house_account(tx: Tx, kind: str, area: str, tz: str) -> str:
    """A community's own account of this fiscal year (the calendar year, in its own zone)."""
    if kind not in HOUSE:
        raise Refused(_("There is no such account"))
    owner = f"{area}-{tx.now().astimezone(ZoneInfo(tz)).year}"
    _open(tx, [Opening(account_id(kind, owner), area, kind, owner)])
    return account_id(kind, owner)


def open_account(tx: Tx, owner: Owner) -> str:
    return open_accounts(tx, [owner])[owner.key]


def open_accounts(tx: Tx, owners: Iterable[Owner]) -> dict[tuple[str, str], str]:
    """Open what is not open yet. A child under 14 gets none in its own name."""
    wanted = {owner.key: Opening(account_id(*owner.key), owner.area, *owner.key) for owner in owners}
    for owner in owners:
        today = tx.now().astimezone(ZoneInfo(owner.tz)).date()
        if owner.born is not None and rules.is_minor(owner.born, today):
            raise Refused(_("A child under 14 has no account; name the household"))
    _open(tx, list(wanted.values()))
    return {key: opening.id for key, opening in wanted.items()}


def _open(tx: Tx, openings: Sequence[Opening]) -> None:
    known = set(held(tx, [opening.id for opening in openings]))
    rows = [
        {
            "id": each.id, "area": each.area, "kind": each.kind, "owner": each.owner, "balance": 0, "earned": 0,
            "floor": None if each.kind == "issue" else 0, "at_posting": 0, "opened": tx.now(),
        }
        for each in sorted(openings, key=lambda opening: opening.id) if each.id not in known
    ]  # fmt: skip
    if rows:
        _insert_new(tx, Account, rows)


def held(read: Read, ids: Collection[str]) -> dict[str, Held]:
    """Accounts as they stand. Columns, never cached objects: the database moves balances behind the session's back."""
    found: dict[str, Held] = {}
    for some in chunks(set(ids)):
        found |= {row[0]: Held(*row) for row in read.session.execute(_BALANCES, {"ids": some})}
    return found


def locked(tx: Tx, ids: Collection[str]) -> dict[str, Held]:
    """The same, and nobody else writes them until we commit. In the order of ids: two writers never wait in a ring."""
    found: dict[str, Held] = {}
    for some in chunks(set(ids)):
        found |= {row[0]: Held(*row) for row in tx.session.execute(_LOCKED, {"ids": some})}
    if len(found) < len(set(ids)):
        raise NotFound(_("There is no such account"))
    return found


def post(tx: Tx, source: str, destination: str, amount: int, reference: str, why: Why) -> Receipt:
    """Move points once. The same reference again gives the first receipt, for ever."""
    return post_all(tx, [Draft(source, destination, amount, reference, why)])[0]


def post_all(tx: Tx, drafts: Sequence[Draft]) -> list[Receipt]:
    """All or nothing, in the order given; a reference that was posted before is answered with its first receipt."""
    for draft in drafts:
        _sound(draft)
    balances = locked(tx, {end for draft in drafts for end in (draft.source, draft.destination)})
    known = receipts(tx, [draft.reference for draft in drafts])
    fresh: dict[str, Draft] = {}
    for draft in drafts:
        if draft.reference not in known:
            fresh.setdefault(draft.reference, draft)
    made = _write(tx, list(fresh.values()), balances) if fresh else {}
    answers = []
    for draft in drafts:
        receipt = made.pop(draft.reference, None)
        if receipt is not None:
            known[draft.reference] = replace(receipt, repeated=True)
        answers.append(receipt or known[draft.reference])
    return answers


def receipts(read: Read, references: Collection[str]) -> dict[str, Receipt]:
    """What was posted under these references."""
    found: dict[str, Receipt] = {}
    for some in chunks(set(references)):
        for row in read.session.execute(_RECEIPTS, {"references": some}):
            found[row[1]] = replace(Receipt(*row), repeated=True)
    return found


def _sound(draft: Draft) -> None:
    if draft.amount <= 0:
        raise Refused(_("Points move by a whole number above zero"))
    if draft.source == draft.destination:
        raise Refused(_("Points cannot move from an account to itself"))
    if not 0 < len(draft.reference) <= REFERENCE_CHARS_MAX:
        raise Refused(_("A reference has 1 to {most} characters").format(most=REFERENCE_CHARS_MAX))


def _write(tx: Tx, drafts: Sequence[Draft], balances: dict[str, Held]) -> dict[str, Receipt]:
    now, running = tx.now(), {ident: each.balance for ident, each in balances.items()}
    txns: list[dict[str, Any]] = []
    postings: list[dict[str, Any]] = []
    made: dict[str, Receipt] = {}
    moved: list[tuple[Held, int, int, str]] = []
    for draft in drafts:
        source, destination = balances[draft.source], balances[draft.destination]
        left = running[source.id] - draft.amount
        if source.floor is not None and draft.why.reason not in OVERDRAWS and left < 0:
            raise NotEnoughPoints(running[source.id], draft.amount)
        running[source.id], running[destination.id] = left, running[destination.id] + draft.amount
        txn = tx.new_id()
        txns.append(_txn_row(tx, txn, now, draft))
        postings.append({"txn": txn, "source": source.id, "destination": destination.id, "amount": draft.amount})
        made[draft.reference] = Receipt(txn, draft.reference, now, source.id, destination.id, draft.amount)
        moved += [
            (source, -draft.amount, running[source.id], draft.reference),
            (destination, draft.amount, running[destination.id], draft.reference),
        ]
    tx.session.execute(insert(_table(Txn)), txns)
    tx.session.execute(insert(_table(Posting)), postings)
    _tell(tx, [each for each in moved if each[0].kind in rules.PERSONAL])
    return made


def _txn_row(tx: Tx, ident: str, now: datetime, draft: Draft) -> dict[str, Any]:
    why = draft.why
    return {
        "id": ident, "at": now, "reason": why.reason, "reference": draft.reference, "item": why.item,
        "catalogue": why.catalogue, "act_date": why.act_date, "about": why.about, "proposer": why.proposer,
        "verifier": why.verifier, "approver": why.approver, "third": why.third, "evidence": why.evidence,
        "cause": why.cause or tx.actor.cause, "actor": tx.actor.id, "on_behalf_of": tx.actor.on_behalf_of,
        "reverses": why.reverses,
    }  # fmt: skip


def _tell(tx: Tx, moved: Sequence[tuple[Held, int, int, str]]) -> None:
    """An event per account; every screen that shows it is drawn anew: a household's points show with each member."""
    for account, amount, balance, reference in moved:
        tx.emit(
            PointsPosted, account=account.id, owner_kind=account.kind, owner=account.owner, amount=amount,
            balance=balance, reference=reference,
        )  # fmt: skip
        tx.touch("points.tv", account.area)
    people = {account.owner for account, *_rest in moved if account.kind == "person"}
    homes = {account.owner for account, *_rest in moved if account.kind == "household"}
    for some in chunks(homes):
        people |= set(tx.session.execute(select(col(Resident.id)).where(col(Resident.household).in_(some))).scalars())
    for person in people:
        tx.touch("points.home", person)
        tx.touch("points.statement", person)
    for home in homes:
        tx.touch("points.household", home)


def share(tx: Tx, by: Subject, source: str, destination: str, amount: int, reference: str) -> Receipt:
    """Move points between a person and their own household: free and at once (积分共享).

    Giving is one's own act. Drawing on the household needs a grown-up who agreed to share it: being head of the
    household is no right by itself.
    """
    ends = locked(tx, [source, destination])
    given = ends[source].kind == "person"
    person, home = (ends[source], ends[destination]) if given else (ends[destination], ends[source])
    who = beneficiary.one(tx, "person", person.owner) if person.kind == "person" else None
    if who is None or home.kind != "household" or who.household != home.owner or by.person != who.id:
        raise NotAllowed(_("Points are shared between your own account and your own household"))
    if not given and not has_consent(tx, who.id, "household_points", SHARE_VERSION):
        raise NotAllowed(_("Agree to share the household's points first"))
    return post(tx, source, destination, amount, reference, Why("share", proposer=who.id))


def reverse(tx: Tx, ident: str, why: str, signer: Subject) -> Receipt | None:
    """Mirror a transaction (积分冲正). Two people sign, neither for their own household; None until the second has.

    What was spent meanwhile makes the balance fall below zero, and spending waits until it is whole again.
    """
    done = receipts(tx, [f"reversal:{ident}"])
    if done:
        return next(iter(done.values()))
    original = tx.session.execute(
        select(col(Txn.reason), col(Txn.item), col(Txn.catalogue), col(Txn.act_date), col(Txn.about)).where(
            col(Txn.id) == ident
        )
    ).first()
    if original is None:
        raise NotFound(_("There is no such entry"))
    if original[0] == "reversal":
        raise Conflict(_("A reversal is not reversed; enter the points anew"))
    source, destination, amount = tx.session.execute(
        select(col(Posting.source), col(Posting.destination), col(Posting.amount)).where(col(Posting.txn) == ident)
    ).one()
    ends = held(tx, [source, destination])
    homes = {home for account in ends.values() if (home := _home(tx, account))}
    persons = {account.owner for account in ends.values() if account.kind == "person"}
    standing = approval.signatures(tx, f"reversal:{ident}")
    signed = approval.sign(
        tx, f"reversal:{ident}", "approve" if standing else "verify", {"txn": ident, "why": why.strip()}, signer,
        beneficiary_households=homes, beneficiary_persons=persons,
    )  # fmt: skip
    if len(signed) < 2:
        return None
    reason = replace(
        Why("reversal", *original[1:]), verifier=signed[0].staff, approver=signed[1].staff,
        evidence=why.strip()[:160], reverses=ident,
    )  # fmt: skip
    return post(tx, destination, source, amount, f"reversal:{ident}", reason)


def _home(read: Read, account: Held) -> str | None:
    return beneficiary.one(read, account.kind, account.owner).household if account.kind in rules.PERSONAL else None


def _insert_new(tx: Tx, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    """On PostgreSQL another writer may have opened it a moment ago. On SQLite there is no other writer, and the guard
    that stops INSERT OR REPLACE would stop ON CONFLICT too."""
    if tx.session.get_bind().dialect.name == "postgresql":
        tx.session.execute(insert_for(tx)(_table(table)).on_conflict_do_nothing(), rows)
    else:
        tx.session.execute(insert(_table(table)), rows)


def _table(model: type[SQLModel]) -> Table:
    """The bare table: an insert through the mapper drops a NULL where the column has a default; issue has no floor."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]

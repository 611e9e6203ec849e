"""Deductions (D07 to D10): reminders first, an announcement and fifteen days next, and never a balance below zero.

Only a proven false claim (D10) may do that: it takes back the award and twenty points. Whoever a household complained
about within thirty days judges nothing of that household, and a supervisor looks first.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub import approval, directory
from hub.access import Subject
from hub.civic.points import beneficiary, claim_rules, docket, ledger, rules, tidings
from hub.civic.points.catalogue import Item
from hub.civic.points.claim_models import Claim, Objection, Reminder
from hub.civic.points.models import Posting, Txn
from hub.civic.points.why import Why
from hub.db import Read, Tx
from hub.directory import Resident
from hub.errors import Conflict, Refused
from hub.i18n import _

if TYPE_CHECKING:
    from hub.civic.points.claims import Draft


def remind(tx: Tx, by: Subject, kind: str, owner: str, item: Item) -> Reminder:
    """劝导: a letter to the door and a line on the phone. One a day; what was reminded of twice may cost points."""
    whose = beneficiary.one(tx, kind, owner)
    place = directory.area(tx, whose.area)
    by.require("points.declare", place.path)
    if item.code not in claim_rules.REMINDED:
        raise Refused(_("{item} is not a matter of reminders").format(item=item.name))
    today = tx.now().astimezone(ZoneInfo(place.tz)).date()
    account = ledger.account_id(kind, owner)
    known = select(Reminder).where(
        col(Reminder.account) == account, col(Reminder.item) == item.code, col(Reminder.day) == today
    )
    found: Reminder | None = tx.session.execute(known).scalar()
    if found is not None:
        return found
    made = Reminder(id=tx.new_id(), area=place.code, account=account, item=item.code, day=today, by=by.id, at=tx.now())
    tx.session.add(made)
    tx.session.flush()
    _tell(tx, kind, owner, item)
    tx.touch("points.desk", place.code)
    return made


def reminders(read: Read, account: str, item: str, before: date) -> list[Reminder]:
    query = select(Reminder).where(
        col(Reminder.account) == account, col(Reminder.item) == item, col(Reminder.day) < before,
        col(Reminder.day) >= before - timedelta(days=claim_rules.REMINDER_DAYS),
    )  # fmt: skip
    return list(read.session.execute(query.order_by(col(Reminder.day))).scalars())


def allowed(tx: Tx, item: Item, kind: str, owner: str, draft: Draft) -> None:
    """Whether a deduction may be proposed at all."""
    if item.code in claim_rules.REMINDED:
        given = reminders(tx, ledger.account_id(kind, owner), item.code, draft.day)
        if len(given) < claim_rules.REMINDERS:
            raise Conflict(_("Two written reminders come first; {n} have been given").format(n=len(given)))
    elif item.code == claim_rules.FALSE_CLAIM:
        false_award(tx, ledger.account_id(kind, owner), draft.about)
    elif not draft.number.strip():
        raise Refused(_("Give the number of the official finding or of the admission"))


def false_award(read: Read, account: str, txn: str) -> tuple[str, int]:
    """The award that was claimed falsely: the account it came from, and how much."""
    row = read.session.execute(
        select(col(Posting.source), col(Posting.amount))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(col(Txn.id) == txn.strip(), col(Txn.reason) == "award", col(Posting.destination) == account)
    ).first()
    if row is None:
        raise Refused(_("Name the entry that was credited for the false claim"))
    return row[0], int(row[1])


def settle(tx: Tx, claim: Claim) -> None:
    """Fifteen days have passed without an appeal, or the appeal was rejected."""
    account = ledger.open_account(tx, beneficiary.one(tx, claim.owner_kind, claim.owner))
    tz = directory.area(tx, claim.area).tz
    sink = ledger.house_account(tx, "deduct", claim.area, tz)
    item = docket.item_of(claim)
    staff = [*[each.staff for each in approval.signatures(tx, docket.subject_of(claim))], None, None, None]
    why = Why(
        "deduct", item.code, None, claim.act_date, None, claim.declared_by, staff[0], staff[1], staff[2],
        f"claim:{claim.id}",
    )  # fmt: skip
    if claim.item == claim_rules.FALSE_CLAIM:
        claim.txn = _take_back(tx, claim, account, sink, item, why)
    else:
        amount = _due(tx, claim, item, account)
        if amount:
            claim.txn = ledger.post(tx, account, sink, amount, f"claim:{claim.id}", why).txn
        claim.points = -amount
    claim.state, claim.settled_at, claim.due = "settled", tx.now(), None


def _take_back(tx: Tx, claim: Claim, account: str, sink: str, item: Item, why: Why) -> str:
    """Mirror the award, then the false claim's own twenty: the one deduction that may go below zero."""
    source, amount = false_award(tx, account, claim.about)
    if not ledger.receipts(tx, [f"reversal:{claim.about}"]):
        undone = Why(
            "reversal", None, None, claim.act_date, None, why.proposer, why.verifier, why.approver, why.third,
            why.evidence, reverses=claim.about,
        )  # fmt: skip
        ledger.post(tx, account, source, amount, f"reversal:{claim.about}", undone)
    reason = Why(
        "false_claim", item.code, None, claim.act_date, None, why.proposer, why.verifier, why.approver, why.third,
        why.evidence,
    )  # fmt: skip
    return ledger.post(tx, account, sink, -item.points, f"claim:{claim.id}", reason).txn


def _due(tx: Tx, claim: Claim, item: Item, account: str) -> int:
    """Less what was worked off by B and C hours since it was declared; within the month's cap; not below zero."""
    held = ledger.locked(tx, [account])[account]
    worked = tx.session.execute(
        select(func.coalesce(func.sum(col(Posting.amount)), 0))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(col(Posting.destination) == account, col(Txn.reason) == "award", col(Txn.at) >= claim.declared_at)
        .where(col(Txn.item).like("B%") | col(Txn.item).like("C%"))
    ).scalar_one()
    left = None
    for cap in item.caps:
        span = rules.span(cap, claim.act_date)
        if cap.counts == "points" and span is not None:
            had = tx.session.execute(
                select(func.coalesce(func.sum(col(Posting.amount)), 0))
                .join(Txn, col(Txn.id) == col(Posting.txn))
                .where(col(Posting.source) == account, col(Txn.reason) == "deduct", col(Txn.item) == item.code)
                .where(col(Txn.act_date).between(span.first, span.last))
            ).scalar_one()
            left = max(0, abs(cap.limit) - int(had))
    return claim_rules.deducted(item.points, balance=held.balance, left_in_month=left, worked_off=int(worked))


def complained_about(read: Read, staff: str, home: str) -> bool:
    """Whether this household objected, within thirty days, to something this member of staff did."""
    if not home:
        return False
    since = read.now() - timedelta(days=claim_rules.COMPLAINT_DAYS)
    rows = read.session.execute(
        select(Objection)
        .join(Resident, col(Resident.id) == col(Objection.by))
        .where(col(Resident.household) == home, col(Objection.at) >= since)
    ).scalars()
    return any(staff in acted(read, each) for each in rows)


def acted(read: Read, objection: Objection) -> set[str]:
    """The staff who declared or signed what is objected to."""
    if objection.claim:
        claim = docket.find(read, objection.claim)
        signed = {each.staff for each in approval.signatures(read, docket.subject_of(claim))}
        return signed | {claim.declared_by}
    row = read.session.execute(
        select(col(Txn.proposer), col(Txn.verifier), col(Txn.approver), col(Txn.third)).where(
            col(Txn.id) == objection.txn
        )
    ).first()
    return {each for each in row or () if each}


def _tell(tx: Tx, kind: str, owner: str, item: Item) -> None:
    tidings.tell(
        tx, tidings.hearers(tx, kind, owner, tx.now().date()), lambda: _("A friendly reminder from the community"),
        lambda: _("{item}. Please put it right.").format(item=item.name),
    )  # fmt: skip

"""公示 and 入账: what follows the last signature. From fifty points on the neighbours have three days to object.

A deduction is announced instead and waits fifteen days for an appeal. Whatever was objected to waits for an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import col

from hub import approval, directory
from hub.access import Subject
from hub.civic.points import award, claim_rules, deductions, docket, keepers, ledger, tidings
from hub.civic.points.award import Award, Signed
from hub.civic.points.catalogue import Item
from hub.civic.points.claim_models import Claim, Objection
from hub.civic.points.events import ObjectionMoved
from hub.civic.points.models import Posting, Txn
from hub.db import Read, Tx
from hub.directory import Building, Household, Organisation, Resident, masked
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import PointsPosted
from hub.i18n import _, pick

OBJECTION_WORDS_MAX = 500
DUE_AT_ONCE = 200  # of one pass; the next minute takes the rest


@dataclass(frozen=True, slots=True)
class Published:
    """What a neighbour reads: never a full name, never a door."""

    id: str
    name: str
    place: str
    what: str
    day: datetime
    points: int
    until: datetime
    objected: bool


def complete(tx: Tx, claim: Claim, item: Item) -> None:
    """The last signature is there."""
    if item.points < 0:
        claim.state, claim.due = "announced", tx.now() + claim_rules.APPEAL
        docket.tell(
            tx, claim, lambda: _("A deduction is announced; you may appeal"),
            lambda: _("{item}. Nothing is deducted for {days} days; appeal under My points or at the desk.").format(
                item=item.name, days=claim_rules.APPEAL.days
            ),
        )  # fmt: skip
    elif claim_rules.is_published(claim.points):
        claim.state, claim.due = "public", tx.now() + claim_rules.PUBLICITY
    else:
        credit(tx, claim)


def credit(tx: Tx, claim: Claim) -> None:
    """入账, once. By the catalogue of the day of the act, under its caps."""
    signed = approval.signatures(tx, docket.subject_of(claim))
    hours = Decimal(claim.minutes) / 60 if claim.minutes else None
    mark = f"claim:{claim.id}"
    act = Award(
        claim.owner_kind, claim.owner, claim.item, hours, claim.act_date, mark, claim.of_minor, claim.about or None,
        mark, claim.declared_at,
    )  # fmt: skip
    done = award.credit(tx, [act], _signed([each.staff for each in signed], claim))
    receipt = done[0].receipt
    claim.state, claim.settled_at, claim.due = "posted", tx.now(), None
    claim.txn, claim.points = (receipt.txn, receipt.amount) if receipt else (None, 0)
    if receipt is None:
        claim.why = _("The cap of this item is used up")
    elif not receipt.repeated:
        docket.tell(
            tx, claim, lambda: _("Points received +{points}").format(points=claim.points),
            lambda: _("{item}. See My points for all entries.").format(item=docket.item_name(claim)),
        )  # fmt: skip


def _signed(staff: list[str], claim: Claim) -> Signed:
    """One signature approves; of two the first verifies."""
    if len(staff) == 1:
        return Signed(claim.declared_by, None, staff[0])
    return Signed(claim.declared_by, *staff[:3])


def settle_due(tx: Tx) -> int:
    """What nobody objected to in time. A claim that cannot be credited any more says why instead of stopping others."""
    query = select(col(Claim.id)).where(col(Claim.state).in_(claim_rules.WAITING), col(Claim.due) <= tx.now())
    done = list(tx.session.execute(query.order_by(col(Claim.due)).limit(DUE_AT_ONCE)).scalars())
    for ident in done:
        claim = docket.locked(tx, ident)
        if claim.state not in claim_rules.WAITING or _open(tx, claim):
            continue
        if claim.points < 0:
            deductions.settle(tx, claim)
        else:
            credit(tx, claim)
        tx.session.add(claim)
        tx.session.flush()
        docket.moved(tx, claim)
    return len(done)


def published(read: Read, area: str) -> list[Published]:
    """The list everyone may read, the nearest end first. A deduction never stands in it."""
    rows = list(
        read.session.execute(
            select(Claim)
            .where(col(Claim.area) == area, col(Claim.state).in_(("public", "objected")), col(Claim.points) > 0)
            .order_by(col(Claim.due), col(Claim.id))
            .limit(DUE_AT_ONCE)
        ).scalars()
    )
    named = names(read, rows)
    return [
        Published(
            each.id,
            *named[each.id],
            docket.item_name(each),
            each.declared_at,
            each.points,
            each.due or each.declared_at,
            each.state == "objected",
        )
        for each in rows
    ]


def names(read: Read, claims: list[Claim]) -> dict[str, tuple[str, str]]:
    """Masked name and building of each claim's owner, many at a time."""
    known = named(read, [(each.owner_kind, each.owner) for each in claims])
    return {each.id: known.get(f"{each.owner_kind}-{each.owner}", ("", "")) for each in claims}


def named(read: Read, owners: Sequence[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Account -> masked name and building; never a door, never a full name."""
    people = read.session.execute(
        select(col(Resident.id), col(Resident.name), col(Building.zh), col(Building.en))
        .join(Household, col(Household.id) == col(Resident.household))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Resident.id).in_([owner for kind, owner in owners if kind == "person"]))
    )
    homes = read.session.execute(
        select(col(Household.id), col(Building.zh), col(Building.en))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Household.id).in_([owner for kind, owner in owners if kind == "household"]))
    )
    teams = read.session.execute(
        select(col(Organisation.id), col(Organisation.zh), col(Organisation.en)).where(
            col(Organisation.id).in_([owner for kind, owner in owners if kind == "organisation"])
        )
    )
    return {
        **{f"person-{ident}": (masked(name), pick(zh, en)) for ident, name, zh, en in people},
        **{f"household-{ident}": (_("A household"), pick(zh, en)) for ident, zh, en in homes},
        **{f"organisation-{ident}": (pick(zh, en), "") for ident, zh, en in teams},
    }


def on_posted(tx: Tx, event: PointsPosted) -> None:
    """A reversal of what a claim brought: the claim says so."""
    for each in event.posted:
        if each.reference.startswith("reversal:"):
            _reversed(tx, each.reference.removeprefix("reversal:"))


def _reversed(tx: Tx, txn: str) -> None:
    ident = tx.session.execute(select(col(Claim.id)).where(col(Claim.txn) == txn)).scalar()
    claim = docket.locked(tx, ident) if ident else None
    if claim is not None and claim.state == "posted":
        claim.state = "reversed"
        tx.session.add(claim)
        tx.session.flush()
        docket.moved(tx, claim)


def object_to_claim(tx: Tx, by: Subject, ident: str, words: str) -> Objection:
    """Anyone of the community against what is published; its own people against a deduction, and for a week after."""
    claim = docket.locked(tx, ident)
    ours = f"{claim.owner_kind}-{claim.owner}" in keepers.accounts(tx, by)
    ours = ours or (bool(claim.home) and by.household == claim.home)
    if by.kind != "resident" or (by.area != claim.area and not ours):
        raise NotAllowed(_("Residents of this community may object"))
    if claim.state == "announced" and not ours:
        raise NotFound(_("There is no such claim"))
    agent = ours and claim.by_staff and claim.state not in ("refused", "withdrawn", "reversed", "settled")
    if claim.state == "posted" and claim.settled_at and tx.now() - claim.settled_at > _days(claim_rules.AGENT_DAYS):
        raise Conflict(_("The time to object has passed: {days} days").format(days=claim_rules.AGENT_DAYS))
    if claim.state not in (*claim_rules.WAITING, "objected") and not agent:
        raise Conflict(_("Nothing can be objected to here now"))
    made = _objection(tx, by, claim.area, words, claim=claim.id)
    if claim.state != "posted":
        claim.state = "objected"
        tx.session.add(claim)
        tx.session.flush()
    docket.moved(tx, claim)
    return made


def object_to_entry(tx: Tx, by: Subject, txn: str, words: str) -> Objection:
    """我要申诉 against an entry of one's own, of one's household, or of an organisation one acts for."""
    row = tx.session.execute(
        select(col(Txn.at), col(Txn.on_behalf_of), col(Posting.source), col(Posting.destination))
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .where(col(Txn.id) == txn)
    ).first()
    if row is None or by.kind != "resident" or not keepers.accounts(tx, by) & {row[2], row[3]}:
        raise NotFound(_("There is no such entry"))
    days = claim_rules.AGENT_DAYS if row[1] else claim_rules.OBJECT_DAYS
    if tx.now() - row[0] > _days(days):
        raise Conflict(_("The time to object has passed: {days} days").format(days=days))
    return _objection(tx, by, by.area or directory.resident(tx, by.id).area, words, txn=txn)


def answer(tx: Tx, by: Subject, ident: str, words: str, *, upheld: bool) -> Objection:
    """By somebody who had no part in what is objected to. Upheld: the claim falls, or the entry's reversal begins."""
    found = tx.session.get(Objection, ident, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(_("There is no such objection"))
    path = directory.area(tx, found.area).path
    if not (by.may("points.third", path) or by.may("points.answer", path)):
        raise NotAllowed(_("Your role does not cover this here"))
    if found.state != "open":
        raise Conflict(_("This objection is answered already"))
    text = words.strip()
    if not text:
        raise Refused(_("Give the reason; whoever objected reads it"))
    if by.id in deductions.acted(tx, found) or by.person == found.by:
        raise NotAllowed(_("Somebody who had no part in it must answer"))
    found.state, found.answer = "upheld" if upheld else "rejected", text[:OBJECTION_WORDS_MAX]
    found.answered_by, found.answered_at = by.id, tx.now()
    tx.session.add(found)
    tx.session.flush()
    if found.claim:
        _answered(tx, by, found.claim, upheld, text)
    elif upheld and found.txn:
        ledger.reverse(tx, found.txn, text, by)  # the first of its two signatures
    tidings.tell(
        tx, [found.by], lambda: _("Your objection was answered"), lambda: _("Answer: {words}").format(words=text)
    )  # fmt: skip
    tx.emit(ObjectionMoved, objection=found.id, area=found.area, state=found.state)
    tx.touch("points.desk", found.area)
    return found


def _answered(tx: Tx, by: Subject, ident: str, upheld: bool, text: str) -> None:
    claim = docket.locked(tx, ident)
    if claim.state == "posted" and upheld and claim.txn:
        ledger.reverse(tx, claim.txn, text, by)
    elif claim.state == "objected" and upheld:
        claim.state, claim.why, claim.settled_at, claim.due, claim.act = "refused", text, tx.now(), None, None
        docket.tell_end(tx, claim)
    elif claim.state == "objected" and not _open(tx, claim):
        if claim.due is None:  # its owner objected before the last signature: it goes on where it stood
            done = len(approval.signatures(tx, docket.subject_of(claim)))
            claim.state = claim_rules.after_signature(done, len(docket.needed(claim))) if done else "claimed"
        else:
            claim.state = "announced" if claim.points < 0 else "public"
    tx.session.add(claim)
    tx.session.flush()
    docket.moved(tx, claim)


def _objection(
    tx: Tx, by: Subject, area: str, words: str, *, claim: str | None = None, txn: str | None = None
) -> Objection:
    text = words.strip()
    if not text:
        raise Refused(_("Say in a few words what is wrong"))
    again = select(col(Objection.id)).where(col(Objection.by) == by.id, col(Objection.state) == "open")
    if tx.session.execute(
        again.where((col(Objection.claim) == claim) if claim else (col(Objection.txn) == txn))
    ).first():
        raise Conflict(_("You have objected already; the answer is on its way"))
    made = Objection(
        id=tx.new_id(), area=area, claim=claim, txn=txn, by=by.id, words=text[:OBJECTION_WORDS_MAX], at=tx.now()
    )
    tx.session.add(made)
    tx.session.flush()
    tx.emit(ObjectionMoved, objection=made.id, area=area, state="open")
    tx.touch("points.desk", area)
    tx.touch("points.work", area)
    tx.touch("points.claims", by.id)
    return made


def _open(read: Read, claim: Claim) -> bool:
    query = select(col(Objection.id)).where(col(Objection.claim) == claim.id, col(Objection.state) == "open")
    return read.session.execute(query).first() is not None


def _days(days: int) -> timedelta:
    return timedelta(days=days)

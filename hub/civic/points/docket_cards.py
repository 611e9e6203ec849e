"""What screens show of claims: one's own with their steps, the public notice, the desk's queue, and one claim whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from hub import approval, directory
from hub.access import Subject
from hub.approval import Signature
from hub.civic.points import book, cards, claim_rules, docket, keepers, photos, publicity
from hub.civic.points.catalogue import Item
from hub.civic.points.claim_models import Claim, Objection
from hub.civic.points.models import Posting, Txn
from hub.civic.points.reward_models import Redemption
from hub.db import Read
from hub.directory import Area, Staff, masked
from hub.i18n import _, pick
from hub.module import Card, Topic

ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Row:
    """A claim in a list."""

    id: str
    what: str
    code: str
    name: str
    place: str
    day: date
    points: int
    state: str
    word: str
    tag: str
    declared_at: datetime
    due: datetime | None
    held: bool
    next: str  # whose signature it waits for, in words
    why: str
    batch: bool


@dataclass(frozen=True, slots=True)
class Step:
    word: str
    done: bool
    at: datetime | None = None
    who: str = ""


def row(claim: Claim, named: tuple[str, str] = ("", ""), signed: int = 0) -> Row:
    letters = docket.needed(claim)
    waits = claim.state in claim_rules.SIGNABLE and signed < len(letters)
    return Row(
        claim.id, docket.item_name(claim), claim.item, *named, claim.act_date, claim.points, claim.state,
        _(claim_rules.STATES[claim.state]), claim_rules.TAGS[claim.state], claim.declared_at, claim.due,
        bool(claim.held),
        _(claim_rules.LETTERS[letters[signed]]) if waits else "", claim.why or "", claim.batch is not None,
    )  # fmt: skip


def mine(read: Read, person: str) -> Mapping[str, Any]:
    home = directory.resident(read, person).household
    tz = _zone(read, directory.resident(read, person).area)
    return {"rows": [row(each) for each in docket.mine(read, person, home)], "tz": tz}


def public(read: Read, area: str) -> Mapping[str, Any]:
    return {"items": publicity.published(read, area), "tz": _zone(read, area), "area": area}


def queue(read: Read, area: str) -> Mapping[str, Any]:
    """Everything the desk has to decide about."""
    found = docket.waiting(read, area)
    named, signed = publicity.names(read, found), docket.signers(read, found)
    rows = [row(each, named[each.id], signed.get(each.id, 0)) for each in found]
    return {
        "rows": rows,
        "objections": _objections(read, area),
        "reversals": reversals(read, area),
        "tz": _zone(read, area),
    }


def work(read: Read, area: str) -> Mapping[str, Any]:
    """On the desk's first page: how much waits."""
    query = select(func.count()).where(col(Claim.area) == area, col(Claim.state).in_(claim_rules.SIGNABLE))
    claims = read.session.execute(query).scalar_one()
    return {"claims": int(claims), "objections": len(docket.objections(read, area))}


def whole(read: Read, claim: Claim) -> dict[str, Any]:
    """One claim: its words, photos, signatures, objections."""
    item, letters = docket.item_of(claim), docket.needed(claim)
    signed = approval.signatures(read, docket.subject_of(claim))
    named = publicity.names(read, [claim])[claim.id]
    return {
        "claim": claim, "row": row(claim, named, len(signed)), "evidence": pick(item.evidence_zh, item.evidence_en),
        "steps": _steps(read, claim, item, letters, signed), "photos": photos.shown(read, claim.id),
        "tz": _zone(read, claim.area), "said": _said(read, claim),
        "by": title(read, claim.declared_by) if claim.by_staff else "",
        "next": claim_rules.SIGNS[letters[len(signed)]] if len(signed) < len(letters) else "",
    }  # fmt: skip


def title(read: Read, staff: str | None) -> str:
    found = read.session.get(Staff, staff) if staff else None
    if found is None:
        return ""
    return pick(found.title_zh, found.title_en) or masked(found.name)


def reversals(read: Read, area: str) -> list[tuple[str, datetime, int, str]]:
    """Reversals that lack their second signature: the entry, when the first was given, how many points, and why: the
    answer to an objection or a dispute, word for word as it was signed.
    """
    rows = read.session.execute(
        select(col(Signature.subject), func.max(col(Signature.at)), func.count())
        .where(col(Signature.subject).startswith("reversal:"))
        .group_by(col(Signature.subject))
        .having(func.count() == 1)
    ).all()
    found = []
    for subject, at, _n in rows:
        txn = subject.removeprefix("reversal:")
        amount = read.session.execute(
            select(col(Posting.amount)).join(Txn, col(Txn.id) == col(Posting.txn)).where(col(Txn.id) == txn)
            .where(col(Txn.area) == area)
        ).scalar()  # fmt: skip
        if amount is not None:
            found.append((txn, at, int(amount), _why_reversed(read, txn)))
    return found


def _why_reversed(read: Read, txn: str) -> str:
    answered = (
        select(col(Objection.answer))
        .outerjoin(Claim, col(Claim.id) == col(Objection.claim))
        .where((col(Objection.txn) == txn) | (col(Claim.txn) == txn), col(Objection.state) == "upheld")
        .order_by(col(Objection.answered_at).desc())
        .limit(1)
    )
    words = read.session.execute(answered).scalar()
    if words:
        return str(words)
    hold = aliased(Txn)
    rows = select(col(hold.reference)).join(Txn, col(Txn.settles) == col(hold.id)).where(col(Txn.id) == txn)
    reference = read.session.execute(rows).scalar() or ""
    found = read.session.get(Redemption, reference.removeprefix("redeem:"))
    return found.answer if found is not None else ""


def entry(read: Read, who: Subject, txn: str) -> dict[str, Any] | None:
    """Why an entry stands there: the rule, the act, who proposed, verified and approved it, and what proves it."""
    row = read.session.get(Txn, txn)
    ends = read.session.execute(
        select(col(Posting.source), col(Posting.destination), col(Posting.amount), col(Posting.id)).where(
            col(Posting.txn) == txn
        )
    ).first()
    mine = keepers.accounts(read, who)
    if row is None or ends is None or not mine & {ends[0], ends[1]}:
        return None
    claim = row.evidence.removeprefix("claim:") if row.evidence and row.evidence.startswith("claim:") else ""
    days = claim_rules.AGENT_DAYS if row.on_behalf_of else claim_rules.OBJECT_DAYS
    undone = select(col(Txn.id)).where(col(Txn.reverses) == txn)
    known = select(Objection).where(col(Objection.txn) == txn).order_by(col(Objection.at).desc()).limit(1)
    return {
        "txn": row, "about": book.rewards_of(read, [row.rule]).get(row.rule, ""),
        "reason": _(cards.REASONS.get(row.reason, "Award")),
        "points": ends[2] if ends[1] in mine else -ends[2], "number": f"{ends[3]:06}", "claim": claim,
        "signers": [
            each for each in (title(read, row.verifier), title(read, row.approver), title(read, row.third)) if each
        ],
        "proposer": title(read, row.proposer),
        "reversed": read.session.execute(undone).first() is not None, "days": days,
        "open": (read.now() - row.at).days < days, "agent": bool(row.on_behalf_of),
        "objection": read.session.execute(known).scalar(),
    }  # fmt: skip


def _steps(read: Read, claim: Claim, item: Item, letters: tuple[str, ...], signed: list[Signature]) -> list[Step]:
    steps = [Step(_("Declared"), True, claim.declared_at)]
    for place, letter in enumerate(letters):
        given = signed[place] if place < len(signed) else None
        who = title(read, given.staff) if given else ""
        steps.append(Step(_(claim_rules.LETTERS[letter]), given is not None, given.at if given else None, who))
    passed = claim.state in ("posted", "reversed", "settled")
    if item.points < 0:
        steps.append(Step(_("Announced, time to appeal"), passed, None))
        steps.append(Step(_("Deduction settled"), passed, claim.settled_at if passed else None))
        return steps
    if claim_rules.is_published(claim.points):
        steps.append(Step(_("On public notice"), passed, None))
    steps.append(Step(_("Credited to the account"), passed, claim.settled_at if passed else None))
    return steps


def _said(read: Read, claim: Claim) -> list[Objection]:
    query = select(Objection).where(col(Objection.claim) == claim.id).order_by(col(Objection.at))
    return list(read.session.execute(query).scalars())


def _objections(read: Read, area: str) -> list[Objection]:
    return docket.objections(read, area)


def _zone(read: Read, area: str) -> str:
    place = read.session.get(Area, area)
    return place.tz if place is not None else ZONE


def _own(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.person == key


def _area(_subject: Subject, key: str) -> bool:
    return len(key) == 12 and key.isascii() and key.isdigit()


def _desk(subject: Subject, key: str) -> bool:
    return _area(subject, key) and any(_covers(path, key) for path in subject.paths("points.read"))


def _covers(path: str, area: str) -> bool:
    """Whether a grant covers this community, by its code alone: who may watch is asked without a store."""
    code = path.rsplit("/", 1)[-1]
    if not code:
        return True
    known = next(length for length in (2, 4, 6, 9, 12) if not code[length:].strip("0"))
    return area.startswith(code[:known])


TOPICS = (
    Topic("points.claims", "points/claims_list.html", mine, _own),
    Topic("points.public", "points/public_list.html", public, _area),
    Topic("points.desk", "points/desk_queue.html", queue, _desk),
    Topic("points.work", "points/desk_work.html", work, _desk),
)
CARDS = (Card("desk", "points.work", "area", order=31),)

"""Claims (积分申报): declared, verified, approved, perhaps published, credited; or sent back, withdrawn, refused.

Every step locks the claim first. What was signed is fixed by its hash (hub/approval.py); a claim that is sent back or
amended loses its signatures. What follows the last signature stands in publicity.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import approval, directory
from hub.access import Subject
from hub.civic.points import (
    beneficiary,
    catalogue,
    claim_rules,
    deductions,
    docket,
    duty,
    keepers,
    photos,
    publicity,
    rules,
)
from hub.civic.points.catalogue import Item
from hub.civic.points.claim_models import Claim
from hub.civic.points.photos import Picture
from hub.db import Read, Tx
from hub.directory import Household
from hub.errors import Conflict, NotAllowed, NotFound, NotSigned, Refused, StillMissing
from hub.i18n import _

WORDS_MAX = 500
NUMBER_MAX = 64
OPEN_MAX = 30  # claims of one home under way at once; more is a machine, or a misunderstanding


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody declares."""

    owner_kind: str
    owner: str
    item: str
    day: date
    words: str
    hours: Decimal | None = None
    place: str = ""
    number: str = ""
    about: str = ""
    batch: str | None = None
    began: int | None = None  # the minute of the day


def declare(tx: Tx, by: Subject, draft: Draft, pictures: Sequence[Picture] = ()) -> Claim:
    """申报: by oneself, for one's household, or by staff in somebody's name, who is then told of it."""
    key = (draft.owner_kind, draft.owner)
    owners = beneficiary.find(tx, [key])
    place = directory.area(tx, owners[key].area)
    (kind, owner), child = beneficiary.for_act(owners, key, draft.day)
    own = _own(tx, by, kind, owner)
    if not own:
        by.require("points.declare", place.path)
    home = owners[key].household or ""
    item = _item(draft, place.tz, tx, kind, child)
    if item.points < 0 and own:
        raise NotAllowed(_("Only the community proposes a deduction"))
    worth = item.points if item.points < 0 else rules.value(item, draft.hours)
    _alone(tx, home, draft.item, draft.day, kind)
    forced = item.points < 0 and deductions.complained_about(tx, by.id, home)
    staff = duty.concerned(tx, by, kind, owner) if item.points > 0 and not child else []
    minutes = int((draft.hours or 0) * 60)
    for each in staff:
        forced |= each.did and duty.judge(tx, each.id, item, draft.day, draft.began, minutes)
    if item.points < 0:
        deductions.allowed(tx, item, kind, owner, draft)
    # A person's acts are told apart from those of the others at home; an act of the home is everybody's.
    proof = draft.number.strip().upper() or (photos.digest(pictures[0]) if pictures else "")
    claim = Claim(
        id=tx.new_id(), area=place.code, owner_kind=kind, owner=owner, home=home, item=item.code, act_date=draft.day,
        minutes=minutes, points=worth, about=draft.about.strip()[:64],
        number=draft.number.strip()[:NUMBER_MAX], words=draft.words.strip(), place=draft.place.strip()[:80],
        of_minor=child, act=claim_rules.act_key(item.code, owner, draft.day, proof), batch=draft.batch,
        state="claimed", forced=forced, began=draft.began, peer=bool(staff),
        declared_by=by.person or by.id if own else by.id, by_staff=not own,
        declared_at=tx.now(),
    )  # fmt: skip
    _unique(tx, claim)
    tx.session.add(claim)
    tx.session.flush()
    claim.held = photos.attach(tx, claim, pictures)
    tx.session.add(claim)
    tx.session.flush()
    docket.moved(tx, claim)
    if not own and item.points > 0:
        docket.tell(
            tx, claim, lambda: _("Points were declared in your name"),
            lambda: _("{item}, on {day}. See My points; if it is not right, object there or at the desk.").format(
                item=docket.item_name(claim), day=claim.act_date.isoformat()
            ),
        )  # fmt: skip
    return claim


def verify(tx: Tx, by: Subject, ident: str) -> Claim:
    """核实: the first signature."""
    claim = docket.locked(tx, ident)
    if claim.state in ("verified", "approved", *claim_rules.WAITING, *claim_rules.ENDED):
        return _repeated(tx, by, claim)
    return _sign(tx, by, claim, 0)


def approve(tx: Tx, by: Subject, ident: str) -> Claim:
    """审批: each further signature. After the last one it is credited, published, or announced."""
    claim = docket.locked(tx, ident)
    done = len(approval.signatures(tx, docket.subject_of(claim)))
    if claim.state in (*claim_rules.WAITING, *claim_rules.ENDED):
        return _repeated(tx, by, claim)
    if done == 0 and len(docket.needed(claim)) > 1:
        raise StillMissing(_("It must be verified first"))
    return _sign(tx, by, claim, done)


def send_back(tx: Tx, by: Subject, ident: str, why: str) -> Claim:
    """退回补充: with a reason; every signature is void."""
    claim = docket.locked(tx, ident)
    _may_judge(tx, by, claim)
    if claim.state not in claim_rules.SIGNABLE:
        raise Conflict(_("Only a claim that still waits for signatures can be sent back"))
    approval.void(tx, docket.subject_of(claim))
    return _end(tx, claim, "returned", _reason(why), free=False)


def amend(tx: Tx, by: Subject, ident: str, draft: Draft, pictures: Sequence[Picture] = ()) -> Claim:
    """Whoever declared it completes what was sent back: a new claim in the place of the old one."""
    claim = docket.locked(tx, ident)
    _declarer(tx, by, claim)
    if claim.state != "returned":
        raise Conflict(_("Only what was sent back can be completed"))
    kept = photos.pictures(tx, claim.id)
    _end(tx, claim, "withdrawn", "")
    photos.drop(tx, claim.id)
    return declare(tx, by, draft, [*pictures, *kept][: photos.PHOTOS_MAX])


def withdraw(tx: Tx, by: Subject, ident: str) -> Claim:
    claim = docket.locked(tx, ident)
    _declarer(tx, by, claim)
    if claim.state in claim_rules.ENDED:
        raise Conflict(_("This claim is settled already"))
    approval.void(tx, docket.subject_of(claim))
    return _end(tx, claim, "withdrawn", "")


def refuse(tx: Tx, by: Subject, ident: str, why: str) -> Claim:
    """Not granted; and the supervisors' veto, as long as nothing is credited."""
    claim = docket.locked(tx, ident)
    _may_judge(tx, by, claim)
    if claim.state in claim_rules.ENDED:
        raise Conflict(_("This claim is settled already"))
    if claim.state in (*claim_rules.WAITING, "objected"):
        by.require("points.third", directory.area(tx, claim.area).path)
    _end(tx, claim, "refused", _reason(why))
    docket.tell_end(tx, claim)
    return claim


def release(tx: Tx, by: Subject, ident: str) -> Claim:
    """Two photos resemble each other and are of two acts after all: somebody looked, and says so."""
    claim = docket.locked(tx, ident)
    _may_judge(tx, by, claim)
    if by.id == claim.declared_by:
        raise NotAllowed(_("Another person than whoever declared it must sign"))
    claim.held = ""
    tx.session.add(claim)
    docket.moved(tx, claim)
    return claim


def _item(draft: Draft, tz: str, tx: Tx, kind: str, child: bool) -> Item:
    if not draft.words.strip():
        raise Refused(_("Say in a few words what was done"))
    if len(draft.words) > WORDS_MAX:
        raise Refused(_("That is too long; {most} characters are enough").format(most=WORDS_MAX))
    rules.in_time(draft.day, tx.now().astimezone(ZoneInfo(tz)).date())
    item = catalogue.on(draft.day).item(draft.item)
    if item.points > 0:
        rules.creditable(item, kind, of_minor=child)
    elif kind not in item.kinds:
        raise Refused(_("{item} is not asked of this kind of account").format(item=item.name))
    return item


def _alone(tx: Tx, home: str, item: str, day: date, kind: str) -> None:
    """One act is not claimed by a person and by that person's household. The home is locked: two at once wait."""
    if not home:
        return
    tx.session.execute(select(col(Household.id)).where(col(Household.id) == home).with_for_update())
    standing = tx.session.execute(
        select(col(Claim.owner_kind), col(Claim.item), col(Claim.act_date), col(Claim.state)).where(
            col(Claim.home) == home, col(Claim.state).not_in(("refused", "withdrawn", "reversed"))
        )
    ).all()
    if any(
        each[1] == item and each[2] == day and (each[0] == "household") != (kind == "household") for each in standing
    ):
        raise Conflict(_("This act is claimed already, by the person or by the household; it counts once"))
    if sum(each[3] not in claim_rules.ENDED for each in standing) >= OPEN_MAX:
        raise Conflict(_("{most} claims of this household wait already; wait for those first").format(most=OPEN_MAX))


def _unique(tx: Tx, claim: Claim) -> None:
    if tx.session.execute(select(col(Claim.id)).where(col(Claim.act) == claim.act)).first():
        raise Conflict(_("This act is claimed already; give the number or a photo if it is another one"))
    if claim.number:
        other = tx.session.execute(
            select(col(Claim.area)).where(
                col(Claim.item) == claim.item, col(Claim.number) == claim.number, col(Claim.area) != claim.area,
                col(Claim.act).is_not(None),
            )
        ).first()  # fmt: skip
        if other:
            raise Conflict(_("Another community has claimed this number already; it counts in one place"))


def _sign(tx: Tx, by: Subject, claim: Claim, done: int) -> Claim:
    if claim.state not in claim_rules.SIGNABLE:
        raise Conflict(_("This claim does not wait for a signature"))
    if claim.held:
        raise Conflict(_("Its photo resembles that of another claim; somebody must compare the two first"))
    letters = docket.needed(claim)
    letter = letters[done]
    if by.id == claim.declared_by:
        raise _not_signed(_("Another person than whoever declared it must sign"), claim, letter, "declared", by)
    _may_sign(tx, by, claim, letter)
    if claim.points < 0 and deductions.complained_about(tx, by.id, claim.home):
        said = _("This household complained about you within 30 days; somebody else must judge")
        raise _not_signed(said, claim, letter, "complaint", by)
    homes, persons = keepers.concerned(tx, claim.owner_kind, claim.owner, claim.home)
    signed = approval.sign(
        tx, docket.subject_of(claim), letter, docket.content(tx, claim), by, beneficiary_households=homes,
        beneficiary_persons=persons,
    )  # fmt: skip
    claim.state = claim_rules.after_signature(len(signed), len(letters))
    if claim.state == "signed":
        publicity.complete(tx, claim, docket.item_of(claim))
    tx.session.add(claim)
    tx.session.flush()
    docket.moved(tx, claim)
    return claim


def _may_sign(read: Read, by: Subject, claim: Claim, letter: str) -> None:
    """Whose role covers it; what somebody on the staff claims is approved by another community's worker."""
    path, permission = directory.area(read, claim.area).path, claim_rules.SIGNS[letter]
    if not (claim.peer and letter == claim_rules.PEER):
        by.require(permission, path)
    elif by.may(permission, path):
        said = _("Claims of somebody on the staff are approved by a worker of another community")
        raise _not_signed(said, claim, letter, "peer", by)
    else:
        by.require(permission)


def _not_signed(sentence: str, claim: Claim, letter: str, why: str, by: Subject) -> NotSigned:
    return NotSigned(sentence, docket.subject_of(claim), letter, why, by.area)


def _repeated(tx: Tx, by: Subject, claim: Claim) -> Claim:
    """Pressed again by whoever has signed: the same answer. By anybody else: it is done."""
    person = by.person or by.id
    if any(each.person == person for each in approval.signatures(tx, docket.subject_of(claim))):
        return claim
    raise Conflict(_("This claim does not wait for a signature"))


def _may_judge(read: Read, by: Subject, claim: Claim) -> None:
    path = directory.area(read, claim.area).path
    if not any(by.may(permission, path) for permission in claim_rules.SIGNS.values()):
        raise NotAllowed(_("Your role does not cover this here"))
    homes, persons = keepers.concerned(read, claim.owner_kind, claim.owner, claim.home)
    if by.person in persons or by.household in homes:
        raise NotAllowed(_("You may not sign for yourself or your own household"))


def _own(read: Read, by: Subject, kind: str, owner: str) -> bool:
    """One's own account, the household's, or that of an organisation one acts for."""
    if kind == "organisation":
        return keepers.acting(read, by, owner) is not None
    return by.kind == "resident" and owner == (by.person if kind == "person" else by.household)


def _declarer(read: Read, by: Subject, claim: Claim) -> None:
    mine = by.kind == "resident" and by.person in (claim.declared_by, claim.owner)
    ours = by.kind == "resident" and bool(claim.home) and by.household == claim.home
    theirs = claim.owner_kind == "organisation" and _own(read, by, claim.owner_kind, claim.owner)
    if not (mine or ours or theirs or by.id == claim.declared_by):
        raise NotFound(_("There is no such claim"))


def _end(tx: Tx, claim: Claim, state: str, why: str, *, free: bool = True) -> Claim:
    claim.state, claim.why, claim.settled_at, claim.due = state, why or None, tx.now(), None
    if free:
        claim.act = None  # what was refused or withdrawn may be declared anew, with better evidence
    tx.session.add(claim)
    tx.session.flush()
    docket.moved(tx, claim)
    if state == "returned":
        docket.tell_end(tx, claim)
    return claim


def _reason(why: str) -> str:
    text = why.strip()
    if not text:
        raise Refused(_("Give the reason; whoever declared it reads it"))
    return text[:WORDS_MAX]

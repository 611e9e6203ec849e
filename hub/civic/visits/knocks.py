"""What a knock at the door gave: recorded once whatever the line does, with its own time; the first final one stands.

A proof says no more than was seen: whoever was met has acknowledged; those for whom the family took it have had it
delivered, and whoever took it for them has acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import directory, reach
from hub.access import Subject
from hub.civic.visits import book, rules
from hub.civic.visits.events import VisitNameShown, VisitRecorded
from hub.civic.visits.models import Knock, Visit
from hub.db import Read, Tx
from hub.directory import Resident
from hub.errors import LinliError, NotAllowed, NotFound, Refused
from hub.events import HelpBrought
from hub.i18n import N_, _
from hub.reach import Proof

CHANNEL = N_("visit")
BATCH_MAX = 200  # a day's round; more on one phone is a mistake
KEY_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Said:
    """What the phone or the paper says of one knock. `at` is the phone's own time; without one it is now."""

    key: str
    visit: str
    result: str
    person: str = ""
    note: str = ""
    signature: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of it: kept and standing, kept beside another (conflict), or refused; in a sentence."""

    key: str
    visit: str
    state: str  # kept | conflict | refused
    sentence: str


def record_all(tx: Tx, who: Subject, said: list[Said]) -> list[Told]:
    """A phone's queue, in the order of the knocks. One that is refused does not hold the others up."""
    if len(said) > BATCH_MAX:
        raise Refused(_("At most {n} results at once").format(n=BATCH_MAX))
    told = []
    for each in sorted(said, key=lambda one: one.at or tx.now()):
        try:
            told.append(tell(tx, record(tx, who, each), each.key))
        except LinliError as error:  # raised before anything was written
            told.append(Told(each.key, each.visit, "refused", error.sentence))
    return told


def record(tx: Tx, who: Subject, said: Said, *, way: str = "phone") -> Knock:
    found = book.visit(tx, said.visit, lock=True)
    _may_record(tx, who, found, way)
    key = f"{who.id}|{said.key}"
    before: Knock | None = tx.session.execute(select(Knock).where(col(Knock.key) == key)).scalar()
    if before is not None:
        if (before.visit, before.result) != (said.visit, said.result):
            raise Refused(_("This result was sent before as another one"))
        return before
    person = _checked(tx, found, said)
    moment = rules.moment(said.at or tx.now(), tx.now(), found.opened_at)
    why = rules.refusal(found.state, found.why, found.closed_at, said.result, moment.at)
    knock = Knock(
        id=tx.new_id(), key=key, visit=found.id, result=said.result, person=person, note=said.note.strip(),
        signature=said.signature.strip(), way=way, by=who.id, at=moment.at, received_at=tx.now(), late=moment.late,
        clock_off=moment.clock_off, stands=not why, why=why,
    )  # fmt: skip
    tx.session.add(knock)
    tx.session.flush()
    tx.emit(VisitRecorded, visit=found.id, result=said.result, by=who.id, late=moment.late, stands=not why)
    if not why:
        _settle(tx, found, knock)
        _prove(tx, found, knock)
        if book.task_of(found) and said.result in rules.SIGNED:
            tx.emit(HelpBrought, task=book.task_of(found), by=who.id)
    book.touch(tx, found.area, found.worker, who.id)
    return knock


def _settle(tx: Tx, found: Visit, knock: Knock) -> None:
    """The visit is over, or somebody comes back at another time of the day; the third time the desk decides."""
    if knock.result in rules.FINAL:
        found.state, found.result, found.why, found.overdue = "done", knock.result, "", False
        found.closed_at, found.again_at = tx.now(), None
    else:
        local = knock.at.astimezone(ZoneInfo(directory.area(tx, found.area).tz))
        part = rules.part_of(local)
        found.tries += 1
        found.tried = found.tried if f" {part} " in found.tried else f"{found.tried}{part} "
        last = found.tries >= rules.manners().tries_max
        found.state, found.again_at = ("desk", None) if last else ("open", _again(found, local))
    tx.session.add(found)
    tx.session.flush()


def _again(found: Visit, local: datetime) -> datetime:
    return rules.again(local, found.priority, found.tried.split())


def _prove(tx: Tx, found: Visit, knock: Knock) -> None:
    if not found.notice or knock.result not in rules.SIGNED:
        return
    proved = {each: "delivered" for each in _meant(tx, found) if each != knock.person}
    if knock.person:
        proved[knock.person] = "acknowledged"
    evidence = f"visit {knock.id}"
    reach.record_all(
        tx,
        [
            Proof(found.notice, found.revision, reach.resident_viewer(each), CHANNEL, level, knock.at, evidence)
            for each, level in proved.items()
        ],
    )


def _meant(read: Read, found: Visit) -> list[str]:
    """Whom it was taken for: those who are named. A visit to anybody behind the door names nobody."""
    return found.whom.split()


def _may_record(read: Read, who: Subject, found: Visit, way: str) -> None:
    path = directory.area(read, found.area).path
    if way == "paper":
        allowed = who.may("visits.desk", path)
    else:
        # Whoever it was handed over from may have stood at the door before they knew.
        held = f" {who.id} " in found.holders or who.kind == "token"
        allowed = who.may("visits.walk", path) and held
    if not allowed:
        raise NotFound(_("There is no such visit"))
    if who.household == found.household:
        raise NotAllowed(_("Nobody calls at their own household"))


def _checked(read: Read, found: Visit, said: Said) -> str:
    """The person who opened, when the result names one. Everything is looked at before anything is written."""
    if not 0 < len(said.key) <= KEY_CHARS_MAX:
        raise Refused(_("A result needs a key of its own"))
    if said.result not in rules.RESULTS:
        raise Refused(_("Choose one of the results"))
    if len(said.note.strip()) > rules.NOTE_CHARS_MAX or len(said.signature.strip()) > rules.SIGNATURE_CHARS_MAX:
        raise Refused(_("The note or the signature is too long"))
    if said.result not in rules.SIGNED:
        return ""
    if not said.signature.strip():
        raise Refused(_("Whoever opened signs with their name"))
    named = found.whom.split()
    today = read.now().date()
    members = directory.members(read, found.household)
    behind = {each.id for each in members if directory.age(each.born, today) >= directory.MINOR or each.id in named}
    if said.result == "met" and said.person not in (set(named) & behind or behind):
        raise Refused(_("Say whom you met; for somebody else it is taken by the family"))
    if said.person and (said.person not in behind or (said.result == "family" and said.person in named)):
        raise Refused(_("Whoever took it for the family must be another one of this household"))
    return said.person


def tell(read: Read, knock: Knock, key: str) -> Told:
    """In plain words, also when it was sent before."""
    if knock.stands:
        return Told(key, knock.visit, "kept", _("Recorded"))
    why = _(rules.CLOSED.get(knock.why, rules.CLOSED["done"]))
    sentence = _("Your result is kept, but it does not count: {why}").format(why=why)
    return Told(key, knock.visit, "conflict", sentence)


def show_name(tx: Tx, who: Subject, ident: str, person: str, why: str) -> Resident:
    """The full name behind a mask, for a reason that goes into the audit log; the name does not."""
    found = book.visit(tx, ident)
    path = directory.area(tx, found.area).path
    own = found.worker == who.id and who.may("visits.walk", path) and found.state in rules.OPEN
    if not own and not who.may("visits.desk", path):
        raise NotFound(_("There is no such visit"))
    if why not in rules.REVEALS:
        raise Refused(_("Say why you need the name"))
    resident = tx.session.get(Resident, person)
    if resident is None or resident.household != found.household:
        raise NotFound(_("There is no such resident"))
    tx.emit(VisitNameShown, visit=ident, resident=person, why=why)
    return resident


def of_visit(read: Read, ident: str) -> list[Knock]:
    rows = read.session.execute(select(Knock).where(col(Knock.visit) == ident).order_by(col(Knock.at), col(Knock.id)))
    return list(rows.scalars())

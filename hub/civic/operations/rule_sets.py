"""Versions of the alert rules: proposed as a text, read as a difference, in force when two people have signed it.

Whoever proposes signs the first part; another person signs the second, over the same bytes. The rules judge every area,
so only who holds the permission over all of it may propose or sign.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import col

from hub import approval
from hub.access import Subject
from hub.approval import Signature
from hub.civic.operations import alarms, rulebook
from hub.civic.operations.models import RuleSet
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotAllowed, NotFound
from hub.events import Event
from hub.i18n import N_, _

PROPOSE, SIGN = "operate.rules.propose", "operate.rules.sign"
PARTS = ("propose", "approve")  # as many people as parts: one more word here asks for one more person
PART_WORDS: Mapping[str, str] = {"propose": N_("Proposed"), "approve": N_("Approved")}
STATES: Mapping[str, str] = {
    "proposed": N_("Proposed, waits for signatures"),
    "active": N_("In force"),
    "replaced": N_("Replaced"),
    "withdrawn": N_("Withdrawn"),
}
LIST_MAX = 30
WHY_CHARS_MAX = 200


@dataclass(frozen=True, kw_only=True)
class RulesChanged(Event):
    """A version of the alert rules was proposed, signed, put in force or withdrawn."""

    version: int
    state: str
    part: str = ""

    def subject(self) -> str:
        return f"rules-{self.version}"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the difference between two texts."""

    mark: str  # " ", "+", "-" or "@"
    text: str


def listed(read: Read) -> list[RuleSet]:
    return list(read.session.execute(select(RuleSet).order_by(col(RuleSet.version).desc()).limit(LIST_MAX)).scalars())


def get(read: Read, version: int) -> RuleSet:
    found = read.session.get(RuleSet, version)
    if found is None:
        raise NotFound(_("There is no such version of the rules"))
    return found


def signatures(read: Read, version: int) -> list[Signature]:
    return approval.signatures(read, _subject(version))


def difference(before: str, after: str) -> list[Change]:
    """What changed, with three lines around each place."""
    found = []
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3):
        if not line.startswith(("+++", "---")):
            found.append(Change(line[:1] or " ", line[1:]))
    return found


def everywhere(read: Read, who: Subject, permission: str) -> bool:
    """Whether the permission is held over every area there is."""
    roots = read.session.execute(select(col(Area.path)).where(col(Area.parent).is_(None))).scalars().all()
    return bool(roots) and all(who.may(permission, path) for path in roots)


def propose(tx: Tx, who: Subject, text: str, why: str) -> RuleSet:
    """A new version, not yet in force. A text that cannot be read is refused with its reason."""
    _need(tx, who, PROPOSE)
    text = text.replace("\r\n", "\n").strip() + "\n"
    rulebook.read(text)
    force = alarms.in_force(tx)
    if text == force.text:
        raise Conflict(_("This is the very text that is in force"))
    version = (tx.session.execute(select(func.max(col(RuleSet.version)))).scalar() or 0) + 1
    made = RuleSet(
        version=version, base=force.version, text=text, why=why.strip()[:WHY_CHARS_MAX], state="proposed",
        made_by=who.id, made_at=tx.now(),
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    approval.sign(tx, _subject(version), PARTS[0], _content(made), who)
    tx.emit(RulesChanged, version=version, state="proposed", part=PARTS[0])
    return made


def sign(tx: Tx, who: Subject, version: int) -> RuleSet:
    """The next part. With the last one the version is in force, and what the former one had raised is over."""
    _need(tx, who, SIGN)
    found = get(tx, version)
    if found.state != "proposed":
        raise Conflict(_("This version is not waiting for signatures"))
    force = alarms.in_force(tx)
    if found.base != force.version:
        raise Conflict(_("Another version came into force meanwhile; propose the change anew on top of it"))
    part = PARTS[len(signatures(tx, version))]
    standing = approval.sign(tx, _subject(version), part, _content(found), who)
    if len(standing) < len(PARTS):
        tx.emit(RulesChanged, version=version, state="proposed", part=part)
        return found
    force.state, force.ended_at = "replaced", tx.now()
    found.state, found.active_at = "active", tx.now()
    tx.session.add_all([force, found])
    alarms.end_all(tx)
    tx.emit(RulesChanged, version=version, state="active", part=part)
    tx.touch(alarms.TOPIC, "all")
    return found


def withdraw(tx: Tx, who: Subject, version: int) -> None:
    _need(tx, who, PROPOSE)
    found = get(tx, version)
    if found.state != "proposed":
        raise Conflict(_("This version is not waiting for signatures"))
    found.state, found.ended_at = "withdrawn", tx.now()
    tx.session.add(found)
    approval.void(tx, _subject(version))
    tx.emit(RulesChanged, version=version, state="withdrawn")


def missing(signed: Sequence[Signature]) -> int:
    return len(PARTS) - len(signed)


def _need(read: Read, who: Subject, permission: str) -> None:
    if not everywhere(read, who, permission):
        raise NotAllowed(_("The rules judge every area; your role holds in a part of them"))


def _subject(version: int) -> str:
    return f"rules:rules-{version}"


def _content(found: RuleSet) -> dict[str, str | int]:
    return {"version": found.version, "base": found.base, "text": found.text}

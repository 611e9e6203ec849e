"""A home's own television: which box is whose. The box shows a code, a signed-in phone answers for it.

Who binds a box agrees that a press of its keys counts as their own. Bound, the box learns that there is something new
for the home and, after a press of OK, the home's points; never a name and never a health value. Taking the binding
away ends the box's session, so that an open screen is cut at once and comes back as anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlmodel import col

from hub.access import Subject
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.events import BoxBound
from hub.i18n import _
from hub.login import OneTimeCode, SessionRow, code_row, issue_code

SURFACE = "box"  # no surface one signs in to: such a code opens no session
CODE_MINUTES = 5
HOME_MAX = 4  # televisions of one home


@dataclass(frozen=True, slots=True)
class Box:
    terminal: str
    area: str
    since: datetime


def offer(tx: Tx, who: Subject) -> str:
    """A new code for this box; an older one no longer holds."""
    tx.session.execute(
        delete(OneTimeCode).where(col(OneTimeCode.surface) == SURFACE, col(OneTimeCode.subject) == who.id)
    )
    return issue_code(tx, SURFACE, "tv", who.id, area=who.area, minutes=CODE_MINUTES)


def offered(read: Read, text: str) -> str | None:
    """The terminal that shows this code now."""
    row = code_row(read, text)
    return row.subject if row is not None and row.surface == SURFACE and row.expires > read.now() else None


def bind(tx: Tx, by: Subject, text: str) -> str:
    """Make the box that shows this code the home's own; gives its terminal."""
    if by.kind != "resident" or not by.household or not by.person:
        raise Refused(_("Only a resident can bind a television"))
    code = code_row(tx, text)
    row = _row(tx, offered(tx, text) or "")
    if code is None or row is None:
        raise NotFound(_("This code is too old; take the one that stands on the television now"))
    if row.household not in (None, by.household):
        raise Conflict(_("This television belongs to another home; they must let go of it first"))
    if len(of_household(tx, by.household)) >= HOME_MAX and row.household is None:
        raise Conflict(_("A home has at most {n} televisions here; let go of one first").format(n=HOME_MAX))
    tx.session.delete(code)
    tx.session.execute(
        update(SessionRow)
        .where(col(SessionRow.token_hash) == row.token_hash)
        .values(household=by.household, person=by.person, bound_at=tx.now())
    )
    _tell(tx, row.subject, by.household, by.person, bound=True)
    return row.subject


def unbind(tx: Tx, by: Subject, terminal: str) -> None:
    """By anybody of the home. Asked again, nothing more happens."""
    row = _row(tx, terminal)
    if row is None or row.household is None or row.household != by.household:
        return
    tx.session.execute(delete(SessionRow).where(col(SessionRow.token_hash) == row.token_hash))
    _tell(tx, terminal, row.household, by.person or "", bound=False)


def of_household(read: Read, household: str) -> list[Box]:
    query = select(SessionRow).where(
        col(SessionRow.household) == household, col(SessionRow.kind) == "tv", col(SessionRow.expires) > read.now()
    )
    rows = read.session.execute(query.order_by(col(SessionRow.bound_at), col(SessionRow.subject))).scalars()
    return [Box(row.subject, row.area, row.bound_at or row.created) for row in rows]


def home_of(read: Read, terminal: str) -> tuple[str | None, str]:
    """The household of a box, or None, and the community it shows."""
    row = _row(read, terminal)
    return (row.household, row.area) if row is not None else (None, "")


def _row(read: Read, terminal: str) -> SessionRow | None:
    query = select(SessionRow).where(col(SessionRow.subject) == terminal, col(SessionRow.kind) == "tv")
    return read.session.execute(query.limit(1)).scalar_one_or_none()


def _tell(tx: Tx, terminal: str, household: str, resident: str, *, bound: bool) -> None:
    tx.emit(BoxBound, terminal=terminal, household=household, resident=resident, bound=bound)
    tx.touch("boxes.home", terminal)
    tx.touch("boxes.mine", household)

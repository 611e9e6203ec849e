"""Attendance becomes points: hears of sheets by events, since the slice that keeps them is another."""

from __future__ import annotations

from datetime import date

from hub.civic.points import award, cards, catalogue, duty, tidings
from hub.civic.points.award import Award, Credited, Signed
from hub.db import Tx
from hub.errors import Refused
from hub.events import ActivityPublished, CreditRow, SheetApproved, SheetSubmitted
from hub.i18n import _


def on_published(_tx: Tx, event: ActivityPublished) -> None:
    """An activity by an item that attendance cannot credit would end in a sheet nobody can approve."""
    _creditable(event.item, event.day)


def on_submitted(tx: Tx, event: SheetSubmitted) -> None:
    """Refuse now what could not be credited later, while whoever kept the sheet still stands at the desk."""
    _by_sheet(event.rows)
    staff = duty.of_persons(tx, [row.owner for row in event.rows if row.owner_kind == "person"])
    homes = [row.owner for row in event.rows if row.owner_kind == "household" and not row.of_minor]
    staff |= duty.nobody_else(tx, homes)
    if staff:
        raise Refused(
            _("{n} of this sheet are on the staff: they claim their hours, and another community approves them").format(
                n=len(staff)
            )
        )
    award.check(tx, [_award(row) for row in event.rows])


def on_approved(tx: Tx, event: SheetApproved) -> None:
    """Credit everyone on it, or nobody. Heard again, nothing more is credited: each reference posts once."""
    _by_sheet(event.rows)
    signed = Signed(verifier=event.verified_by, approver=event.approved_by)
    done = award.credit(tx, [_award(row, event.sheet) for row in event.rows], signed, cause=event.id)
    tx.touch("points.sheet", event.sheet)
    if event.tell:
        for each in done:
            if each.receipt is not None and not each.receipt.repeated:
                _tell(tx, each, each.receipt.amount)


def _award(row: CreditRow, sheet: str | None = None) -> Award:
    evidence = f"sheet:{sheet}" if sheet else None
    return Award(
        row.owner_kind, row.owner, row.item, row.hours, row.day, row.reference, row.of_minor, evidence=evidence
    )


def _by_sheet(rows: tuple[CreditRow, ...]) -> None:
    for code, day in {(row.item, row.day) for row in rows}:
        _creditable(code, day)


def _creditable(code: str, day: date) -> None:
    item = catalogue.on(day).item(code)
    if not cards.by_sheet(item):
        raise Refused(_("{item} is not credited by an attendance sheet").format(item=item.name))


def _tell(tx: Tx, credited: Credited, points: int) -> None:
    who, item = credited.award, catalogue.on(credited.award.day).item(credited.award.item)
    people = tidings.hearers(tx, who.owner_kind, who.owner, who.day)
    if who.owner_kind != "household":
        title = tidings.about(
            tx, who.owner_kind, who.owner, lambda: _("Points received +{points}").format(points=points)
        )
        tidings.tell(
            tx, people, title,
            lambda: _("{item}. See My points for all entries.").format(item=item.name),
        )  # fmt: skip
    else:
        tidings.tell(
            tx, people, lambda: _("Your household's points have changed: +{points}").format(points=points),
            lambda: _("{item}. See Household points for all entries.").format(item=item.name),
        )  # fmt: skip

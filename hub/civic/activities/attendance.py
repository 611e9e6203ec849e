"""The attendance sheet: opened, filled and submitted by one person, approved once by another, all or nothing.

Its approval is an event; the points slice credits everyone on it in the same transaction, or refuses the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from sqlalchemy import delete, select
from sqlmodel import col

from hub import approval, directory
from hub.access import Subject
from hub.civic.activities import people, programme
from hub.civic.activities.models import Activity, Row, Sheet
from hub.civic.activities.people import Standing
from hub.db import Read, Tx
from hub.directory import Resident
from hub.errors import Conflict, LinliError, NotFound, Refused
from hub.events import CreditRow, SheetApproved, SheetSubmitted
from hub.i18n import _

ROWS_MAX = 500  # the largest gathering of a community hall; a fair is several activities
LINES_SAID_MAX = 10  # of what is wrong with a list; who mends ten sees the next ten
STEP_MINUTES = 15  # nobody's watch is better than that at a door


def open_sheet(tx: Tx, by: Subject, activity: str) -> Sheet:
    """The activity's open sheet, or a new one. A later sheet takes in who was forgotten on an approved one."""
    found = programme.activity(tx, activity)
    _require(tx, by, "activities.write", found.area)
    if found.state != "planned":
        raise Conflict(_("This activity was cancelled"))
    query = select(Sheet).where(col(Sheet.activity) == activity, col(Sheet.state) == "open").limit(1)
    sheet = tx.session.execute(query).scalar()
    if sheet is None:
        sheet = Sheet(id=tx.new_id(), activity=activity, area=found.area, opened_by=by.id, opened_at=tx.now())
        tx.session.add(sheet)
        tx.session.flush()
        tx.touch("activities.desk", found.area)
    return sheet


def add(tx: Tx, by: Subject, sheet: str, who: str, hours: Decimal | None = None) -> Row:
    """Enter someone, by account, id or card. Entered again, the new hours stand. Without hours: the whole activity."""
    found, activity = _open(tx, by, sheet)
    tz = directory.area(tx, found.area).tz
    meant = people.standing(tx, found.area, who, programme.day_of(activity, tz))
    minutes = minutes_of(hours) if hours is not None else _whole(activity)
    row = tx.session.get(Row, (found.id, meant.kind, meant.owner))
    if row is None:
        if len(rows(tx, found.id)) >= ROWS_MAX:
            raise Conflict(_("A sheet holds {most} lines; open another").format(most=ROWS_MAX))
        _once(tx, found, meant)
        row = _row(tx, found, meant, minutes)
    row.minutes, row.of_minor = minutes, meant.of_minor
    tx.session.add(row)
    tx.session.flush()
    _show(tx, found)
    return row


def fill(tx: Tx, by: Subject, sheet: str, entries: Sequence[tuple[Standing, Decimal]]) -> None:
    """Enter many at once who were found already: the same rules, one statement."""
    found, _activity = _open(tx, by, sheet)
    unique = {(meant.kind, meant.owner): (meant, hours) for meant, hours in entries}
    if len(unique) + len(rows(tx, found.id)) > ROWS_MAX:
        raise Conflict(_("A sheet holds {most} lines; open another").format(most=ROWS_MAX))
    for meant, hours in unique.values():
        _once(tx, found, meant)
        tx.session.merge(_row(tx, found, meant, minutes_of(hours)))
    tx.session.flush()
    _show(tx, found)


def enter_list(tx: Tx, by: Subject, sheet: str, text: str) -> int:
    """The signed paper list: a card (or account) a line, hours behind it where they differ. All of it or nothing."""
    found, activity = _open(tx, by, sheet)
    day = programme.day_of(activity, directory.area(tx, found.area).tz)
    whole, wrong = Decimal(_whole(activity)) / 60, []
    entries: list[tuple[Standing, Decimal]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        who, _blank, hours = line.strip().replace("，", " ").replace(",", " ").partition(" ")
        try:
            given = hours_from(hours)
            minutes_of(given or whole)
            entries.append((people.standing(tx, found.area, who, day), given or whole))
        except LinliError as error:
            wrong.append(_("Line {n}: {why}").format(n=number, why=error.sentence))
    if wrong:
        raise Refused(" ".join(wrong[:LINES_SAID_MAX]))
    fill(tx, by, sheet, entries)
    return len(entries)


def remove(tx: Tx, by: Subject, sheet: str, account: str) -> None:
    found, _activity = _open(tx, by, sheet)
    kind, _dash, owner = account.partition("-")
    tx.session.execute(
        delete(Row).where(col(Row.sheet) == found.id, col(Row.owner_kind) == kind, col(Row.owner) == owner)
    )
    _show(tx, found)


def submit(tx: Tx, by: Subject, sheet: str) -> Sheet:
    """Close it with one's signature. What could not be credited is refused here, and the sheet stays open."""
    found, activity = _open(tx, by, sheet)
    entered = rows(tx, found.id)
    if not entered:
        raise Refused(_("There is nobody on the sheet yet"))
    if activity.starts > tx.now():
        raise Refused(_("The activity has not begun yet"))
    _sign(tx, found, "verify", by, entered)
    found.state, found.submitted_by, found.submitted_at = "submitted", by.id, tx.now()
    tx.session.add(found)
    tx.session.flush()
    tx.emit(SheetSubmitted, sheet=found.id, activity=activity.id, rows=_credits(tx, found, activity, entered), by=by.id)
    _show(tx, found)
    return found


def send_back(tx: Tx, by: Subject, sheet: str) -> Sheet:
    """退回补充: the sheet is open again, and its signature void."""
    found = _locked(tx, sheet)
    _require(tx, by, "activities.approve", found.area)
    if found.state != "submitted":
        raise Conflict(_("Only a submitted sheet can be sent back"))
    approval.void(tx, f"sheet:{found.id}")
    found.state, found.submitted_by, found.submitted_at = "open", None, None
    tx.session.add(found)
    _show(tx, found)
    return found


def approve(tx: Tx, by: Subject, sheet: str, *, tell: bool = True) -> Sheet:
    """The second signature credits everyone, once. Approved again, nothing happens again."""
    found = _locked(tx, sheet)
    _require(tx, by, "activities.approve", found.area)
    if found.state == "approved":
        return found
    if found.state != "submitted":
        raise Conflict(_("The sheet must be submitted before it is approved"))
    entered = rows(tx, found.id)
    _sign(tx, found, "approve", by, entered)
    found.state, found.approved_by, found.approved_at = "approved", by.id, tx.now()
    tx.session.add(found)
    tx.session.flush()
    activity = programme.activity(tx, found.activity)
    tx.emit(
        SheetApproved, sheet=found.id, activity=activity.id, rows=_credits(tx, found, activity, entered),
        verified_by=found.submitted_by or "", approved_by=by.id, tell=tell,
    )  # fmt: skip
    _show(tx, found)
    return found


def sheet_of(read: Read, ident: str) -> Sheet:
    found = read.session.get(Sheet, ident, populate_existing=True)
    if found is None:
        raise NotFound(_("There is no such sheet"))
    return found


def rows(read: Read, sheet: str) -> list[Row]:
    query = select(Row).where(col(Row.sheet) == sheet).order_by(col(Row.added_at), col(Row.owner))
    return list(read.session.execute(query).scalars())


def minutes_of(hours: Decimal) -> int:
    minutes = hours * 60
    if not 0 < minutes <= programme.HOURS_MAX * 60 or minutes % STEP_MINUTES:
        raise Refused(_("Hours go from a quarter to {most}, in quarters").format(most=programme.HOURS_MAX))
    return int(minutes)


def hours_from(text: str) -> Decimal | None:
    """What a person typed: 2, 1.5 or nothing."""
    wanted = text.strip()
    if not wanted:
        return None
    try:
        hours = Decimal(wanted)
    except InvalidOperation:
        raise Refused(_("Give the hours as a number, such as 1.5")) from None
    if not hours.is_finite():
        raise Refused(_("Give the hours as a number, such as 1.5"))
    return hours


def _whole(activity: Activity) -> int:
    minutes = int((activity.ends - activity.starts).total_seconds()) // 60
    return max(STEP_MINUTES, minutes - minutes % STEP_MINUTES)


def _row(tx: Tx, sheet: Sheet, meant: Standing, minutes: int) -> Row:
    return Row(
        sheet=sheet.id, owner_kind=meant.kind, owner=meant.owner, minutes=minutes, of_minor=meant.of_minor,
        added_at=tx.now(),
    )  # fmt: skip


def _once(tx: Tx, sheet: Sheet, meant: Standing) -> None:
    """One act is credited once: nobody stands on two sheets of one activity."""
    query = (
        select(col(Row.sheet))
        .join(Sheet, col(Sheet.id) == col(Row.sheet))
        .where(col(Sheet.activity) == sheet.activity, col(Sheet.id) != sheet.id)
        .where(col(Row.owner_kind) == meant.kind, col(Row.owner) == meant.owner)
    )
    if tx.session.execute(query.limit(1)).first():
        raise Conflict(_("This one stands on another sheet of the same activity"))


def _open(tx: Tx, by: Subject, sheet: str) -> tuple[Sheet, Activity]:
    found = _locked(tx, sheet)
    _require(tx, by, "activities.write", found.area)
    if found.state != "open":
        raise Conflict(_("The sheet is closed; have it sent back to change it"))
    return found, programme.activity(tx, found.activity)


def _locked(tx: Tx, ident: str) -> Sheet:
    """The sheet, with its activity locked first: two sheets of one activity wait for each other."""
    activity = sheet_of(tx, ident).activity
    tx.session.execute(select(col(Activity.id)).where(col(Activity.id) == activity).with_for_update())
    return tx.session.get_one(Sheet, ident, populate_existing=True, with_for_update=True)


def _require(read: Read, by: Subject, permission: str, area: str) -> None:
    by.require(permission, directory.area(read, area).path)


def _sign(tx: Tx, sheet: Sheet, part: str, by: Subject, entered: Sequence[Row]) -> None:
    persons = {row.owner for row in entered if row.owner_kind == "person"}
    homes = {row.owner for row in entered if row.owner_kind == "household"}
    query = select(col(Resident.household)).where(col(Resident.id).in_(persons))
    homes |= set(tx.session.execute(query).scalars())
    content = {
        "sheet": sheet.id,
        "activity": sheet.activity,
        "rows": [[row.owner_kind, row.owner, row.minutes] for row in entered],
    }
    approval.sign(tx, f"sheet:{sheet.id}", part, content, by, beneficiary_households=homes, beneficiary_persons=persons)


def _credits(tx: Tx, sheet: Sheet, activity: Activity, entered: Sequence[Row]) -> tuple[CreditRow, ...]:
    day = programme.day_of(activity, directory.area(tx, sheet.area).tz)
    return tuple(
        CreditRow(
            row.owner_kind, row.owner, activity.item, Decimal(row.minutes) / 60, day, f"sheet:{sheet.id}:{row.owner}",
            row.of_minor,
        )
        for row in entered
    )  # fmt: skip


def _show(tx: Tx, sheet: Sheet) -> None:
    tx.touch("activities.sheet", f"{sheet.area}-{sheet.id}")
    tx.touch("activities.desk", sheet.area)
    tx.touch("activities.work", sheet.area)
    tx.touch("activities.told", sheet.area)


def waiting(read: Read, area: str) -> list[tuple[Sheet, Activity]]:
    """The sheets that still want something done, the oldest first."""
    query = (
        select(Sheet, Activity)
        .join(Activity, col(Activity.id) == col(Sheet.activity))
        .where(col(Sheet.area) == area, col(Sheet.state) != "approved")
        .order_by(col(Sheet.opened_at))
        .limit(50)
    )
    return [(sheet, activity) for sheet, activity in read.session.execute(query)]


def sheets_of(read: Read, activities: Sequence[str]) -> dict[str, list[Sheet]]:
    found: dict[str, list[Sheet]] = {}
    query = select(Sheet).where(col(Sheet.activity).in_(activities)).order_by(col(Sheet.opened_at))
    for sheet in read.session.execute(query).scalars():
        found.setdefault(sheet.activity, []).append(sheet)
    return found

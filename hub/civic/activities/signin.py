"""签到、签退: a code that lives thirty seconds on the organiser's screen, and the hours between coming and going.

The hub's own clock decides which code holds and when somebody came, whatever a phone or a kiosk believes. A code sent
to a friend at home is stale before it is typed; a phone signs in one person; what the counter enters says who and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.activities import attendance, people, programme
from hub.civic.activities.events import CameToActivity, SignedUp
from hub.civic.activities.models import Activity, Presence, Row, Sheet, Signup
from hub.db import Read, Tx
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.i18n import _

CODE_S = 30  # how long a code is shown
GRACE_CODES = 1  # the one before holds as well: whoever scanned it at its last second still types
EARLY = timedelta(minutes=60)  # who sets up the tables comes before the others
LATE = timedelta(minutes=60)
WHY_MAX = 160


@dataclass(frozen=True, slots=True)
class Code:
    digits: str
    left_s: int


def code(read: Read, activity: str) -> Code:
    """The code of this moment. It is worked out, not kept: there is nothing to steal or to restore."""
    window, left = _window(read.now())
    return Code(_digits(read, activity, window), left)


def sign_up(tx: Tx, by: Subject, ident: str) -> Signup:
    """报名. Pressed again, nothing happens again. The seats are counted under the activity's lock."""
    found = _locked(tx, ident)
    person = _resident(by, found)
    known = tx.session.get(Signup, (ident, person))
    if known is not None:
        return known
    if found.state != "planned":
        raise Conflict(_("This activity was cancelled"))
    if found.ends <= tx.now():
        raise Conflict(_("This activity is over"))
    if found.seats and signed_up(tx, ident) >= found.seats:
        raise Conflict(_("All places are taken"))
    made = Signup(activity=ident, resident=person, at=tx.now())
    tx.session.add(made)
    tx.session.flush()
    tx.emit(SignedUp, activity=ident, resident=person, on=True)
    tx.touch("activities.desk", found.area)
    return made


def give_up(tx: Tx, by: Subject, ident: str) -> None:
    found = _locked(tx, ident)
    known = tx.session.get(Signup, (ident, _resident(by, found)))
    if known is not None:
        tx.session.delete(known)
        tx.session.flush()
        tx.emit(SignedUp, activity=ident, resident=known.resident, on=False)
        tx.touch("activities.desk", found.area)


def signed_up(read: Read, ident: str) -> int:
    query = select(func.count()).select_from(Signup).where(col(Signup.activity) == ident)
    return int(read.session.execute(query).scalar_one())


def sign_in(tx: Tx, by: Subject, ident: str, digits: str, device: str) -> Presence:
    """签到, on one's own phone. Signing in again keeps the first time."""
    found = _locked(tx, ident)
    person = _resident(by, found)
    _now_on(tx, found)
    known = tx.session.get(Presence, (ident, person))
    if known is not None:
        return known
    _right(tx, ident, digits)
    mark = tx.seal.mark(device, "activities.device")
    if tx.session.execute(
        select(col(Presence.resident)).where(col(Presence.activity) == ident, col(Presence.device) == mark)
    ).first():
        raise NotAllowed(_("This phone has signed in somebody else here; ask at the counter"))
    return _came(tx, Presence(activity=ident, resident=person, came=tx.now(), device=mark), found)


def sign_out(tx: Tx, by: Subject, ident: str, digits: str) -> Presence:
    """签退. Without it only the least a sheet records is counted."""
    found = _locked(tx, ident)
    known = tx.session.get(Presence, (ident, _resident(by, found)))
    if known is None:
        raise Conflict(_("You have not signed in here"))
    if known.went is not None:
        return known
    _now_on(tx, found)
    _right(tx, ident, digits)
    known.went = tx.now()
    tx.session.add(known)
    tx.session.flush()
    tx.touch("activities.present", f"{found.area}-{ident}")
    return known


def at_counter(tx: Tx, by: Subject, ident: str, who: str, why: str, *, out: bool = False) -> Presence:
    """现场补签: somebody without a phone, or whose phone fails. Who entered it and why stays on record."""
    found = _locked(tx, ident)
    place = directory.area(tx, found.area)
    by.require("activities.write", place.path)
    if not why.strip():
        raise Refused(_("Say why the counter enters it"))
    _now_on(tx, found)
    person = people.person(tx, found.area, who)
    known = tx.session.get(Presence, (ident, person))
    if out:
        if known is None:
            raise Conflict(_("This one has not signed in here"))
        known.went = known.went or tx.now()
        tx.session.add(known)
        tx.session.flush()
        return known
    if known is not None:
        return known
    return _came(
        tx, Presence(activity=ident, resident=person, came=tx.now(), by=by.id, why=why.strip()[:WHY_MAX]), found
    )


def take_over(tx: Tx, by: Subject, sheet: str) -> int:
    """Put everyone who signed in onto the sheet, with the time between; who stands there already stays as entered."""
    found = attendance.sheet_of(tx, sheet)
    activity = programme.activity(tx, found.activity)
    day = programme.day_of(activity, directory.area(tx, found.area).tz)
    query = select(Presence).where(col(Presence.activity) == activity.id).order_by(col(Presence.came))
    entered = {(row.owner_kind, row.owner) for row in attendance.rows(tx, sheet)} | _elsewhere(tx, found)
    minutes: dict[tuple[str, str], tuple[people.Standing, int]] = {}
    for each in tx.session.execute(query).scalars():
        meant = people.standing(tx, found.area, f"person-{each.resident}", day)
        key = (meant.kind, meant.owner)
        if key not in entered:
            # Two children of one home stand as one line; their hours add up.
            before = minutes[key][1] if key in minutes else 0
            minutes[key] = meant, before + minutes_between(each.came, each.went, activity)
    most = programme.HOURS_MAX * 60
    attendance.fill(tx, by, sheet, [(meant, Decimal(min(n, most)) / 60) for meant, n in minutes.values()])
    return len(minutes)


def minutes_between(came: datetime, went: datetime | None, activity: Activity) -> int:
    """Whole quarters within the activity's time; at least one. Without signing out: exactly one."""
    if went is None:
        return attendance.STEP_MINUTES
    start, end = max(came, activity.starts), min(went, activity.ends)
    quarters = max(0, int((end - start).total_seconds()) + 450) // 900  # half a quarter is rounded up: queues at a door
    return max(1, quarters) * attendance.STEP_MINUTES


def presences(read: Read, ident: str) -> list[Presence]:
    query = select(Presence).where(col(Presence.activity) == ident).order_by(col(Presence.came))
    return list(read.session.execute(query).scalars())


def of_person(read: Read, idents: Sequence[str], person: str) -> tuple[set[str], dict[str, Presence]]:
    """Where this person signed up, and where they came."""
    ups = read.session.execute(
        select(col(Signup.activity)).where(col(Signup.activity).in_(idents), col(Signup.resident) == person)
    ).scalars()
    there = read.session.execute(
        select(Presence).where(col(Presence.activity).in_(idents), col(Presence.resident) == person)
    ).scalars()
    return set(ups), {each.activity: each for each in there}


def served(read: Read, person: str) -> list[tuple[Activity, int]]:
    """What this person took part in and was approved for: the hours a certificate speaks of."""
    rows = read.session.execute(
        select(Activity, col(Row.minutes))
        .join(Sheet, col(Sheet.activity) == col(Activity.id))
        .join(Row, col(Row.sheet) == col(Sheet.id))
        .where(col(Sheet.state) == "approved", col(Row.owner_kind) == "person", col(Row.owner) == person)
        .order_by(col(Activity.starts).desc())
        .limit(200)
    )
    return [(activity, int(minutes)) for activity, minutes in rows]


def _came(tx: Tx, made: Presence, found: Activity) -> Presence:
    tx.session.add(made)
    tx.session.flush()
    tx.emit(CameToActivity, activity=found.id, resident=made.resident, by=made.by)
    tx.touch("activities.present", f"{found.area}-{found.id}")
    return made


def _elsewhere(tx: Tx, sheet: Sheet) -> set[tuple[str, str]]:
    rows = tx.session.execute(
        select(col(Row.owner_kind), col(Row.owner))
        .join(Sheet, col(Sheet.id) == col(Row.sheet))
        .where(col(Sheet.activity) == sheet.activity, col(Sheet.id) != sheet.id)
    )
    return {(kind, owner) for kind, owner in rows}


def _locked(tx: Tx, ident: str) -> Activity:
    found = tx.session.get(Activity, ident, populate_existing=True, with_for_update=True)
    if found is None:
        raise NotFound(_("There is no such activity"))
    return found


def _resident(by: Subject, found: Activity) -> str:
    if by.kind != "resident" or by.person is None or by.area != found.area:
        raise NotAllowed(_("Residents of this community take part"))
    return by.person


def _now_on(tx: Tx, found: Activity) -> None:
    if found.state != "planned":
        raise Conflict(_("This activity was cancelled"))
    if not found.starts - EARLY <= tx.now() <= found.ends + LATE:
        raise Conflict(_("One signs in and out while the activity takes place"))


def _right(read: Read, ident: str, digits: str) -> None:
    given = "".join(each for each in digits if each.isdigit())
    window, _left = _window(read.now())
    if given not in {_digits(read, ident, window - back) for back in range(GRACE_CODES + 1)}:
        raise Refused(_("This code does not hold any more; read the one on the screen now"))


def _window(now: datetime) -> tuple[int, int]:
    seconds = int(now.timestamp())
    return seconds // CODE_S, CODE_S - seconds % CODE_S


def _digits(read: Read, ident: str, window: int) -> str:
    return f"{int(read.seal.mark(f'{ident}:{window}', 'activities.code'), 16) % 1_000_000:06}"

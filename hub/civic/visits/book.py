"""The book of visits: asked for by the ladder or by the desk, handed over, and ended when nobody need go any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlmodel import col

from hub import directory, reach
from hub.access import Subject
from hub.civic.visits import rounds, rules
from hub.civic.visits.events import (
    RoundGiven,
    VisitCancelled,
    VisitHandedOver,
    VisitOpened,
    VisitOverdue,
    VisitsEnded,
)
from hub.civic.visits.models import Round, Visit
from hub.civic.visits.rules import OPEN, WORDS_CHARS_MAX
from hub.db import Read, Tx
from hub.directory import Building, Household, Resident, Staff
from hub.errors import Conflict, NotFound, Refused
from hub.events import HelpAnswered, HelpWanted, NoticeEnded, NoticeReleased, NoticeSeen, VisitWanted
from hub.i18n import _
from hub.reach import ReachNotice
from hub.upsert import insert_for

HELP = "help|"  # such a visit's key is this and the task
PAGE_VISITS = 5_000  # ended in one transaction, 30 ms; the rest of a city's follow within the clock's next round
PAGE_LATE = 200  # each is an event


def on_wanted(tx: Tx, event: VisitWanted) -> None:
    """The ladder asks. Asked again for the same door, it is the same visit, perhaps for one person more."""
    if event.expires is not None and event.expires <= tx.now():
        return
    key = f"{event.notice}|{event.revision}|{event.household}"
    home = tx.session.get_one(Household, event.household)
    whom = f" {event.resident} " if event.resident else " "
    row = _row(tx, home, event.priority, event.rank, event.expires) | {
        "key": key, "whom": whom, "notice": event.notice, "revision": event.revision, "title": event.title[:120],
        "reason": event.reason if event.reason in rules.REASONS else "unseen",
    }  # fmt: skip
    fresh = insert_for(tx)(Visit).values(row).on_conflict_do_nothing(index_elements=["key"])
    if tx.session.execute(fresh.returning(col(Visit.id))).scalar() is None:
        _ask_again(tx, key, event.resident)
    else:
        touch(tx, event.area, str(row["worker"]))


def _ask_again(tx: Tx, key: str, resident: str | None) -> None:
    found = tx.session.execute(_locked(col(Visit.key) == key)).scalar_one()
    # A visit to anybody behind the door would be over with the first reader: whoever is named must be met.
    if found.state in OPEN and resident and f" {resident} " not in found.whom:
        found.whom = f"{found.whom}{resident} "
        tx.session.add(found)
        tx.session.flush()
        touch(tx, found.area, found.worker)


def on_help(tx: Tx, event: HelpWanted) -> None:
    """A call for help is a door at once, whoever asks how often. Its words stay with the task, and it ends with that
    and not with the notice."""
    home = tx.session.get_one(Household, event.household)
    pressing = event.priority if event.priority == "emergency" else "urgent"
    row = _row(tx, home, pressing, door_rank(tx, home), None) | {
        "key": f"{HELP}{event.task}", "whom": f" {event.resident} ", "title": event.title[:120], "reason": "help",
        "due": event.due,
    }  # fmt: skip
    owner = tx.session.get(Staff, event.owner) if event.owner else None
    walks = owner is not None and owner.id in {each.id for each in rounds.walkers(tx, home.area)}
    if owner is not None and walks and owner.household != home.id:
        row |= {"worker": owner.id, "holders": f" {owner.id} "}  # one person for the task and for the door
    fresh = insert_for(tx)(Visit).values(row).on_conflict_do_nothing(index_elements=["key"])
    made = tx.session.execute(fresh.returning(col(Visit.id))).scalar()
    if made is not None:
        tx.emit(VisitOpened, visit=made, area=home.area, worker=str(row["worker"]))
        touch(tx, home.area, str(row["worker"]))


def on_answered(tx: Tx, event: HelpAnswered) -> None:
    asked = _locked(col(Visit.key) == f"{HELP}{event.task}", col(Visit.state).in_(OPEN))
    for each in tx.session.execute(asked).scalars().all():
        _cancel(tx, each, "answered")


def task_of(found: Visit) -> str:
    """The resident's call for help that this visit answers; empty for any other visit."""
    return found.key.removeprefix(HELP) if found.reason == "help" else ""


def by_hand(tx: Tx, who: Subject, household: str, words: str) -> Visit:
    """The desk sends somebody, whatever for: a resident has asked for help, or nobody has seen her for days."""
    home = tx.session.get(Household, household)
    if home is None or not who.may("visits.desk", directory.area(tx, home.area).path):
        raise NotFound(_("There is no such door here"))
    said = words.strip()
    if not 0 < len(said) <= WORDS_CHARS_MAX:
        raise Refused(_("Say in 1 to {n} characters what the visit is for").format(n=WORDS_CHARS_MAX))
    ident = tx.new_id()
    row = _row(tx, home, "important", door_rank(tx, home), None) | {
        "id": ident, "key": f"hand|{ident}", "words": said, "reason": "hand",
    }  # fmt: skip
    made = Visit(**row)
    tx.session.add(made)
    tx.session.flush()
    tx.emit(VisitOpened, visit=ident, area=home.area, worker=made.worker)
    touch(tx, home.area, made.worker)
    return made


def _row(tx: Tx, home: Household, priority: str, rank: int, expires: datetime | None) -> dict[str, Any]:
    grid = tx.session.get_one(Building, home.building).grid
    worker = rounds.walker(tx, home.area, grid, home.id)
    return {
        "id": tx.new_id(), "area": home.area, "grid": grid, "household": home.id, "whom": " ", "notice": "",
        "revision": 0, "title": "", "priority": priority if priority in rules.PRESSING else "routine", "rank": rank,
        "words": "", "opened_at": tx.now(), "opened_by": tx.actor.id, "due": rules.due(priority, tx.now(), expires),
        "overdue": False, "state": "open", "worker": worker, "holders": f" {worker} " if worker else " ", "tries": 0,
        "tried": " ", "result": "", "why": "",
    }  # fmt: skip


def door_rank(read: Read, home: Household) -> int:
    return rules.weight(risks(read, home, directory.members(read, home.id)))


def risks(read: Read, home: Household, members: Sequence[Resident]) -> tuple[str, ...]:
    """As of today: the tag is as old as the last census, a birthday is not."""
    today = read.now().date()
    tags = {tag for text in (home.tags, *(each.tags for each in members)) for tag in text.split()}
    if any(directory.age(each.born, today) >= directory.AGED for each in members):
        tags.add("aged80")
    return tuple(risk for risk in rules.RISKS if risk in tags)


def visit(read: Read, ident: str, *, lock: bool = False) -> Visit:
    query = _locked(col(Visit.id) == ident) if lock else select(Visit).where(col(Visit.id) == ident)
    found: Visit | None = read.session.execute(query.execution_options(populate_existing=True)).scalar()
    if found is None:
        raise NotFound(_("There is no such visit"))
    return found


def at_desk(tx: Tx, who: Subject, ident: str) -> Visit:
    """An open visit of a place where this one keeps the desk; for anybody else it does not exist."""
    found = visit(tx, ident, lock=True)
    if not who.may("visits.desk", directory.area(tx, found.area).path):
        raise NotFound(_("There is no such visit"))
    if found.state not in OPEN:
        raise Conflict(_("This visit is over already"))
    return found


def hand_over(tx: Tx, who: Subject, ident: str, worker: str) -> Visit:
    """To another worker; from the desk's hands it goes out again, with its tries counted anew."""
    found = at_desk(tx, who, ident)
    staff = tx.session.get(Staff, worker)
    if staff is None or worker not in {each.id for each in rounds.walkers(tx, found.area)}:
        raise Refused(_("This is no grid worker of this community"))
    if staff.household == found.household:
        raise Refused(_("Nobody calls at their own household"))
    if found.state == "desk":
        found.state, found.tries, found.again_at = "open", 0, None
    assign(tx, found, worker)
    return found


def assign(tx: Tx, found: Visit, worker: str) -> None:
    before, found.worker = found.worker, worker
    if worker and f" {worker} " not in found.holders:
        found.holders = f"{found.holders}{worker} "
    tx.session.add(found)
    tx.session.flush()
    if before != worker:
        tx.emit(VisitHandedOver, visit=found.id, before=before, worker=worker)
    touch(tx, found.area, before, worker)


def give_round(tx: Tx, who: Subject, area: str, grid: int, staff: str) -> None:
    """From now on this one walks the grid; what is still open there goes along, but for the own household's."""
    who.require("visits.desk", directory.area(tx, area).path)
    if staff not in {each.id for each in rounds.walkers(tx, area)}:
        raise Refused(_("This is no grid worker of this community"))
    if grid not in rounds.grids(tx, area):
        raise Refused(_("There is no such grid"))
    row = tx.session.get(Round, (area, grid)) or Round(area=area, grid=grid, staff="")
    before, row.staff = row.staff, staff
    if before == staff:
        return
    tx.session.add(row)
    tx.session.flush()
    tx.emit(RoundGiven, area=area, grid=grid, worker=staff)
    left = tx.session.execute(_locked(col(Visit.area) == area, col(Visit.grid) == grid, col(Visit.state) == "open"))
    for each in left.scalars().all():
        if each.worker in ("", before):
            assign(tx, each, rounds.walker(tx, area, grid, each.household))
    touch(tx, area, before, staff)


def close(tx: Tx, who: Subject, ident: str) -> Visit:
    """The desk needs nobody there any more."""
    found = at_desk(tx, who, ident)
    _cancel(tx, found, "desk")
    return found


def on_seen(tx: Tx, event: NoticeSeen) -> None:
    """Whoever has seen it elsewhere is not called at. A named person's visit ends when all who are named have."""
    homes = select(col(Resident.household)).where(col(Resident.id).in_(event.residents))
    asked = (col(Visit.notice) == event.notice, col(Visit.revision) == event.revision, col(Visit.state).in_(OPEN))
    for each in tx.session.execute(_locked(*asked, col(Visit.household).in_(homes))).scalars().all():
        named = each.whom.split()
        if not named or reach.has_seen(tx, event.notice, event.revision, named) >= set(named):
            _cancel(tx, each, "seen")


def _cancel(tx: Tx, found: Visit, why: str) -> None:
    found.state, found.why, found.closed_at, found.overdue = "cancelled", why, tx.now(), False
    tx.session.add(found)
    tx.session.flush()
    tx.emit(VisitCancelled, visit=found.id, why=why)
    touch(tx, found.area, found.worker)


def on_ended(tx: Tx, event: NoticeEnded) -> None:
    _end(tx, event.notice, event.revision, "ended", col(Visit.revision) <= event.revision)


def on_released(tx: Tx, event: NoticeReleased) -> None:
    """What an older revision asked for is asked for anew, or not, by the new one's own ladder."""
    if event.revision == 1:
        return
    _end(tx, event.notice, event.revision, "revised", col(Visit.revision) < event.revision)


def _end(tx: Tx, notice: str, revision: int, why: str, which: ColumnElement[bool]) -> None:
    page = select(col(Visit.id)).where(col(Visit.notice) == notice, which, col(Visit.state).in_(OPEN))
    ids = list(tx.session.execute(page.order_by(col(Visit.area), col(Visit.id)).limit(PAGE_VISITS)).scalars())
    mine = (col(Visit.id).in_(ids), col(Visit.state).in_(OPEN))
    held = tx.session.execute(select(col(Visit.area), col(Visit.worker)).where(*mine).distinct()).all()
    if not held:
        return
    done = {"state": "cancelled", "why": why, "closed_at": tx.now(), "overdue": False}
    count = tx.change(update(Visit).where(*mine).values(done))
    if count:
        tx.emit(VisitsEnded, notice=notice, revision=revision, why=why, count=count)
    for area, worker in held:
        touch(tx, area, worker)


def left_over(read: Read) -> tuple[str, int] | None:
    """A notice with open visits of a revision that is over; and the last such revision."""
    over = or_(col(ReachNotice.open).is_(False), col(ReachNotice.revision) > col(Visit.revision))
    found = read.session.execute(
        select(col(ReachNotice.notice), col(ReachNotice.revision), col(ReachNotice.open))
        .join(Visit, col(Visit.notice) == col(ReachNotice.notice))
        .where(col(Visit.state).in_(OPEN), over)
        .limit(1)
    ).first()
    if found is None:
        return None
    notice, revision, in_force = found
    return notice, revision - 1 if in_force else revision


def end_left_over(tx: Tx) -> bool:
    """The next page of them. Says whether there was anything to do."""
    found = left_over(tx)
    if found is None:
        return False
    notice, revision = found
    _end(tx, notice, revision, "ended", col(Visit.revision) <= revision)
    return True


def late(now: datetime) -> ColumnElement[bool]:
    return col(Visit.state).in_(OPEN) & (col(Visit.due) <= now) & col(Visit.overdue).is_(False)


def keep_clock(tx: Tx, since: datetime) -> int:
    """Say of each visit once that its time is over, and show what may be tried again from now on."""
    some = select(Visit).where(late(tx.now())).order_by(col(Visit.due), col(Visit.id)).limit(PAGE_LATE)
    over = tx.session.execute(some.with_for_update(skip_locked=True)).scalars().all()
    for each in over:
        each.overdue = True
        tx.session.add(each)
        tx.emit(VisitOverdue, visit=each.id, worker=each.worker)
        touch(tx, each.area, each.worker)
    for area, worker in tx.session.execute(select(col(Visit.area), col(Visit.worker)).where(_back(since, tx.now()))):
        touch(tx, area, worker)
    return len(over)


def is_time(read: Read, since: datetime) -> bool:
    moved = late(read.now()) | _back(since, read.now())
    return read.session.execute(select(col(Visit.id)).where(moved).limit(1)).first() is not None


def _back(since: datetime, now: datetime) -> ColumnElement[bool]:
    return col(Visit.state).in_(OPEN) & (col(Visit.again_at) > since) & (col(Visit.again_at) <= now)


def _locked(*which: ColumnElement[bool]) -> Any:
    return select(Visit).where(*which).with_for_update().execution_options(populate_existing=True)


def touch(tx: Tx, area: str, *workers: str) -> None:
    tx.touch("visits.desk", area)
    tx.touch("visits.work", area)
    for worker in workers:
        if worker:
            tx.touch("visits.mine", worker)

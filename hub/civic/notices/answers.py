"""Residents answer a notice (收到, 有疑问, 需要帮助): the first is proof, the other two open a task at the desk.

A task has an owner and a clock from its first moment. The answer returns by the way the question came: in words by
text message and WeChat, on the page elsewhere; what was asked and answered is sealed and in no event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select
from sqlmodel import col

from channels.base import Message
from hub import directory, outbox, reach
from hub.access import Subject, covers
from hub.civic.notices import active, rules
from hub.civic.notices.events import ResidentAsked, TaskAnswered, TaskOverdue, TaskTaken
from hub.civic.notices.models import Answer, Notice
from hub.db import Read, Tx
from hub.directory import Area, Staff, StaffRole
from hub.errors import Conflict, NotFound, Refused
from hub.events import HelpAnswered, HelpBrought, HelpWanted, PersonalMessage
from hub.i18n import N_, _, speaking
from hub.reach import Proof
from hub.upsert import insert_for

KINDS = {"question": N_("I have a question"), "help": N_("I need help")}
TEXT_CHARS_MAX = 300  # two text messages; whoever needs more telephones
LISTED_MAX = 200
WRITTEN = ("sms", "wechat")  # ways that carry the answer's own words to the one who asked
RETURNS_WITHIN = timedelta(days=3)  # an answer that could not leave for so long is read on the page or told by phone
PERMISSION = "notices.answer"
# Who owns a task first: those who are nearest. A question goes to the notice's author before any of them.
_NEAREST = {"help": ("grid_worker", "staff", "director"), "question": ("staff", "director", "grid_worker")}


def time_for(kind: str, priority: str) -> timedelta:
    """The clock of a task: somebody who needs help in an emergency does not wait for tomorrow's office hours."""
    pressing = priority in ("urgent", "emergency")
    if kind == "help":
        return timedelta(minutes=15 if pressing else 60)
    return timedelta(hours=2 if pressing else 24)


def receive(tx: Tx, who: Subject, ident: str, way: str) -> Notice:
    """收到: the resident says so, which is the highest proof there is."""
    notice = _meant_for(tx, who, ident)
    viewer = reach.resident_viewer(who.id)
    reach.record(tx, Proof(ident, notice.revision, viewer, way, "acknowledged", tx.now(), "answered"))
    tx.touch("notices.mine", who.id)
    return notice


def receive_on_screen(tx: Tx, who: Subject, ident: str) -> None:
    """收到 by a key of the remote: of the screen; of a home's own television, of whoever bound it too."""
    notice = active.notice(tx, ident)
    if not any(covers(path, who.area_path) for path in active.paths_of(tx, ident)) or not notice.everybody:
        raise NotFound(_("There is no such notice"))
    if not rules.holds(notice, tx.now()):
        raise Conflict(_("This notice no longer holds"))
    reach.record(tx, Proof(ident, notice.revision, screen_of(who), "tv", "acknowledged", tx.now(), "key of the remote"))
    if who.person:  # whoever bound this box said that a press of its keys is theirs (hub/box.py)
        mine, why = reach.resident_viewer(who.person), "key of the home's TV"
        reach.record(tx, Proof(ident, notice.revision, mine, "tv", "acknowledged", tx.now(), why))
        tx.touch("notices.mine", who.person)


def screen_of(who: Subject) -> str:
    """The same viewer as of what this screen proves by showing."""
    return reach.screen_viewer(f"{who.surface} {who.session}")


def ask(tx: Tx, who: Subject, ident: str, kind: str, text: str, way: str) -> Answer:
    """有疑问, 需要帮助 from where one can type: a question says what it asks."""
    if kind == "question" and not text.strip():
        raise Refused(_("A question has 1 to {n} characters").format(n=TEXT_CHARS_MAX))
    return open_task(tx, who, ident, kind, text, way)[0]


def open_task(tx: Tx, who: Subject, ident: str, kind: str, text: str, way: str) -> tuple[Answer, bool]:
    """Open the task, or find the one that is open already and add what is new. It is proof of receipt as well.

    From a telephone's `2` it has no words yet: whoever owns it calls back.
    """
    said = text.strip()
    if kind not in KINDS:
        raise Refused(_("Choose one of the answers"))
    if len(said) > TEXT_CHARS_MAX:
        raise Refused(_("A question has 1 to {n} characters").format(n=TEXT_CHARS_MAX))
    notice = receive(tx, who, ident, way)
    area = directory.area(tx, directory.resident(tx, who.id).area)
    before = tx.session.execute(
        select(func.count()).where(
            col(Answer.notice) == ident, col(Answer.resident) == who.id, col(Answer.kind) == kind,
            col(Answer.replied_at).is_not(None),
        )
    ).scalar_one()  # fmt: skip
    key = f"{ident}|{who.id}|{kind}|{before}"
    row = {
        "id": tx.new_id(), "key": key, "notice": ident, "resident": who.id, "area": area.code, "way": way,
        "kind": kind, "text": said, "at": tx.now(), "owner": _owner(tx, notice, area, kind),
        "due": tx.now() + time_for(kind, notice.priority), "overdue": False, "reply": "", "replied_by": "",
    }  # fmt: skip
    fresh = insert_for(tx)(Answer).values(row).on_conflict_do_nothing(index_elements=["key"])
    made = tx.session.execute(fresh.returning(col(Answer.id))).scalar()
    found: Answer = tx.session.execute(select(Answer).where(col(Answer.key) == key)).scalar_one()
    if made is not None:
        tx.emit(ResidentAsked, task=found.id, notice=ident, area=area.code, kind=kind, owner=found.owner)
        if kind == "help":
            home = directory.resident(tx, who.id).household
            tx.emit(
                HelpWanted, task=found.id, area=area.code, household=home, resident=who.id, owner=found.owner,
                priority=notice.priority, title=notice.title, due=found.due,
            )  # fmt: skip
        _touch(tx, found)
    elif said and said not in found.text.splitlines() and len(found.text) + len(said) < TEXT_CHARS_MAX:
        found.text = f"{found.text}\n{said}".strip()
        tx.session.add(found)
        tx.session.flush()
        _touch(tx, found)
    return found, made is not None


def take(tx: Tx, who: Subject, ident: str) -> Answer:
    """From now on this one answers for it."""
    found = task(tx, who, ident)
    if found.replied_at is not None:
        raise Conflict(_("This is answered already"))
    if found.owner != who.id:
        found.owner = who.id
        tx.session.add(found)
        tx.emit(TaskTaken, task=ident, owner=who.id)
        _touch(tx, found)
    return found


def reply(tx: Tx, who: Subject, ident: str, text: str) -> Answer:
    """The answer returns to where it was asked; the other channels only say that there is one."""
    said = text.strip()
    if not 0 < len(said) <= TEXT_CHARS_MAX:
        raise Refused(_("An answer has 1 to {n} characters").format(n=TEXT_CHARS_MAX))
    found = task(tx, who, ident)
    if found.replied_at is not None:
        raise Conflict(_("This is answered already"))
    _answer(tx, found, said, who.id)
    if found.kind == "help":
        tx.emit(HelpAnswered, task=ident)
    return found


def on_brought(tx: Tx, event: HelpBrought) -> None:
    """Somebody has called at the door: that is the answer, unless one was given before."""
    found = tx.session.get(Answer, event.task, populate_existing=True)
    if found is not None and found.replied_at is None:
        with speaking("zh"):
            said = _("Somebody of the community has called at your door. If you still need help, please answer again.")
        _answer(tx, found, said, event.by)


def _answer(tx: Tx, found: Answer, said: str, by: str) -> None:
    found.reply, found.replied_by, found.replied_at, found.overdue = said, by, tx.now(), False
    found.owner = found.owner or by
    tx.session.add(found)
    tx.session.flush()
    tx.emit(TaskAnswered, task=found.id, notice=found.notice, by=by)
    _return(tx, found)
    _touch(tx, found)


def _return(tx: Tx, found: Answer) -> None:
    """By the way the question came, in its own words; other ways only say that there is an answer, on every channel."""
    with speaking("zh"):  # not the language of whoever sits at the desk
        title, text = _("The community has answered you"), _("Open the notice to read the answer")
    zone = directory.area(tx, found.area).tz
    message = Message(
        notice_id=f"{found.id}-answer", revision=1, priority="routine", kind="answer", title=title, text=found.reply,
        area_name="", issuer="", sent_at=tx.now(), expires=tx.now() + RETURNS_WITHIN, url=f"/n/{found.notice}",
        zone=zone,
    )  # fmt: skip
    if found.way not in WRITTEN or not outbox.tell(tx, message, found.resident, found.way):
        tx.emit(PersonalMessage, resident=found.resident, kind="notice", title=title, text=text)


def keep_clock(tx: Tx) -> int:
    """Say of each task once that its time is over."""
    late = (
        tx.session.execute(select(Answer).where(_LATE).with_for_update(skip_locked=True), {"now": tx.now()})
        .scalars()
        .all()
    )
    for each in late:
        each.overdue = True
        tx.session.add(each)
        tx.emit(TaskOverdue, task=each.id, owner=each.owner)
        _touch(tx, each)
    return len(late)


def is_late(read: Read) -> bool:
    return read.session.execute(_ANY_LATE, {"now": read.now()}).first() is not None


_LATE = col(Answer.replied_at).is_(None) & (col(Answer.due) <= bindparam("now")) & col(Answer.overdue).is_(False)
_ANY_LATE = select(col(Answer.id)).where(_LATE).limit(1)  # made once: it is asked twice a second for ever


def task(read: Read, who: Subject, ident: str) -> Answer:
    """A task in a place where this one answers residents; for anybody else it does not exist."""
    found = read.session.get(Answer, ident, populate_existing=True)
    if found is None or not who.may(PERMISSION, directory.area(read, found.area).path):
        raise NotFound(_("There is no such task"))
    return found


def waiting(read: Read, area: str) -> Sequence[Answer]:
    """What waits in an area and below, help before questions and the next due first."""
    waits = _below(read, area, col(Answer.replied_at).is_(None))
    return read.session.execute(waits.order_by(col(Answer.kind) != "help", col(Answer.due))).scalars().all()


def answered(read: Read, area: str, limit: int = 10) -> Sequence[Answer]:
    done = _below(read, area, col(Answer.replied_at).is_not(None))
    return read.session.execute(done.order_by(col(Answer.replied_at).desc()).limit(limit)).scalars().all()


def of_resident(read: Read, resident: str) -> Sequence[Answer]:
    """Newest first: what this resident asked, with what came back."""
    mine = select(Answer).where(col(Answer.resident) == resident).order_by(col(Answer.id).desc()).limit(10)
    return read.session.execute(mine.execution_options(populate_existing=True)).scalars().all()


def _below(read: Read, area: str, rule: ColumnElement[bool]) -> Select[Any]:
    place = read.session.get(Area, area)
    path = place.path if place else "nowhere"
    within = or_(col(Area.path) == path, col(Area.path).startswith(f"{path}/"))
    found = select(Answer).join(Area, col(Area.code) == col(Answer.area)).where(within, rule).limit(LISTED_MAX)
    return found.execution_options(populate_existing=True)


def _meant_for(read: Read, who: Subject, ident: str) -> Notice:
    found = active.notice(read, ident)
    home = directory.area(read, directory.resident(read, who.id).area)
    if not any(covers(path, home.path) for path in active.paths_of(read, ident)):
        raise NotFound(_("There is no such notice"))
    if not rules.holds(found, read.now()):
        raise Conflict(_("This notice no longer holds"))
    return found


def _owner(read: Read, notice: Notice, area: Area, kind: str) -> str:
    """The one in the resident's own community with the fewest tasks; the author first, where it is a question."""
    rows = read.session.execute(
        select(col(StaffRole.role), col(StaffRole.area), col(Staff.id))
        .join(Staff, col(Staff.id) == col(StaffRole.staff))
        .where(
            col(StaffRole.area).in_(area.path.split("/")), col(StaffRole.role).in_(_NEAREST[kind]), col(Staff.active)
        )
    ).all()
    if kind == "question" and notice.drafted_by in {staff for _role, _place, staff in rows}:
        return notice.drafted_by
    held = select(col(Answer.owner), func.count()).where(col(Answer.replied_at).is_(None), col(Answer.owner) != "")
    busy = {owner: int(n) for owner, n in read.session.execute(held.group_by(col(Answer.owner)))}
    near = sorted((at != area.code, _NEAREST[kind].index(role), busy.get(each, 0), each) for role, at, each in rows)
    return near[0][-1] if near else ""


def _touch(tx: Tx, found: Answer) -> None:
    tx.touch("notices.mine", found.resident)
    for code in directory.area(tx, found.area).path.split("/"):
        tx.touch("notices.answers", code)
        tx.touch("notices.asked", code)

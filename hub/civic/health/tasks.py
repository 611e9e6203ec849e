"""The doctor's tasks: an urgent value that its owner lets the family doctor know, to be followed up within two weeks.

A call or a visit is the follow-up and closes the task; a referral keeps it open, with two weeks more. Every step stays
on record, also when it was undone. Whoever takes their agreement back takes their tasks off the list at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlmodel import col

from hub import directory
from hub.civic.health import alerts, consents
from hub.civic.health.alerts import FOLLOW_UP_DAYS
from hub.civic.health.events import DoctorAnswered, TaskChanged, TaskHeld
from hub.civic.health.models import HealthAlert, HealthStep, HealthTask
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotFound, Refused
from hub.events import AlertRaised, ReadingRebound
from hub.i18n import N_, _

TOPIC = "health.triage"
CLOSES = ("called", "visited")
ACTIONS: Mapping[str, str] = {"called": N_("Called"), "visited": N_("Visited"), "referred": N_("Referred")}
RECENT = timedelta(days=7)  # a closed task stays in sight that long, and may be undone
LIST_MAX = 100


def on_raised(tx: Tx, event: AlertRaised) -> None:
    """Listener: whoever agreed beforehand need not be asked when a value is confirmed."""
    alert = tx.session.get(HealthAlert, event.alert)
    if alert is None or alert.level != "confirmed" or alert.told_doctor is not None:
        return
    person = alerts.owner(tx, alert)
    if person is not None and consents.stands(tx, person, consents.DOCTOR):
        alert.told_doctor = True
        tx.session.add(alert)
        _open(tx, alert, person, "standing")


def on_answered(tx: Tx, event: DoctorAnswered) -> None:
    """Listener: the resident said yes for this one value."""
    if event.yes:
        _open(tx, alerts.get(tx, event.alert), event.person, event.basis)


def on_rebound(tx: Tx, event: ReadingRebound) -> None:
    """Listener: the value was not theirs after all, so no doctor follows them up for it."""
    told = select(col(HealthAlert.id)).where(
        or_(col(HealthAlert.reading) == event.reading, col(HealthAlert.confirmed_by) == event.reading)
    )
    rule = select(HealthTask).where(col(HealthTask.alert).in_(told), col(HealthTask.state) != "withdrawn")
    for task in tx.session.execute(rule).scalars():
        if task.person != event.person:
            take_away(tx, task)


def act(tx: Tx, ident: str, what: str) -> HealthTask:
    """【已电话随访】【已上门】【已转诊】: one tap."""
    task = get(tx, ident)
    if what not in ACTIONS:
        raise Refused(_("A task is called, visited or referred"))
    if task.state != "open":
        raise Conflict(_("This task is closed already"))
    hold(tx, task, tx.actor.id)
    tx.session.add(HealthStep(id=tx.new_id(), task=task.id, what=what, by=tx.actor.id, at=tx.now()))
    _settle(tx, task, what)
    return task


def hold(tx: Tx, task: HealthTask, by: str) -> None:
    """【我来处理】: the first to say so has it, and nobody else is asked any more."""
    if task.state != "open":
        raise Conflict(_("This task is closed already"))
    if task.held_by is None:
        task.held_by, task.held_at = by, tx.now()
        tx.session.add(task)
        tx.session.flush()
        tx.emit(TaskHeld, task=task.id)
        redraw(tx, task)


def undo(tx: Tx, ident: str) -> HealthTask:
    """The last step did not happen after all; its line stays, crossed out."""
    task = get(tx, ident)
    standing = [step for step in steps(tx, task.id) if step.undone_at is None]
    if task.state == "withdrawn" or not standing or tx.now() - standing[-1].at > RECENT:
        raise Conflict(_("There is nothing to undo"))
    last = standing[-1]
    last.undone_at, last.undone_by = tx.now(), tx.actor.id
    tx.session.add(last)
    _settle(tx, task, "undone")
    return task


def withdraw(tx: Tx, person: str) -> None:
    """No doctor is told any more: open tasks go, and what was told of is told of no longer."""
    rule = select(HealthTask).where(col(HealthTask.person) == person, col(HealthTask.state) != "withdrawn")
    for task in tx.session.execute(rule).scalars():
        take_away(tx, task)


def take_away(tx: Tx, task: HealthTask) -> None:
    task.state = "withdrawn"
    tx.session.add(task)
    alert = tx.session.get(HealthAlert, task.alert)
    if alert is not None:
        alert.told_doctor = False
        tx.session.add(alert)
    _changed(tx, task, "withdrawn")


def get(read: Read, ident: str) -> HealthTask:
    task = read.session.get(HealthTask, ident)
    if task is None or task.state == "withdrawn":
        raise NotFound(_("There is no such task"))
    return task


def steps(read: Read, task: str) -> list[HealthStep]:
    """What was done about it, oldest first."""
    rule = select(HealthStep).where(col(HealthStep.task) == task)
    return list(read.session.execute(rule.order_by(col(HealthStep.at), col(HealthStep.id))).scalars())


def of_person(read: Read, person: str) -> list[HealthTask]:
    rule = select(HealthTask).where(col(HealthTask.person) == person, col(HealthTask.state) != "withdrawn")
    return list(read.session.execute(rule.order_by(col(HealthTask.opened).desc()).limit(LIST_MAX)).scalars())


def below(read: Read, area_path: str, state: str) -> list[HealthTask]:
    """The tasks of an area in one state; of the closed ones only the recent."""
    rule = select(HealthTask).join(Area, col(Area.code) == col(HealthTask.area)).where(col(HealthTask.state) == state)
    if area_path:
        rule = rule.where(or_(col(Area.path) == area_path, col(Area.path).startswith(area_path + "/")))
    if state == "done":
        recent = select(col(HealthStep.task)).where(col(HealthStep.at) > read.now() - RECENT)
        rule = rule.where(col(HealthTask.id).in_(recent))
    return list(
        read.session.execute(rule.order_by(col(HealthTask.due), col(HealthTask.opened)).limit(LIST_MAX)).scalars()
    )


def overdue(read: Read, task: HealthTask) -> bool:
    return task.state == "open" and _today(read, task.area) > task.due


def _open(tx: Tx, alert: HealthAlert, person: str, basis: str) -> None:
    known = tx.session.execute(select(HealthTask).where(col(HealthTask.alert) == alert.id)).scalar_one_or_none()
    task = known or HealthTask(
        id=tx.new_id(),
        alert=alert.id,
        person=person,
        area=alert.area,
        basis=basis,
        opened=tx.now(),
        due=alert.due or _today(tx, alert.area) + timedelta(days=FOLLOW_UP_DAYS),
    )
    if known is not None:
        task.state, task.basis = "open", basis
    task.rung, task.rung_at, task.held_by, task.held_at = 0, tx.now(), None, None
    tx.session.add(task)
    _changed(tx, task, "opened")


def _settle(tx: Tx, task: HealthTask, what: str) -> None:
    """The task's state and day follow from the steps that stand."""
    tx.session.flush()
    standing: Sequence[HealthStep] = [step for step in steps(tx, task.id) if step.undone_at is None]
    task.state = "done" if any(step.what in CLOSES for step in standing) else "open"
    referred = [step for step in standing if step.what == "referred"]
    alert = alerts.get(tx, task.alert)
    zone = ZoneInfo(directory.area(tx, task.area).tz)
    begun = referred[-1].at.astimezone(zone).date() if referred else None
    first = alert.due or task.due
    task.due = begun + timedelta(days=FOLLOW_UP_DAYS) if begun is not None else first
    tx.session.add(task)
    _changed(tx, task, what)


def _today(read: Read, area: str) -> date:
    return read.now().astimezone(ZoneInfo(directory.area(read, area).tz)).date()


def _changed(tx: Tx, task: HealthTask, what: str) -> None:
    tx.session.flush()
    tx.emit(TaskChanged, task=task.id, what=what)
    redraw(tx, task)


def redraw(tx: Tx, task: HealthTask) -> None:
    """The lists on which it stands: the doctors', the pads', and its person's own page."""
    for path in alerts.paths_above(tx, task.area):
        tx.touch(TOPIC, path)
        tx.touch(alerts.PAD_TOPIC, path)
    tx.touch(consents.TOPIC, task.person)

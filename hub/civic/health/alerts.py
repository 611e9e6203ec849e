"""Urgent values and calls: who must look, until when. A row names a hut, never a person and never a value.

A first urgent pressure or saturation asks for a second one; the second confirms it. Pulse and fever are urgent at once,
and so is a first value of someone who says they feel ill (devices.md 5, S-2).
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col

from hub.civic.health.events import AlertDone, AlertOpened, AlertTaken, AttendantCalled, DoctorAnswered
from hub.civic.health.models import HealthAlert, KioskSession
from hub.civic.health.rules import Band, confirms, rulesets
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotFound
from hub.events import AlertRaised
from hub.i18n import _
from hub.readings import Reading

DESK_TOPIC, PAD_TOPIC, TRUST_TOPIC = "health.desk", "health.pad", "health.trust"
FOLLOW_UP_DAYS = 14  # national norms: refer, and follow up within two weeks
OPEN_LIST_MAX = 50


def raise_urgent(
    tx: Tx, band: Band, *, reading: str, session: str | None, hut: str | None, area: str, person: str | None = None
) -> HealthAlert:
    """An urgent band: a new alert, or the confirmation of the one this person's first value raised."""
    known = _of_reading(tx, reading, band.measure)
    if known is not None:
        return known
    confirm = rulesets()[band.ruleset].confirm
    first = _first_of(tx, band.measure, session, person)
    if first is not None:
        first.session = session  # the visit at hand asks the questions, also when the first value was of the one before
        tx.session.add(first)
        if first.level == "first" and confirms(confirm, (tx.now() - first.raised).total_seconds()):
            first.confirmed_by = reading
            _confirm(tx, first)
        return first
    alert = HealthAlert(
        id=tx.new_id(),
        session=session,
        reading=reading,
        level="first" if confirm is not None else "confirmed",
        rule=band.measure,
        ruleset=band.ruleset,
        version=band.version,
        hut=hut,
        area=area,
        raised=tx.now(),
        due=tx.now().date() + timedelta(days=FOLLOW_UP_DAYS),
    )
    tx.session.add(alert)
    tx.session.flush()
    _announce(tx, alert, reading)
    return alert


def feels_ill(tx: Tx, session: KioskSession) -> None:
    """A single urgent value and a symptom: no second measurement is waited for; the attendant is called."""
    for alert in of_session(tx, session.id):
        if alert.level == "first" and alert.state == "open":
            _confirm(tx, alert)
    call(tx, session)


def call(tx: Tx, session: KioskSession) -> None:
    """叫工作人员: one open call per visit, however often the button is pressed."""
    if called(tx, session.id):
        return
    alert = HealthAlert(
        id=tx.new_id(),
        session=session.id,
        level="call",
        rule="attendant",
        hut=session.hut,
        area=session.area,
        raised=tx.now(),
    )
    tx.session.add(alert)
    tx.session.flush()
    tx.emit(AttendantCalled, alert=alert.id, hut=session.hut, area=session.area)
    redraw(tx, alert)


def tell_doctor(tx: Tx, session: KioskSession, yes: bool) -> None:
    """【告诉家庭医生】【不用】: only a named visit can say yes; a no sends nothing."""
    for alert in of_session(tx, session.id):
        if alert.level == "confirmed" and alert.told_doctor is None:
            _answer(tx, alert, session.person, yes, "kiosk")


def answer(tx: Tx, ident: str, person: str, yes: bool) -> None:
    """The same asked on the phone: about one's own values only, and while it is still open."""
    alert = tx.session.get(HealthAlert, ident)
    if alert is None or owner(tx, alert) != person:
        raise NotFound(_("There is no such alert"))
    if alert.level == "confirmed" and alert.told_doctor is None:
        _answer(tx, alert, person, yes, "app")


def _answer(tx: Tx, alert: HealthAlert, person: str | None, yes: bool, basis: str) -> None:
    alert.told_doctor = yes and person is not None
    tx.session.add(alert)
    tx.session.flush()
    if person is not None:
        tx.emit(DoctorAnswered, alert=alert.id, person=person, yes=yes, basis=basis)
        tx.touch(TRUST_TOPIC, person)
    redraw(tx, alert)


def unanswered(read: Read, person: str) -> list[HealthAlert]:
    """Confirmed values of this person of which nobody has said yet whether the doctor is to hear."""
    rule = (
        select(HealthAlert)
        .join(Reading, col(Reading.id) == col(HealthAlert.reading))
        .where(
            col(Reading.person) == person,
            col(HealthAlert.level) == "confirmed",
            col(HealthAlert.told_doctor).is_(None),
            col(HealthAlert.raised) > read.now() - timedelta(days=FOLLOW_UP_DAYS),
        )
    )
    return list(read.session.execute(rule.order_by(col(HealthAlert.raised).desc())).scalars())


def owner(read: Read, alert: HealthAlert) -> str | None:
    """Whose value it was; nobody's when a guest's or an unclaimed one."""
    reading = read.session.get(Reading, alert.reading) if alert.reading else None
    return reading.person if reading is not None else None


def take(tx: Tx, ident: str) -> None:
    """【我来了】: the kiosk says that somebody is coming, and the other pads that somebody has it."""
    alert = get(tx, ident)
    if alert.state == "done":
        raise Conflict(_("This has been dealt with already"))
    if alert.taken_by is None:
        alert.taken_by, alert.taken_at = tx.actor.id, tx.now()
        tx.session.add(alert)
        tx.session.flush()
        tx.emit(AlertTaken, alert=alert.id)
        redraw(tx, alert)


def look_at(tx: Tx, ident: str) -> HealthAlert:
    """A member of staff opens the values behind an alert; that is on record."""
    alert = get(tx, ident)
    if alert.reading is not None:
        tx.emit(AlertOpened, alert=alert.id, reading=alert.reading)
    return alert


def finish(tx: Tx, ident: str) -> None:
    alert = get(tx, ident)
    if alert.state == "done":
        raise Conflict(_("This has been dealt with already"))
    alert.state, alert.done_by, alert.done_at = "done", tx.actor.id, tx.now()
    tx.session.add(alert)
    tx.session.flush()
    tx.emit(AlertDone, alert=alert.id)
    redraw(tx, alert)


def get(read: Read, ident: str) -> HealthAlert:
    alert = read.session.get(HealthAlert, ident)
    if alert is None:
        raise NotFound(_("There is no such alert"))
    return alert


def of_session(read: Read, session: str) -> list[HealthAlert]:
    rule = (
        select(HealthAlert)
        .where(col(HealthAlert.session) == session)
        .order_by(col(HealthAlert.raised), col(HealthAlert.id))
    )
    return list(read.session.execute(rule).scalars())


def called(read: Read, session: str) -> bool:
    """Whether this visit's call still waits for someone."""
    return any(alert.level == "call" and alert.state == "open" for alert in of_session(read, session))


def open_below(read: Read, area_path: str) -> list[HealthAlert]:
    """What waits in an area, the gravest and oldest first."""
    rule = (
        select(HealthAlert).join(Area, col(Area.code) == col(HealthAlert.area)).where(col(HealthAlert.state) == "open")
    )
    if area_path:
        rule = rule.where((col(Area.path) == area_path) | col(Area.path).startswith(area_path + "/"))
    found = list(read.session.execute(rule.order_by(col(HealthAlert.raised).desc()).limit(OPEN_LIST_MAX)).scalars())
    order = {"confirmed": 0, "call": 1, "first": 2}
    return sorted(found, key=lambda alert: (order[alert.level], alert.raised))


def _of_reading(read: Read, reading: str, measure: str) -> HealthAlert | None:
    rule = select(HealthAlert).where(
        (col(HealthAlert.reading) == reading) | (col(HealthAlert.confirmed_by) == reading),
        col(HealthAlert.rule) == measure,
    )
    return read.session.execute(rule).scalars().first()


def _first_of(read: Read, measure: str, session: str | None, person: str | None) -> HealthAlert | None:
    """The alert that an earlier value of this visit, or of this person's visit just before, has raised."""
    if session is None:
        return None
    rule = select(HealthAlert).where(
        col(HealthAlert.rule) == measure,
        col(HealthAlert.state) == "open",
        col(HealthAlert.level).in_(("first", "confirmed")),
    )
    if person is None:
        rule = rule.where(col(HealthAlert.session) == session)
    else:
        visits = select(col(KioskSession.id)).where(col(KioskSession.person) == person)
        since = read.now() - timedelta(hours=1)
        rule = rule.where(col(HealthAlert.session).in_(visits), col(HealthAlert.raised) >= since)
    return read.session.execute(rule.order_by(col(HealthAlert.raised).desc())).scalars().first()


def _confirm(tx: Tx, alert: HealthAlert) -> None:
    alert.level = "confirmed"
    tx.session.add(alert)
    tx.session.flush()
    _announce(tx, alert, alert.confirmed_by or alert.reading or "")


def _announce(tx: Tx, alert: HealthAlert, reading: str) -> None:
    tx.emit(
        AlertRaised,
        alert=alert.id,
        rule=f"{alert.ruleset}@{alert.version}",
        level=alert.level,
        hut=alert.hut,
        area=alert.area,
        reading=reading,
    )
    redraw(tx, alert)
    person = owner(tx, alert)
    if person is not None:
        tx.touch(TRUST_TOPIC, person)


def redraw(tx: Tx, alert: HealthAlert) -> None:
    """Draw the lists of every area above anew, and the kiosk that may show the alert's sentence."""
    for path in paths_above(tx, alert.area):
        tx.touch(DESK_TOPIC, path)
        tx.touch(PAD_TOPIC, path)
    if alert.hut is not None:
        tx.touch("health.kiosk", alert.hut)


def paths_above(read: Read, code: str) -> list[str]:
    """The path of an area and of every area above it: whoever watches one of them sees what happens here."""
    area = read.session.get(Area, code)
    parts = area.path.split("/") if area else []
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]

"""叫人: each rung of an alarm calls its people (duty.py); they hear when it eases and when it is over.

What is not grave waits a little for others, so that a street's switch is one call and not forty. An answer from the
call itself, by its link or by a text message, is an acknowledgement like one on the board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import delete, func, select
from sqlmodel import col

from hub import calls
from hub.access import Subject
from hub.calls import StaffCall, Words
from hub.civic.operations import acts, alarms, duty, rulebook, scope, work
from hub.civic.operations.alarms import AlarmAnswered, AlarmChanged
from hub.civic.operations.models import Alarm, Hold, RuleSet, Summons
from hub.civic.operations.rulebook import LEVELS, Rulebook
from hub.contacts import StaffContact
from hub.db import Read, Tx
from hub.directory import Area
from hub.events import CallMoved
from hub.i18n import N_, _, pick, speaking
from hub.registry import Device, Gateway, Hut

PRIORITY = {"info": "routine", "warn": "important", "bad": "urgent"}
LOST = ("dead", "unreachable", "expired")
BEGUN, EASED, OVER, TEST = "begun", "eased", "over", "test"
HOUR = timedelta(hours=1)
STATES: Mapping[str, str] = {
    "planned": N_("waits to be sent"),
    "claimed": N_("is on its way"),
    "accepted": N_("handed to the provider"),
    "delivered": N_("on the phone"),
    "shown": N_("on the phone"),
    "seen": N_("opened"),
    "acknowledged": N_("answered"),
    "cancelled": N_("not needed any more"),
    "expired": N_("ran out"),
    "dead": N_("could not be sent"),
    "unreachable": N_("did not arrive"),
}
WHATS: Mapping[str, str] = {BEGUN: N_("Alarm"), EASED: N_("Eased"), OVER: N_("Over again"), TEST: N_("Test call")}


@dataclass(frozen=True, slots=True)
class Told:
    """One call as the page of an alarm shows it."""

    id: str
    who: str
    channel: str
    role: str
    what: str  # msgid
    level: str
    at: datetime
    state: str
    word: str  # msgid
    reason: str
    moved: datetime
    until: datetime | None  # what holds it back ends then
    count: int


def on_alarm(tx: Tx, event: AlarmChanged) -> None:
    alarm = tx.session.get_one(Alarm, event.alarm)
    last = _last(tx, alarm.id)
    if event.what in ("cleared", "ended"):
        for link in last.values():
            _again(tx, alarm, link, OVER, event.look)
        for still in _behind(tx, alarm):
            _begin(tx, still, _last(tx, still.id), event.look)
        return
    reached = max((LEVELS.index(link.level) for link in last.values() if link.what == BEGUN), default=-1)
    if event.what == "level" and LEVELS.index(alarm.level) < reached:
        for link in last.values():
            if link.what == BEGUN and LEVELS.index(link.level) > LEVELS.index(alarm.level):
                _again(tx, alarm, link, EASED, event.look)
    else:
        _begin(tx, alarm, last, event.look)


def on_answered(tx: Tx, event: AlarmAnswered) -> None:
    """Somebody has it: who has not been called yet need not be."""
    for link in _last(tx, event.alarm).values() if event.acked else ():
        call = tx.session.get(StaffCall, link.call, populate_existing=True)
        if call is not None and link.what == BEGUN and not call.left:
            _leave(tx, link, call, "somebody has it")


def on_moved(tx: Tx, event: CallMoved) -> None:
    """A call was answered: its alarms are acknowledged, and so is what stands in the queue for them."""
    if event.level != "acknowledged":
        return
    raised = standing(tx, event.call)
    for alarm in raised:
        alarms.acknowledge(tx, event.staff, alarm)
    mine, who = {alarm.id for alarm in raised}, Subject(id=event.staff, kind="staff")
    for task in work.every(tx, scope.WHOLE) if mine else ():
        held = tx.session.get(Hold, task.key) if task.key else None
        if task.key and mine & {alarm.id for alarm in task.alarms} and (held is None or held.acked_at is None):
            acts.acknowledge(tx, who, task.key, task.area)


def standing(read: Read, call: str) -> list[Alarm]:
    """The alarms a call tells of that are not over."""
    rule = select(Alarm).join(Summons, col(Summons.alarm) == col(Alarm.id)).where(col(Summons.call) == call)
    return list(read.session.execute(rule.where(col(Alarm.cleared).is_(None)).order_by(col(Alarm.raised))).scalars())


def told(read: Read, ids: Sequence[str]) -> list[Told]:
    """Every call about these alarms, in the order in which they were made."""
    links = list(read.session.execute(select(Summons).where(col(Summons.alarm).in_(ids))).scalars()) if ids else []
    by_call = {link.call: link for link in links}
    rows = calls.of(read, by_call)
    names = acts.called(read, {row.staff for row in rows})
    return [
        Told(
            row.id, names.get(row.staff, row.staff), row.channel, by_call[row.id].role, WHATS[by_call[row.id].what],
            by_call[row.id].level, row.made_at, row.state, STATES[row.state], row.why, row.moved_at,
            row.not_before if row.state == "planned" and row.not_before > read.now() else None, row.count,
        )
        for row in rows
    ]  # fmt: skip


def sums(read: Read, tasks: Sequence[work.Task]) -> Mapping[str, str]:
    """For each line of the queue how many were called and how many have answered, in words."""
    about = {alarm.id: task.key for task in tasks for alarm in task.alarms}
    rule = (
        select(col(Summons.alarm), col(StaffCall.id), col(StaffCall.state))
        .join(StaffCall, col(StaffCall.id) == col(Summons.call))
        .where(col(Summons.alarm).in_(sorted(about)), col(Summons.what) == BEGUN, col(StaffCall.state) != "cancelled")
    )
    found: dict[str, dict[str, str]] = {}
    for alarm, call, state in read.session.execute(rule) if about else ():
        found.setdefault(about[alarm], {})[call] = state
    return {key: _sum(list(states.values())) for key, states in found.items()}


def _sum(states: Sequence[str]) -> str:
    waits, lost = sum(state == "planned" for state in states), sum(state in LOST for state in states)
    said = _("called {count}, answered {n}").format(count=len(states), n=states.count("acknowledged"))
    said += _(", waiting {n}").format(n=waits) if waits else ""
    return said + (_(", not reached {n}").format(n=lost) if lost else "")


def try_out(tx: Tx, to: StaffContact) -> StaffCall:
    with speaking(to.lang):
        words = Words(_("A test call of Linli"), _("Open the link and press the button, so that we know it works"))
    return calls.plan(tx, to, TEST, words, "important", not_before=tx.now())


def named(read: Read, alarm: Alarm) -> str:
    """What an alarm is about, in the language of the moment."""
    kind, _colon, ident = alarm.subject.partition(":")
    area = read.session.get(Area, alarm.area) if alarm.area else None
    parts = [pick(area.zh, area.en)] if area is not None else []
    device = read.session.get(Device, ident) if kind == "device" else None
    line = read.session.get(Gateway, device.gateway if device is not None else ident) if ident else None
    hut = read.session.get(Hut, line.hut) if line is not None and line.hut else None
    if hut is not None:
        parts.append(pick(hut.zh, hut.en))
    if device is not None:
        parts.append(pick(device.zh, device.en))
    return " ".join(parts) or (_("the hub itself") if kind == "hub" else ident)


def _begin(tx: Tx, alarm: Alarm, last: Mapping[str, Summons], look: int) -> None:
    if not (alarm.told and alarm.to):
        return
    known = _told_of_the_line(tx, alarm)
    for to in duty.nearest(tx, alarm.to, alarm.area, PRIORITY[alarm.level]):
        before = last.get(to.id)
        said = before is not None and (before.what, before.level, before.role) == (BEGUN, alarm.level, alarm.to)
        if not said and to.id not in known:
            _join(tx, alarm, to, BEGUN, alarm.level, alarm.to, look)


def _told_of_the_line(read: Read, alarm: Alarm) -> set[str]:
    """Whoever is called for a line knows that what stands behind it does not answer."""
    kind, _colon, ident = alarm.subject.partition(":")
    device = read.session.get(Device, ident) if kind == "device" else None
    if device is None:
        return set()
    rule = select(col(Summons.contact)).join(Alarm, col(Alarm.id) == col(Summons.alarm))
    standing = (col(Alarm.subject) == f"gateway:{device.gateway}", col(Alarm.cleared).is_(None))
    return set(read.session.execute(rule.where(*standing)).scalars())


def _behind(read: Read, alarm: Alarm) -> list[Alarm]:
    """The line is back; what still does not answer behind it is news now."""
    kind, _colon, ident = alarm.subject.partition(":")
    if kind != "gateway":
        return []
    devices = select("device:" + col(Device.id)).where(col(Device.gateway) == ident)
    rule = select(Alarm).where(col(Alarm.subject).in_(devices), col(Alarm.cleared).is_(None))
    return list(read.session.execute(rule).scalars())


def _last(read: Read, alarm: str) -> dict[str, Summons]:
    """The newest word about an alarm to each address."""
    rule = select(Summons).where(col(Summons.alarm) == alarm).order_by(col(Summons.look))
    return {link.contact: link for link in read.session.execute(rule).scalars()}


def _again(tx: Tx, alarm: Alarm, link: Summons, what: str, look: int) -> None:
    """One more word to who was called: what has not left is taken back instead."""
    call, to = tx.session.get(StaffCall, link.call, populate_existing=True), tx.session.get(StaffContact, link.contact)
    if link.what == OVER or call is None:
        return
    if not call.left:
        _leave(tx, link, call, "it was over before it was told")
    elif to is not None:
        _join(tx, alarm, to, what, link.level, link.role, look)


def _join(tx: Tx, alarm: Alarm, to: StaffContact, what: str, level: str, role: str, look: int) -> None:
    kind, priority, book = f"{what}-{level}", PRIORITY[level], _book(tx, alarm.ruleset)
    call = calls.waiting(tx, to.id, kind)
    if call is None:
        grave = priority == PRIORITY["bad"]
        at = tx.now() if grave else max(tx.now() + timedelta(seconds=book.gather_s), _free_at(tx, to, book))
        call = calls.plan(tx, to, kind, _words(tx, alarm, to, what, None), priority, not_before=at)
    else:
        call.count += 1
        _reword(tx, call, _words(tx, alarm, to, what, call))
    tx.session.add(Summons(alarm=alarm.id, call=call.id, contact=to.id, role=role, level=level, what=what, look=look))
    tx.session.flush()


def _leave(tx: Tx, link: Summons, call: StaffCall, why: str) -> None:
    """An alarm goes out of a call that has not left; the last one takes the call with it, and stays to be seen."""
    others = select(col(Summons.alarm)).where(col(Summons.call) == call.id, col(Summons.alarm) != link.alarm)
    first = tx.session.execute(others.order_by(col(Summons.alarm)).limit(1)).scalar()
    if first is None or call.state != "planned":
        calls.cancel(tx, call, why)
        return
    tx.session.execute(delete(Summons).where(col(Summons.alarm) == link.alarm, col(Summons.call) == call.id))
    call.count = tx.session.execute(select(func.count()).where(col(Summons.call) == call.id)).scalar_one()
    to = tx.session.get_one(StaffContact, link.contact)
    lone = call if call.count > 1 else None
    _reword(tx, call, _words(tx, tx.session.get_one(Alarm, first), to, link.what, lone))


def _reword(tx: Tx, call: StaffCall, words: Words) -> None:
    call.title, call.text, call.area, call.area_name = words.title, words.text, words.area, words.area_name
    tx.session.add(call)


def _words(tx: Tx, alarm: Alarm, to: StaffContact, what: str, among: StaffCall | None) -> Words:
    """Of one thing where it is, of several the area that holds them and how many. Never a person, never a value."""
    with speaking(to.lang):
        rule = _book(tx, alarm.ruleset).rule(alarm.rule)
        title = pick(rule.zh, rule.en) if rule is not None else alarm.rule
        code, text = alarm.area, named(tx, alarm)
        if among is not None:
            code = _above(tx, among.area, alarm.area)
            title = _("{title} and {count} more").format(title=title, count=among.count - 1)
        area = tx.session.get(Area, code) if code else None
        name = pick(area.zh, area.en) if area is not None else ""
        if among is not None:
            text = _("{where}: {count} places").format(where=name or _("several areas"), count=among.count)
        match what:
            case "eased":
                title = _("Eased: {title}").format(title=title)
            case "over":
                title = _("All clear: {title}").format(title=title)
        if what == EASED and alarm.acked_by:
            text += _("; {who} has it").format(
                who=acts.called(tx, {alarm.acked_by}).get(alarm.acked_by, alarm.acked_by)
            )
        if what == BEGUN and rule is not None and alarm.to != rule.to and alarm.acked_at is None:
            text += _("; nobody has answered")
        return Words(title, text, code, name)


def _above(read: Read, first: str, second: str) -> str:
    """The code of the area that holds both."""
    if first == second or not (first and second):
        return first if first == second else ""
    here, there = (read.session.get_one(Area, code).path.split("/") for code in (first, second))
    return next((code for code in reversed(here) if code in there), "")


def _free_at(read: Read, to: StaffContact, book: Rulebook) -> datetime:
    """When one more call within the hour is allowed to this address."""
    lately = calls.lately(read, to.id, read.now() - HOUR)
    return lately[book.calls_per_hour - 1] + HOUR if len(lately) >= book.calls_per_hour else read.now()


def _book(read: Read, version: int) -> Rulebook:
    found = read.session.get(RuleSet, version)
    return _read(found.text if found is not None else alarms.SHIPPED.read_text(encoding="utf-8"))


@lru_cache(8)
def _read(text: str) -> Rulebook:
    return rulebook.read(text)


LISTENERS = ((AlarmChanged, on_alarm), (AlarmAnswered, on_answered), (CallMoved, on_moved))

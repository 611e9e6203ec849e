"""Alarms: the live run of the rules in force, the alarms they have raised, and the rehearsal of any text on the past.

Every half minute one transaction appends to the stream, judges what was appended and keeps what was said. What the
rules remember is in memory only, and is won back from the newest snapshot and the entries after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub.audit import AuditRow
from hub.civic.operations import acts, rulebook, scope, stream
from hub.civic.operations.judge import Entry, Judge
from hub.civic.operations.models import Act, Alarm, Look, RuleSet, Snapshot, Verdict
from hub.civic.operations.rulebook import Rulebook
from hub.civic.operations.scope import Scope
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.events import Event
from hub.i18n import _
from hub.readings import Reading, from_ms
from hub.registry import Device, Gateway
from hub.services import Services

SHIPPED = Path(__file__).parent / "alarms.toml"
FULL_EVERY = timedelta(hours=24)
TOPIC = "operations.work"
LIST_MAX = 100
LINES_SHOWN_MAX = 200


@dataclass(frozen=True, kw_only=True)
class AlarmChanged(Event):
    """A rule in force raised an alarm, moved its level, told it after the quiet hours, or let it go."""

    alarm: str
    rule: str
    version: int
    what: str  # raised | level | told | cleared | ended
    level: str
    to: str
    area: str
    look: int  # the entry of the stream by which it was judged
    gateway: str | None = None
    device: str | None = None

    def subject(self) -> str:
        return self.alarm


@dataclass(frozen=True, kw_only=True)
class AlarmAnswered(Event):
    """Somebody has it, or took that back."""

    alarm: str
    area: str
    by: str
    acked: bool

    def subject(self) -> str:
        return self.alarm


@dataclass(frozen=True, slots=True)
class Memory:
    """What the live run carries from look to look. None of it is lost when it is: the store has it all."""

    version: int
    judge: Judge


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a text would have said on the past."""

    since: datetime | None
    until: datetime | None
    entries: int
    lines: tuple[str, ...]
    raised: int
    by_rule: tuple[tuple[str, int], ...]
    by_hour: tuple[int, ...]  # of the day, in the rules' zone
    by_subject: tuple[tuple[str, int], ...]
    open: int  # at the end

    @property
    def at_night(self) -> int:
        return sum(self.by_hour[22:]) + sum(self.by_hour[:6])


async def watch(services: Services) -> None:
    """The live run."""
    memory: Memory | None = None
    while True:
        await services.clock.sleep(stream.LOOK_S)
        hub = stream.of_hub(services)
        known, memory = memory, None  # if the transaction fails, what the judge has begun to think is thrown away
        memory = await services.store.write(lambda tx, known=known, hub=hub: look(tx, hub, known))  # type: ignore[misc]


def look(tx: Tx, hub: Mapping[str, Any], known: Memory | None = None) -> Memory | None:
    """One entry of the stream and what the rules say to it. None: another process has just done so."""
    stream.hold(tx)
    newest = stream.last(tx)
    if newest is not None and newest.kind != "ack" and tx.now() - newest.at < timedelta(seconds=stream.LOOK_S / 2):
        return None
    force = in_force(tx)
    judge, unjudged = _ready(tx, force, known)
    now = stream.sample(tx, hub)
    if force.first_seq is None or _full_is_due(tx):
        row = stream.append(tx, "full", now)
        stream.trim(tx)
    else:
        row = stream.append(tx, "look", stream.changes(judge.figures, now))
    if force.first_seq is None:
        force.first_seq = row.seq
        tx.session.add(force)
        unjudged = []
    for entry in [*unjudged, stream.entry(row)]:
        keep(tx, force.version, entry, judge.step(entry))
    if row.kind == "full":
        tx.session.merge(Snapshot(ruleset=force.version, seq=row.seq, body=judge.dump()))
    return Memory(force.version, judge)


def in_force(tx: Tx) -> RuleSet:
    """The version that judges; on a new hub the shipped one."""
    found = active(tx)
    if found is None:
        found = RuleSet(
            version=1, base=0, text=SHIPPED.read_text(encoding="utf-8"), why="", state="active", made_by="linli",
            made_at=tx.now(), active_at=tx.now(),
        )  # fmt: skip
        tx.session.add(found)
        tx.session.flush()
    return found


def active(read: Read) -> RuleSet | None:
    rule = select(RuleSet).where(col(RuleSet.state) == "active").order_by(col(RuleSet.version).desc()).limit(1)
    return read.session.execute(rule).scalar_one_or_none()


def _full_is_due(read: Read) -> bool:
    newest = read.session.execute(select(func.max(col(Look.at))).where(col(Look.kind) == "full")).scalar()
    return newest is None or read.now() - newest >= FULL_EVERY


def _ready(tx: Tx, force: RuleSet, known: Memory | None) -> tuple[Judge, list[Entry]]:
    """A judge that has heard all that was judged, and the answers given since, which were not."""
    judged = tx.session.execute(select(func.max(col(Look.seq))).where(col(Look.kind) != "ack")).scalar() or 0
    if known is not None and known.version == force.version and known.judge.seq == judged:
        return known.judge, list(stream.entries(tx, judged + 1))
    book = rulebook.read(force.text)
    if force.first_seq is None:
        return Judge(book), []
    kept = tx.session.get(Snapshot, force.version)
    judge = Judge.load(book, kept.body) if kept is not None else Judge(book)
    first = judge.seq + 1 if kept is not None else force.first_seq
    for entry in stream.entries(tx, first, judged):
        judge.step(entry)
    return judge, list(stream.entries(tx, judged + 1))


def keep(tx: Tx, version: int, entry: Entry, lines: list[str]) -> None:
    """Write down what was said, and what it means for the alarms that stand."""
    if not lines:
        return
    last = tx.session.execute(select(func.max(col(Verdict.id)))).scalar() or 0
    for number, line in enumerate(lines, last + 1):
        tx.session.add(Verdict(id=number, ruleset=version, seq=entry.seq, line=line))
        _apply(tx, version, entry, json.loads(line))
    tx.session.flush()


def _apply(tx: Tx, version: int, entry: Entry, said: Mapping[str, Any]) -> None:
    found = standing(tx, said["rule"], said["subject"])
    if said["what"] == "raised" or found is None:
        found = Alarm(
            id=tx.new_id(), ruleset=version, rule=said["rule"], subject=said["subject"], level=said["level"],
            area=_area(tx, said["subject"]), raised=entry.at,
        )  # fmt: skip
    found.level, found.to, found.told = said["level"], said["to"], said["told"]
    if said["what"] in ("cleared", "ended"):
        found.cleared = entry.at
    tx.session.add(found)
    tx.session.flush()
    _tell(tx, found, said["what"], entry.seq)


def _tell(tx: Tx, found: Alarm, what: str, look: int) -> None:
    kind, _colon, ident = found.subject.partition(":")
    thing = {kind: ident} if kind in ("gateway", "device") else {}
    tx.emit(
        AlarmChanged, cause=_because(tx, found.id, ident), alarm=found.id, rule=found.rule, version=found.ruleset,
        what=what, level=found.level, to=found.to, area=found.area, look=look, **thing,
    )  # fmt: skip
    scope.touch(tx, (TOPIC,), found.area)


def _because(read: Read, alarm: str, thing: str) -> str | None:
    """What an alarm follows from: its own last event, or the thing's last word (state, line, or a reading)."""
    kinds = ("AlarmChanged", "GatewayChanged", "DeviceChanged")
    rule = select(AuditRow).where(col(AuditRow.kind).in_(kinds)).order_by(col(AuditRow.seq).desc()).limit(1)
    before = read.session.execute(rule.where(col(AuditRow.subject) == alarm)).scalar_one_or_none()
    if before is not None or not thing:
        return before.id if before is not None else None
    device = read.session.get(Device, thing)
    things = (thing, device.gateway) if device is not None else (thing,)
    said = read.session.execute(rule.where(col(AuditRow.subject).in_(things))).scalar_one_or_none()
    newest = select(Reading).where(col(Reading.device) == thing).order_by(col(Reading.t_received_ms).desc()).limit(1)
    heard: Reading | None = read.session.execute(newest).scalar_one_or_none() if device is not None else None
    if heard is not None and (said is None or from_ms(heard.t_received_ms) > said.at):
        return heard.id
    return said.id if said is not None else None


def standing(read: Read, rule: str, subject: str) -> Alarm | None:
    found = select(Alarm).where(col(Alarm.subject) == subject, col(Alarm.rule) == rule, col(Alarm.cleared).is_(None))
    return read.session.execute(found.order_by(col(Alarm.raised).desc()).limit(1)).scalar_one_or_none()


def _area(read: Read, subject: str) -> str:
    kind, _colon, ident = subject.partition(":")
    if kind == "device":
        device = read.session.get(Device, ident)
        ident = device.gateway if device is not None else ""
    gateway = read.session.get(Gateway, ident) if kind in ("device", "gateway") else None
    return gateway.area if gateway is not None else ""


def listed(read: Read, within: Scope, *, over: bool) -> list[Alarm]:
    """The alarms of a scope that stand, or the newest that are over; those of the one machine are everybody's."""
    rule = select(Alarm).where(within.holds(Alarm.area) | (col(Alarm.area) == ""))
    if over:
        rule = rule.where(col(Alarm.cleared).is_not(None)).order_by(col(Alarm.cleared).desc())
    else:
        rule = rule.where(col(Alarm.cleared).is_(None)).order_by(col(Alarm.raised).desc())
    return list(read.session.execute(rule.limit(LIST_MAX)).scalars())


@dataclass(frozen=True, slots=True)
class Said:
    """One line of what a rule said of a thing."""

    at: datetime
    what: str
    level: str
    to: str


def one(read: Read, within: Scope, ident: str) -> Alarm:
    rule = select(Alarm).where(col(Alarm.id) == ident, within.holds(Alarm.area) | (col(Alarm.area) == ""))
    found: Alarm | None = read.session.execute(rule).scalar_one_or_none()
    if found is None:
        raise NotFound(_("There is no such alarm"))
    return found


def history(read: Read, alarm: Alarm) -> list[Said]:
    """What the rules said of it, from the first word on."""
    rule = select(col(AuditRow.at), col(AuditRow.detail)).where(
        col(AuditRow.subject) == alarm.id, col(AuditRow.kind) == "AlarmChanged"
    )
    rows = [(at, json.loads(detail)) for at, detail in read.session.execute(rule.order_by(col(AuditRow.seq)))]
    return [Said(at, said["what"], said["level"], said.get("to", "")) for at, said in rows]


def acknowledge(tx: Tx, by: str, found: Alarm) -> None:
    """Somebody has it: the rules stop climbing. The answer is an entry of the stream, so a rehearsal hears it too."""
    if found.cleared is None and found.acked_at is None:
        found.acked_by, found.acked_at = by, tx.now()
        _answer(tx, found, by, acked=True)


def release(tx: Tx, found: Alarm) -> None:
    """The acknowledgement was taken back."""
    if found.cleared is None and found.acked_at is not None:
        by, found.acked_by, found.acked_at = found.acked_by or "", None, None
        _answer(tx, found, by, acked=False)


def _answer(tx: Tx, found: Alarm, by: str, *, acked: bool) -> None:
    tx.session.add(found)
    stream.hold(tx)
    stream.append(tx, "ack", {"rule": found.rule, "subject": found.subject, "acked": acked})
    tx.emit(AlarmAnswered, alarm=found.id, area=found.area, by=by, acked=acked)


def end_all(tx: Tx) -> None:
    """The rules that raised them are in force no more."""
    newest = stream.last(tx)
    for found in tx.session.execute(select(Alarm).where(col(Alarm.cleared).is_(None))).scalars().all():
        found.cleared = tx.now()
        tx.session.add(found)
        tx.session.flush()
        _tell(tx, found, "ended", newest.seq if newest is not None else 0)


def titles(read: Read) -> Mapping[str, tuple[str, str]]:
    """How the rules in force are called, in Chinese and English."""
    force = active(read)
    return _titles(force.text if force is not None else SHIPPED.read_text(encoding="utf-8"))


@lru_cache(8)
def _titles(text: str) -> Mapping[str, tuple[str, str]]:
    return {rule.id: (rule.zh, rule.en) for rule in rulebook.read(text).rules}


def rehearse(read: Read, book: Rulebook, first: int | None, until: int | None = None) -> Rehearsal:
    """The same evaluator over the same entries, with another text."""
    judge = Judge(book)
    lines: list[str] = []
    count, began, ended = 0, None, None
    for entry in stream.entries(read, first, until) if first is not None else ():
        lines += judge.step(entry)
        count, began, ended = count + 1, began or entry.at, entry.at
    return _told(book.tz, replace(_NOTHING, since=began, until=ended, entries=count, open=len(judge.open())), lines)


_NOTHING = Rehearsal(None, None, 0, (), 0, (), (0,) * 24, (), 0)


def _told(tz: ZoneInfo, empty: Rehearsal, lines: list[str]) -> Rehearsal:
    raised = [said for line in lines if (said := json.loads(line))["what"] == "raised"]
    hours = Counter(datetime.fromisoformat(said["at"]).replace(tzinfo=UTC).astimezone(tz).hour for said in raised)
    return replace(
        empty,
        lines=tuple(lines),
        raised=len(raised),
        by_rule=tuple(Counter(said["rule"] for said in raised).most_common()),
        by_hour=tuple(hours[hour] for hour in range(24)),
        by_subject=tuple(Counter(said["subject"] for said in raised).most_common(5)),
    )


def on_acted(tx: Tx, event: acts.WorkActed) -> None:
    """What is acknowledged or taken in the queue is answered, with every alarm about the same thing."""
    if event.kind in ("ack", "assign"):
        for found in _about(tx, event.key):
            acknowledge(tx, event.actor.partition(":")[2] or event.actor, found)


def on_undone(tx: Tx, event: acts.WorkUndone) -> None:
    act = tx.session.get(Act, event.act)
    if act is not None and act.kind in ("ack", "assign"):
        for found in _about(tx, event.key):
            release(tx, found)


def _about(read: Read, key: str) -> list[Alarm]:
    """The alarms that stand behind a line of the queue."""
    kind, _slash, rest = key.partition("/")
    ident = rest.partition("/")[0]
    match kind:
        case "alarm":
            found = read.session.get(Alarm, ident)
            return [found] if found is not None else []
        case "device":
            subjects = [f"device:{ident}"]
        case "place":
            lines = select(col(Gateway.id)).where((col(Gateway.hut) == ident) | (col(Gateway.id) == ident))
            boxes = select(col(Device.id)).where((col(Device.hut) == ident) | (col(Device.gateway) == ident))
            subjects = [f"gateway:{each}" for each in read.session.execute(lines).scalars()]
            subjects += [f"device:{each}" for each in read.session.execute(boxes).scalars()]
        case _:
            return []
    rule = select(Alarm).where(col(Alarm.subject).in_(subjects), col(Alarm.cleared).is_(None))
    return list(read.session.execute(rule).scalars())

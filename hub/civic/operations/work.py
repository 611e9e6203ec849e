"""The work queue: what needs a person now, who has it and since when, the worst first.

Everything else on the board is background. Each thing has a key, so that what an operator said of it stays with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from hub import breaker
from hub.breaker import ChannelState
from hub.civic.operations import acts, alarms, board, cluster, matters, setaside
from hub.civic.operations.acts import Held
from hub.civic.operations.board import Place
from hub.civic.operations.cluster import Incident
from hub.civic.operations.matters import Matter
from hub.civic.operations.models import Alarm
from hub.civic.operations.scope import Scope
from hub.civic.operations.words import ADVICE, DEVICE_WORDS, Word
from hub.db import Read
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import N_, _, pick

CALLING = ("offline", "faulty", "clock-wrong")  # of the device states, those that somebody must do something about
SHOWN_MAX = 40
UNREAD = Word(N_("Frames not read"), "warn", 7)
STUCK = Word(N_("Ingest stands still"), "bad", 10)
AWAY = Word(N_("A provider is away"), "bad", 8)
DOWN = Word(N_("A part of the program is down"), "bad", 10)


ALARMED: Mapping[str, Word] = {
    "info": Word(N_("For information"), "info", 4),
    "warn": Word(N_("Alarm"), "warn", 7),
    "bad": Word(N_("Grave alarm"), "bad", 10),
}
TOGETHER = Word(N_("Lost together"), "bad", 11)


@dataclass(frozen=True, slots=True)
class Task:
    word: Word
    what: str  # a name from the registry, or a msgid of ours
    where: str
    advice: str  # msgid, or the sentence of whoever asks
    since: datetime | None
    href: str
    key: str = ""  # what it is about and which trouble of it; empty: nobody can hold it
    area: str = ""  # of the thing, by code; empty: of the one machine
    members: tuple[Place, ...] = ()  # of an incident
    held: Held | None = None
    alarms: tuple[Alarm, ...] = ()  # of the rules in force, told and not over

    @property
    def called(self) -> str:
        """The role to which an alarm has climbed."""
        return next((alarm.to for alarm in self.alarms if alarm.to), "")

    @property
    def taken(self) -> bool:
        return self.held is not None and (self.held.acked_at is not None or bool(self.held.owner))


@dataclass(frozen=True, slots=True)
class Queue:
    tasks: tuple[Task, ...]
    count: int
    later: tuple[Task, ...] = ()  # put off; they come back by themselves

    @property
    def more(self) -> int:
        return self.count - len(self.tasks)


def look(read: Read, scope: Scope) -> Queue:
    """The queue of a scope as it stands."""
    return arranged(every(read, scope), acts.holds(read), read.now())


def every(read: Read, scope: Scope) -> list[Task]:
    """All there is to do in a scope, without regard to who has it."""
    places = board.look(read, scope)
    count, oldest = setaside.unread(read, scope)
    found = tasks(places, count, oldest, breaker.states(read), lambda codes: _area_names(read, codes))
    found = with_matters(found, places, matters.of(read, scope))
    return with_alarms(found, places, alarms.listed(read, scope, over=False), alarms.titles(read))


def with_matters(found: Sequence[Task], places: Sequence[Place], asked: Sequence[Matter]) -> list[Task]:
    """What other rooms ask: in the place of a line about the same trouble (it says more), or on a line of its own."""
    if not asked:
        return list(found)  # a city has seven thousand names to make
    made, meant = {task.key: task for task in found}, {each.device for each in asked}
    names = {
        box.id: (box.name, f"{place.where} {place.name}") for place in places for box in place.boxes if box.id in meant
    }
    for each in asked:
        name, where = names.get(each.device, (each.device, ""))
        href = f"/operate/fleet/{each.device}" if each.device in names else "/operate/fleet"
        word = matters.WORDS[each.level]
        made[each.key] = Task(word, name, where, each.words, each.at, href, each.key, each.area)
    return list(made.values())


def with_alarms(
    found: Sequence[Task], places: Sequence[Place], raised: Sequence[Alarm], titles: Mapping[str, tuple[str, str]]
) -> list[Task]:
    """What rules have raised: beside the thing where it stands in the queue already, else on a line of its own."""
    told = [alarm for alarm in raised if alarm.told]
    if not told:
        return list(found)
    made = {task.key: task for task in found}
    names = {f"device:{box.id}": f"{place.where} {place.name} {box.name}" for place in places for box in place.boxes}
    names |= {f"gateway:{line.id}": f"{place.where} {place.name}" for place in places for line in place.lines}
    keys = _keys_of(found, places)
    for alarm in told:
        key = keys.get(alarm.subject)
        if key is not None:
            made[key] = replace(made[key], alarms=(*made[key].alarms, alarm))
            continue
        what = pick(*titles.get(alarm.rule, (alarm.rule, alarm.rule)))
        where, key = names.get(alarm.subject, alarm.subject), f"alarm/{alarm.id}"
        href, advice = (
            f"/operate/alarms#alarm-{alarm.id}",
            N_("A rule in force says so; its text stands on the page of alarms"),
        )
        made[key] = Task(
            ALARMED[alarm.level], what, where, advice, alarm.raised, href, key, alarm.area, alarms=(alarm,)
        )
    return list(made.values())


def _keys_of(found: Sequence[Task], places: Sequence[Place]) -> dict[str, str]:
    """Which line of the queue tells of a subject already."""
    keys: dict[str, str] = {}
    by_place: dict[str, str] = {}
    for task in found:
        kind, _slash, rest = task.key.partition("/")
        if kind == "device":
            keys.setdefault(f"device:{rest.partition('/')[0]}", task.key)
        by_place |= {place.id: task.key for place in task.members}
        if kind == "place":
            by_place[rest.partition("/")[0]] = task.key
    for place in places:
        if place.id in by_place:
            keys |= {f"gateway:{line.id}": by_place[place.id] for line in place.lines}
            keys |= {f"device:{box.id}": by_place[place.id] for box in place.boxes}
    return keys


def queue(
    places: Sequence[Place], unread: int, oldest_unread: datetime | None, ways: Sequence[ChannelState] = ()
) -> Queue:
    """The same of what was looked up already, held by nobody."""
    return arranged(tasks(places, unread, oldest_unread, ways), {}, None)


def tasks(
    places: Sequence[Place],
    unread: int,
    oldest_unread: datetime | None,
    ways: Sequence[ChannelState] = (),
    name: Callable[[Collection[str]], Mapping[str, str]] = lambda _codes: {},
) -> list[Task]:
    incidents, alone = cluster.fold(places)
    names = name({incident.code for incident in incidents})
    numbers: Counter[str] = Counter()
    found = []
    for incident in incidents:
        found.append(_together(incident, names.get(incident.code, incident.code), numbers[incident.code]))
        numbers[incident.code] += 1
    found += [_cut(place) for place in alone]
    found += [task for place in places if not place.cut for task in _of(place)]
    found += _ways(ways)
    if unread:
        advice = N_("Open the list below, mend the cause, then press Dealt with")
        words = _("{count} frames").format(count=unread)
        found.append(Task(UNREAD, words, "", advice, oldest_unread, "#quarantine", "quarantine"))
    return found


def arranged(found: Sequence[Task], holds: Mapping[str, Held], now: datetime | None) -> Queue:
    """The worst first; what somebody has taken stands behind what nobody has; what was put off stands apart."""
    held = [replace(task, held=holds.get(task.key)) for task in found]
    held.sort(key=lambda task: (-task.word.rank, task.taken, task.since is None, task.since, task.where, task.what))
    asleep = [task for task in held if now is not None and task.held is not None and task.held.asleep(now)]
    awake = [task for task in held if task not in asleep]
    return Queue(tuple(awake[:SHOWN_MAX]), len(awake), tuple(asleep[:SHOWN_MAX]))


def one(read: Read, scope: Scope, key: str) -> Task:
    """The thing of this key, if it is in the queue of that scope: what is not there cannot be acted on."""
    for task in every(read, scope):
        if task.key == key:
            return replace(task, held=acts.holds(read).get(key))
    raise NotFound(_("This is no longer in the queue: it is over, or it lies outside your areas"))


def _ways(ways: Sequence[ChannelState]) -> list[Task]:
    advice = N_("Messages wait and go by themselves; see what the provider says and how many wait")
    return [
        Task(AWAY, _(way.channel), _(way.why), advice, way.since, "/desk/letters", f"channel/{way.channel}")
        for way in ways
        if way.state == breaker.PAUSED
    ]


def _together(incident: Incident, where: str, number: int) -> Task:
    words = _("{count} huts in one minute").format(count=len(incident.members))
    advice = N_("One cause is likely: ask the network's operator about the street before you send anybody")
    key = f"area/{incident.code}/offline" + (f"-{number}" if number else "")
    return Task(
        TOGETHER, words, where, advice, incident.since, f"/operate/work/{key}", key, incident.code, incident.members
    )


def _area_names(read: Read, codes: Collection[str]) -> dict[str, str]:
    rows = read.session.execute(select(Area).where(col(Area.code).in_(sorted(codes)))).scalars() if codes else ()
    return {row.code: pick(row.zh, row.en) for row in rows}


def _cut(place: Place) -> Task:
    href, key = f"/operate/huts/{place.id}", f"place/{place.id}/offline"
    advice = ADVICE["hut-offline"]
    return Task(DEVICE_WORDS["offline"], place.name, place.where, advice, place.lost, href, key, place.area)


def _of(place: Place) -> list[Task]:
    title = f"{place.where} {place.name}"
    tasks = []
    for box in place.boxes:
        if not box.in_use:
            continue
        href, key = f"/operate/devices/{box.id}", f"device/{box.id}/"
        if box.state in CALLING:
            advice = ADVICE[box.state]
            tasks.append(Task(box.live, box.name, title, advice, box.seen, href, key + box.state, place.area))
        if box.care is not None:
            advice, trouble = ADVICE[box.upkeep or ""], box.upkeep or ""
            tasks.append(Task(box.care, box.name, title, advice, None, href, key + trouble, place.area))
    return tasks


def troubles(trouble: str | None, down: Mapping[str, str]) -> list[Task]:
    """What the store cannot know: ingest that cannot commit, and jobs that are being restarted."""
    found = []
    if trouble:
        advice = N_("Nothing is acknowledged, so nothing is lost: look at disk and database")
        found.append(Task(STUCK, trouble, "", advice, None, "#flow"))
    restarted = N_("It is started again every second; the log names the cause")
    found += [Task(DOWN, name, why, restarted, None, "#flow") for name, why in sorted(down.items())]
    return found

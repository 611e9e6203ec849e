"""The work queue: what needs a person now, the worst first. Everything else on the board is background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import col

from hub import breaker
from hub.breaker import ChannelState
from hub.civic.operations.board import Place
from hub.civic.operations.scope import Scope
from hub.civic.operations.words import ADVICE, DEVICE_WORDS, Word
from hub.db import Read
from hub.i18n import N_, _
from hub.quarantine import QuarantineRow

CALLING = ("offline", "faulty", "clock-wrong")  # of the device states, those that somebody must do something about
SHOWN_MAX = 40
UNREAD = Word(N_("Frames not read"), "warn", 7)
STUCK = Word(N_("Ingest stands still"), "bad", 10)
AWAY = Word(N_("A provider is away"), "bad", 8)
DOWN = Word(N_("A part of the program is down"), "bad", 10)


@dataclass(frozen=True, slots=True)
class Task:
    word: Word
    what: str  # a name from the registry, or a msgid of ours
    where: str
    advice: str  # msgid
    since: datetime | None
    href: str


@dataclass(frozen=True, slots=True)
class Queue:
    tasks: tuple[Task, ...]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.tasks)


def queue(
    places: Sequence[Place], unread: int, oldest_unread: datetime | None, ways: Sequence[ChannelState] = ()
) -> Queue:
    found = [task for place in places for task in _of(place)]
    advice = N_("Messages wait and go by themselves; see what the provider says and how many wait")
    found += [
        Task(AWAY, _(way.channel), _(way.why), advice, way.since, "/desk/letters")
        for way in ways
        if way.state == breaker.PAUSED
    ]
    if unread:
        advice = N_("Open the list below, mend the cause, then press Dealt with")
        found.append(Task(UNREAD, _("{count} frames").format(count=unread), "", advice, oldest_unread, "#quarantine"))
    found.sort(key=lambda task: (-task.word.rank, task.since is None, task.since, task.where, task.what))
    return Queue(tuple(found[:SHOWN_MAX]), len(found))


def _of(place: Place) -> list[Task]:
    href, title = f"/operate/huts/{place.id}", f"{place.where} {place.name}"
    if place.cut:
        since = max((line.since for line in place.lines if line.since), default=None)
        return [Task(DEVICE_WORDS["offline"], place.name, place.where, ADVICE["hut-offline"], since, href)]
    tasks = []
    for box in place.boxes:
        if not box.in_use:
            continue
        if box.state in CALLING:
            tasks.append(Task(box.live, box.name, title, ADVICE[box.state], box.seen, href))
        if box.care is not None:
            tasks.append(Task(box.care, box.name, title, ADVICE[box.upkeep or ""], None, href))
    return tasks


def unread(read: Read, scope: Scope) -> tuple[int, datetime | None]:
    """Quarantined frames of the scope that nobody has looked at, and since when."""
    count, oldest = read.session.execute(
        select(func.count(), func.min(col(QuarantineRow.at))).where(
            col(QuarantineRow.seen).is_(False), scope.holds(QuarantineRow.area)
        )
    ).one()
    return count, oldest


def alarms(trouble: str | None, down: Mapping[str, str]) -> list[Task]:
    """What the store cannot know: ingest that cannot commit, and jobs that are being restarted."""
    found = []
    if trouble:
        advice = N_("Nothing is acknowledged, so nothing is lost: look at disk and database")
        found.append(Task(STUCK, trouble, "", advice, None, "#flow"))
    restarted = N_("It is started again every second; the log names the cause")
    found += [Task(DOWN, name, why, restarted, None, "#flow") for name, why in sorted(down.items())]
    return found

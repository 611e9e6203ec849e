"""The handover (交接班单): what stands open, who has it, what was put off, and what this shift did and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from hub.civic.operations import acts, board, work
from hub.civic.operations.models import Act
from hub.civic.operations.scope import Scope
from hub.civic.operations.words import Word
from hub.civic.operations.work import Queue, Task
from hub.db import Read
from hub.i18n import _

SHIFT = timedelta(hours=12)
LINES_MAX = 60  # of what was done: more would not be read at a handover


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    by: str
    word: str  # msgid
    about: str
    to: str
    until: datetime | None
    said: str | None


@dataclass(frozen=True, slots=True)
class Sheet:
    at: datetime
    since: datetime
    queue: Queue
    counts: Sequence[tuple[Word, int]]
    huts: int
    lines: Sequence[Line]


def look(read: Read, scope: Scope) -> Sheet:
    now = read.now()
    queue = work.look(read, scope)
    places = board.look(read, scope)
    return Sheet(
        at=now,
        since=now - SHIFT,
        queue=queue,
        counts=board.counts(places),
        huts=len(places),
        lines=_lines(read, now - SHIFT, {task.key: task for task in work.every(read, scope)}, places),
    )


def _lines(read: Read, since: datetime, tasks: dict[str, Task], places: Sequence[board.Place]) -> list[Line]:
    """What was done, newest first; of things outside the reader's areas nothing."""
    names = {f"place/{place.id}": f"{place.where} {place.name}" for place in places}
    names |= {f"device/{box.id}": f"{place.name} {box.name}" for place in places for box in place.boxes}
    names["quarantine"] = _("Quarantine")
    rows = read.session.execute(
        select(Act)
        .where(col(Act.at) >= since, col(Act.undone_at).is_(None))
        .order_by(col(Act.at).desc())
        .limit(4 * LINES_MAX)
    ).scalars()
    mine = [(row, about) for row in rows if (about := _called(row.key, names, tasks)) is not None][:LINES_MAX]
    called = acts.called(read, {name for row, _name in mine for name in (row.by, row.to) if name})
    return [
        Line(
            row.at,
            called.get(row.by, row.by),
            acts.word_of(row),
            about,
            "" if row.to == row.by else called.get(row.to or "", row.to or ""),
            row.until,
            row.said,
        )
        for row, about in mine
    ]


def _called(key: str, names: dict[str, str], tasks: dict[str, Task]) -> str | None:
    """How the thing is called; None for what this reader's queue never held."""
    task = tasks.get(key)
    if task is not None:
        return f"{task.where} {task.what}".strip()
    thing = "/".join(key.split("/")[:2])
    return names.get(thing)

"""Whose boxes somebody sees: those below the areas in which they hold the permission. A topic's key names such a scope.

A key is the area paths joined by "+", or "all" for the whole tree: the feed draws once for all who hold the same, and
`allow` judges a key without the store. An area's own topics are touched with those of every area above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlmodel import col

from hub.access import Subject, covers
from hub.db import Tx
from hub.directory import Area

VIEW, ACT = "operate.view", "operate.act"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Scope:
    paths: tuple[str, ...]  # none inside another; "" is the whole tree

    @property
    def key(self) -> str:
        return "+".join(path or ALL for path in self.paths)

    def covers(self, path: str) -> bool:
        return any(covers(held, path) for held in self.paths)

    def holds(self, area: Any) -> ColumnElement[bool]:
        """The rule for a query: this area code lies in the scope. What lies in no area of ours is of the whole."""
        if "" in self.paths:
            return true()
        if not self.paths:
            return false()
        below = [
            rule for path in self.paths for rule in (col(Area.path) == path, col(Area.path).startswith(f"{path}/"))
        ]
        return col(area).in_(select(col(Area.code)).where(or_(*below)))


WHOLE = Scope(("",))


def of(subject: Subject, permission: str = VIEW) -> Scope:
    """The highest areas in which a subject holds the permission."""
    held = set(subject.paths(permission))
    return Scope(tuple(sorted(path for path in held if not any(covers(other, path) for other in held - {path}))))


def parse(key: str) -> Scope:
    return Scope(tuple("" if path == ALL else path for path in key.split("+")))


def allows(subject: Subject, key: str) -> bool:
    """Whether the subject may see all of the scope that a key names."""
    return all(subject.may(VIEW, path) for path in parse(key).paths)


def touch(tx: Tx, topics: tuple[str, ...], code: str) -> None:
    """Touch topics for an area and for everything it lies in. Several areas in one key are found by the job's look."""
    area = tx.session.get(Area, code)
    steps = area.path.split("/") if area is not None else []
    for topic in topics:
        for count in range(1, len(steps) + 1):
            tx.touch(topic, "/".join(steps[:count]))
        tx.touch(topic, ALL)

"""Who is called for a role in an area: the nearest people who hold it and have entered an address (hub/contacts.py)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import col

from hub import contacts
from hub.civic.operations.rulebook import Rulebook
from hub.civic.operations.scope import Scope
from hub.contacts import StaffContact
from hub.db import Read
from hub.directory import Area, Staff, StaffRole
from hub.registry import Gateway

_CACHE = "operations.duty"  # in a session's own notes, which end with its transaction


@dataclass(frozen=True, slots=True)
class Post:
    """Who would be called for a role in an area."""

    role: str
    people: tuple[tuple[str, tuple[str, ...]], ...]  # staff and their channels; those without any stand here too

    @property
    def reached(self) -> int:
        return sum(1 for _staff, channels in self.people if channels)


@dataclass(frozen=True, slots=True)
class Gap:
    """A role that would reach nobody there."""

    role: str
    areas: tuple[Area, ...]


def _roles(book: Rulebook) -> list[str]:
    said = (role for rule in book.rules for role in (rule.to, *(step.to for step in rule.steps)))
    return list(dict.fromkeys(role for role in said if role))


def posts(read: Read, book: Rulebook, area: str) -> list[Post]:
    """For each role the rules in force call: who it would be here, and how. Nobody is an answer too."""
    return [post(read, role, area) for role in _roles(book)]


def nearest(read: Read, role: str, area: str, priority: str) -> list[StaffContact]:
    """The addresses that want calls of this weight, of the nearest people of a role who have one."""
    kept = read.session.info.setdefault(_CACHE, {})
    if (role, area, priority) not in kept:
        kept[role, area, priority] = next(
            (
                found
                for ring in _rings(read, role, area)
                if (
                    found := [
                        each for own in contacts.of_many(read, ring).values() for each in own if each.wants(priority)
                    ]
                )
            ),
            [],
        )
    chosen: list[StaffContact] = kept[role, area, priority]
    return chosen


def gaps(read: Read, book: Rulebook, within: Scope) -> list[Gap]:
    """Where below a scope a role the rules call would reach nobody: the areas in which anything of ours stands."""
    rule = select(Area).where(col(Area.code).in_(select(col(Gateway.area))), within.holds(Area.code))
    places = list(read.session.execute(rule.order_by(col(Area.path))).scalars())
    held = (
        select(col(StaffRole.role), col(StaffRole.area))
        .join(StaffContact, col(StaffContact.staff) == col(StaffRole.staff))
        .join(Staff, col(Staff.id) == col(StaffRole.staff))
        .where(col(Staff.active))
        .distinct()
    )
    reached = {(role, area) for role, area in read.session.execute(held)}
    return [
        Gap(role, tuple(lacking))
        for role in _roles(book)
        if (lacking := [each for each in places if not any((role, code) in reached for code in each.path.split("/"))])
    ]


def post(read: Read, role: str, area: str) -> Post:
    """The nearest ring in which anybody can be reached; where none is, the nearest there is."""
    rings = [(ring, contacts.of_many(read, ring)) for ring in _rings(read, role, area)]
    ring, own = next(((ring, own) for ring, own in rings if own), rings[0] if rings else ([], {}))
    return Post(role, tuple((staff, tuple(each.channel for each in own.get(staff, ()))) for staff in ring))


def _rings(read: Read, role: str, area: str) -> list[list[str]]:
    """Those who hold a role over an area, the nearest first; of the one machine those with the widest areas."""
    here = read.session.get(Area, area) if area else None
    rule = (
        select(col(Staff.id), func.length(col(Area.path)))
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .join(Area, col(Area.code) == col(StaffRole.area))
        .where(col(StaffRole.role) == role, col(Staff.active))
        .order_by(col(Staff.id))
    )
    if here is not None:
        rule = rule.where(col(Area.code).in_(here.path.split("/")))
    rings: dict[int, list[str]] = {}
    for staff, length in read.session.execute(rule):
        rings.setdefault(int(length), []).append(staff)
    return [rings[length] for length in sorted(rings, reverse=here is not None)]

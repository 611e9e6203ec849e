"""The composer's box for the audience (受众): what may be ticked, what is ticked, and how many people that is.

The box draws itself from the form alone, so that it works with and without script. It names places and marks, never a
person; a home is a building and a door.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import col
from starlette.datastructures import FormData

from hub import audience, directory, tags
from hub.access import Subject
from hub.audience import LIST_MAX, Audience, Survey
from hub.civic.notices import active, wording
from hub.db import Read
from hub.directory import Household
from hub.errors import LinliError
from hub.i18n import N_, _, pick

NAMES = {
    "buildings": "to_buildings",
    "stairs": "to_stairs",
    "households": "to_homes",
    "tags": "to_tags",
    "roles": "to_roles",
}
ROLES = (("grid_worker", N_("Grid workers")), ("doctor", N_("Family doctors")), ("attendant", N_("Hut attendants")))
EARLIER_MAX = 30  # notices whose unreached one may still want to tell
_STAIR = re.compile(rf"(\d{{1,2}})(?:{'|'.join(map(re.escape, audience.STAIR_MARKS))})")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    name: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Box:
    """Everything the template shows."""

    buildings: tuple[Choice, ...]
    opened: str  # the building whose stairs and homes are offered
    stairs: tuple[Choice, ...]  # of the opened one, and those ticked elsewhere
    homes: tuple[Choice, ...]
    tags: tuple[Choice, ...]
    roles: tuple[Choice, ...]
    earlier: tuple[Choice, ...]
    survey: Survey | None
    everybody: bool
    wrong: str = ""

    @property
    def narrowed(self) -> bool:
        lists = (self.buildings, self.stairs, self.homes, self.tags, self.roles, self.earlier)
        return any(each.chosen for ticked in lists for each in ticked)


def from_form(form: FormData) -> dict[str, Any]:
    """What is ticked besides the areas."""
    lists = {name: [str(each)[:80] for each in form.getlist(key)][:LIST_MAX] for name, key in NAMES.items()}
    unreached = str(form.get("to_unreached", ""))[:64]
    kept: dict[str, Any] = {name: items for name, items in lists.items() if items}
    return kept | ({"unreached": unreached} if unreached else {})


def of_notice(kept: Audience) -> dict[str, Any]:
    lists = {name: list(getattr(kept, name)) for name in NAMES}
    found: dict[str, Any] = {name: items for name, items in lists.items() if items}
    return found | ({"unreached": kept.unreached} if kept.unreached else {})


def drawn(read: Read, who: Subject, areas: Sequence[str], narrowed: Mapping[str, Any], opened: str = "") -> Box:
    """Places are offered for one community at a time: with several chosen, a list of buildings says nothing."""
    known = [area.code for area in active.choosable(read, who) if area.code in areas]
    places = [area.code for area in directory.below(read, known)]
    near = audience.buildings_in(read, places) if len(places) == 1 else []
    names = {each.id: pick(each.zh, each.en) for each in near}
    opened = opened if opened in names else ""
    ticked = {name: set(narrowed.get(name, ())) for name in NAMES}
    stairs, homes = _inside(read, names, opened, ticked)
    earlier = active.listed(read, who.paths("notices.draft"), ("released", "expired"), limit=EARLIER_MAX)
    survey, wrong, everybody = None, "", True
    try:
        to = Audience.of({"areas": list(areas), **narrowed})
        wording.places(read, who, to)
        survey, everybody = audience.surveyed(read, to), to.everybody
    except LinliError as error:
        wrong = error.sentence
    houses = tuple(Choice(ident, name, ident in ticked["buildings"]) for ident, name in names.items())
    return Box(
        houses, opened, stairs, homes,
        tuple(Choice(tag.id, _(tag.name), tag.id in ticked["tags"]) for tag in tags.TAGS),
        tuple(Choice(role, _(name), role in ticked["roles"]) for role, name in ROLES),
        tuple(Choice(each.id, each.title, each.id == narrowed.get("unreached")) for each in earlier),
        survey, everybody, wrong,
    )  # fmt: skip


def _inside(
    read: Read, names: Mapping[str, str], opened: str, ticked: Mapping[str, set[str]]
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """Stairs and homes of the opened building, before them whatever is ticked in another."""
    wanted = {opened, *(stair.partition("/")[0] for stair in ticked["stairs"])} - {""}
    rows = read.session.execute(
        select(col(Household.id), col(Household.building), col(Household.flat))
        .where(
            col(Household.building).in_(names),
            or_(col(Household.building).in_(wanted), col(Household.id).in_(ticked["households"])),
        )
        .order_by(col(Household.building), col(Household.id))
    ).all()
    stairs: dict[str, str] = {}
    homes: dict[str, str] = {}
    for ident, building, flat in rows:
        found = _STAIR.match(flat)
        stair = f"{building}/{found[1]}" if found else ""
        if found and (building == opened or stair in ticked["stairs"]):
            stairs[stair] = _("{building}, stair {number}").format(building=names[building], number=found[1])
        if building == opened or ident in ticked["households"]:
            homes[ident] = directory.door(names[building], flat)
    return _choices(stairs, ticked["stairs"]), _choices(homes, ticked["households"])


def _choices(offered: Mapping[str, str], ticked: set[str]) -> tuple[Choice, ...]:
    made = [Choice(value, name, value in ticked) for value, name in offered.items()]
    return tuple(sorted(made, key=lambda each: not each.chosen))

"""The demo community as pure data: the same seed and day always give the same people, to the last digit.

`plan(seed, today)` is the whole of it. Everything is invented; counts are those of domain.md 7, exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from hashlib import sha256

from simulators import households as types
from simulators import names, offices, places
from simulators.chance import draw
from simulators.equipment import FREE_HAND, huts_of
from simulators.households import Member, apportion
from simulators.places import AREAS, LAYOUTS, LIUHE, Layout
from simulators.plan import Cast, CommunityPlan, DemoPlan, HouseholdPlan, PersonPlan, TvPlan

PHONE_AGE_MIN = 14  # under 14 all personal data is sensitive (PIPL art. 28): children have no account of their own
WECHAT_AGE_MIN, WECHAT_AGE_MAX = 16, 79


def plan(seed: str, today: date) -> DemoPlan:
    """浏河社区, 塔影社区 and 示范村 as they stand on `today`."""
    communities = tuple(_community(seed, today, layout) for layout in LAYOUTS)
    return DemoPlan(
        seed=seed,
        today=today,
        areas=AREAS,
        communities=communities,
        city_staff=offices.city_staff(seed),
        free_hand=FREE_HAND,
        cast=_cast(next(one for one in communities if one.code == LIUHE), today),
    )


def age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def export(demo: DemoPlan) -> Iterator[str]:
    """One JSON line for every thing in the plan, in a fixed order: what the golden test seals."""
    for kind, rows in (
        ("area", demo.areas),
        ("city_staff", demo.city_staff),
        ("free_hand", (demo.free_hand,)),
        ("cast", (demo.cast,)),
    ):
        yield from _lines(kind, rows)
    for one in demo.communities:
        for kind in ("grids", "buildings", "households", "people", "staff", "organisations", "huts", "tvs"):
            yield from _lines(f"{one.code}.{kind}", getattr(one, kind))


def fingerprint(demo: DemoPlan) -> str:
    return sha256("\n".join(sorted(export(demo))).encode()).hexdigest()


def _lines(kind: str, rows: Sequence[object]) -> Iterator[str]:
    for row in rows:
        text = json.dumps(asdict(row), ensure_ascii=False, sort_keys=True, default=str)  # type: ignore[call-overload]
        yield f"{kind} {text}"


def _community(seed: str, today: date, layout: Layout) -> CommunityPlan:
    homes, folk = _residents(seed, today, layout)
    folk = _connect(seed, layout, folk, today)
    grids = places.grids(layout)
    area = next(area for area in AREAS if area.code == layout.code)
    grid_of = {building.id: building.grid for building in places.buildings(layout)}
    home_grid = {home.id: grid_of[home.building] for home in homes}
    adults = [person for person in folk if 25 <= age(person.born, today) < 60]
    workers: dict[int, PersonPlan] = {}
    for person in sorted(adults, key=lambda one: draw(seed, layout.code, "grid-worker", one.id, "rank")):
        workers.setdefault(home_grid[person.household], person)
    homes_with_tv = sorted(homes, key=lambda home: draw(seed, layout.code, "tv", home.id, "rank"))[: layout.tvs]
    return CommunityPlan(
        code=layout.code,
        short=layout.short,
        zh=area.zh,
        en=area.en,
        grids=grids,
        buildings=places.buildings(layout),
        households=tuple(homes),
        people=tuple(folk),
        staff=offices.staff(seed, layout.code, layout.short, grids, workers),
        organisations=offices.organisations(seed, layout.code, layout.short, adults),
        huts=huts_of(layout.code),
        tvs=tuple(
            TvPlan(f"{layout.short}-tv-{number:04d}", layout.code, home)
            for number, home in enumerate(sorted(home.id for home in homes_with_tv), start=1)
        ),
    )


def _residents(seed: str, today: date, layout: Layout) -> tuple[list[HouseholdPlan], list[PersonPlan]]:
    counts = apportion([kind.count for kind in types.TYPES], layout.households)
    kinds = [kind for kind, count in zip(types.TYPES, counts, strict=True) for _ in range(count)]
    order = sorted(range(len(kinds)), key=lambda i: draw(seed, layout.code, "household", i, "room"))
    unmanaged = {one.id for one in places.buildings(layout) if one.grid == layout.unmanaged_grid}
    birthdays = _Birthdays(seed, layout.code, today)
    phones = names.Phones(seed, layout.code, layout.phone_digit)
    homes: list[HouseholdPlan] = []
    folk: list[PersonPlan] = []
    for number, (i, (building, flat)) in enumerate(zip(order, places.rooms(layout), strict=True), start=1):
        kind = kinds[i]
        household = f"{layout.short}-h{number:04d}"
        living = types.members(seed, layout.code, i, kind)
        tags = _tags(living, unmanaged=building in unmanaged)
        surnames = _surnames(seed, layout.code, i, living)
        first = len(folk)
        for place, (member, surname) in enumerate(zip(living, surnames, strict=True)):
            n = first + place + 1
            folk.append(
                PersonPlan(
                    id=f"{layout.short}-p{n:05d}",
                    area=layout.code,
                    household=household,
                    name=surname + names.given(seed, layout.code, "person", n, member.sex),
                    sex=member.sex,
                    born=birthdays.of(n, member.age),
                    relation=types.RELATION[member.part],
                    phone=phones.of(n) if member.age >= PHONE_AGE_MIN else None,
                    card=f"{layout.short.upper()}-{n:06d}",
                    openid=None,
                    app=False,
                    tags=("alone",) * (kind.size == 1 and member.age >= 60) + ("aged80",) * (member.age >= 80),
                )
            )
        ids = tuple(person.id for person in folk[first:])
        homes.append(HouseholdPlan(household, layout.code, building, flat, kind.id, ids, tags))
    return homes, folk


class _Birthdays:
    """Birth dates that give exactly the wanted age on `today`, with the day of the year drawn."""

    def __init__(self, seed: str, community: str, today: date) -> None:
        self._seed, self._community = seed, community
        day = 28 if (today.month, today.day) == (2, 29) else today.day
        self._turned = [date(today.year - years, today.month, day) for years in range(110)]

    def of(self, n: int, years: int) -> date:
        return self._turned[years] - timedelta(days=draw(self._seed, self._community, "person", n, "birthday") % 365)


def _tags(living: Sequence[Member], *, unmanaged: bool) -> tuple[str, ...]:
    oldest = max(member.age for member in living)
    parts = "".join(member.part for member in living)
    return (
        ("alone",) * (len(living) == 1 and oldest >= 60)
        + ("aged80",) * (oldest >= 80)
        + ("single-parent",) * (parts in ("hc", "ht"))
        + ("unmanaged",) * unmanaged
    )


def _surnames(seed: str, community: str, i: int, living: Sequence[Member]) -> list[str]:
    """Children carry their father's name (or the lone parent's), the head's father the head's; others their own."""

    def own(place: int) -> str:
        return names.surname(seed, community, "member", f"{i}.{place}")

    head = own(0)
    couple = len(living) > 1 and living[1].part in "sSZ"
    spouse = own(1) if couple else head
    family = spouse if couple and living[0].sex == "f" else head
    found = [head, spouse][: 1 + couple]
    for place, member in enumerate(living[1 + couple :], start=1 + couple):
        if member.part in "cty":
            found.append(family)
        elif member.part == "o" or (member.part in "ef" and member.sex == "m"):
            found.append(head)
        else:
            found.append(own(place))
    return found


def _connect(seed: str, layout: Layout, folk: list[PersonPlan], today: date) -> list[PersonPlan]:
    """Give exactly `wechat` residents a WeChat binding, and `app` of those the app."""
    able = [i for i, one in enumerate(folk) if WECHAT_AGE_MIN <= age(one.born, today) <= WECHAT_AGE_MAX]
    able.sort(key=lambda i: draw(seed, layout.code, "wechat", i, "rank"))
    for rank, i in enumerate(able[: layout.wechat]):
        folk[i] = replace(folk[i], openid=names.openid(seed, layout.code, i), app=rank < layout.app)
    return folk


def _cast(liuhe: CommunityPlan, today: date) -> Cast:
    """Women who live near the first hut; where the seed put none there, the nearest elsewhere."""
    first_grid = {building.id for building in liuhe.buildings if building.grid == liuhe.grids[0].number}
    near = {home.id for home in liuhe.households if home.building in first_grid}
    women = [one for one in liuhe.people if one.sex == "f"]
    women.sort(key=lambda one: (one.household not in near, one.id))
    bound = [one for one in women if one.openid is not None]
    return Cast(
        grandmother=next(one.id for one in women if set(one.tags) == {"alone", "aged80"}),
        elder=next(one.id for one in bound if 60 <= age(one.born, today) < 80),
        volunteer=next(one.id for one in bound if 30 <= age(one.born, today) < 60),
    )

"""Fill a new store with the demo community, through the verbs everyone uses: so the demo data is also a test of them.

The plan is pure data (simulators/people.py). History is lived through on a clock that is set to each day: readings
arrive as true frames at ingest, slices add theirs in their own `seed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlmodel import col

from devices import topics
from hub import directory, login, readings, registry
from hub.arrival import open_uplink
from hub.batch import write_batch
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.directory import NewHousehold, NewResident, Resident
from hub.module import Module
from hub.registry import Registry
from hub.rng import Rng, secret, uuid7
from hub.uplink import Uplink, Verdict
from simulators import baseline, frames, visits
from simulators.plan import CommunityPlan, DemoPlan, DevicePlan, HutPlan, PersonPlan, StaffPlan

HISTORY_DAYS = 90
VISITS_A_DAY = 7  # of each hut: about 2,400 visits and 12,000 values in 90 days (domain.md 7)
CARD_EVERY = 4  # the other visitors press 不登录直接测: theirs stay nobody's
CAST_EVERY_DAYS = 2  # the people of the stage measure often, so that their trends are worth looking at
Progress = Callable[[str], None]


@dataclass
class SeedWorld:
    """What a slice's `seed(tx, world)` may use. `clock` is the store's own: a slice may set it to the past."""

    plan: DemoPlan
    clock: ManualClock
    now: datetime
    rng: Rng
    gateways: dict[str, str] = field(default_factory=dict)  # gateway -> password
    passwords: dict[str, str] = field(default_factory=dict)  # login -> password


def seed(store: Store, world: SeedWorld, modules: tuple[Module, ...], say: Progress) -> None:
    """Everything of domain.md 7, in the order in which it depends on each other."""
    say("places and people")
    store.write_now(lambda tx: _places(tx, world))
    for community in world.plan.communities:
        store.write_now(partial(_people, world=world, community=community))
    say("huts and devices")
    store.write_now(lambda tx: _huts(tx, world))
    say("ninety days of readings")
    _history(store, world)
    for module in sorted(modules, key=lambda each: each.seed_order):
        if module.seed is not None:
            say(f"{module.name}")
            store.write_now(partial(_fill, fill=module.seed, world=world))
            world.clock.set(world.now)


def _fill(tx: Tx, fill: Callable[[Tx, SeedWorld], None], world: SeedWorld) -> None:
    fill(tx, world)


def _places(tx: Tx, world: SeedWorld) -> None:
    for area in world.plan.areas:
        extra = {"profile": "village"} if area.kind == "village" else {}
        directory.found_area(tx, area.code, area.kind, area.zh, area.en, area.parent, **extra)
    for member in world.plan.city_staff:
        _hire(tx, member)


def _people(tx: Tx, world: SeedWorld, community: CommunityPlan) -> None:
    for building in community.buildings:
        directory.found_building(tx, building.id, community.code, building.zh, building.en, building.grid)
    by_id = {person.id: person for person in community.people}
    directory.register_households(
        tx,
        community.code,
        (
            NewHousehold(
                home.id,
                home.building,
                home.flat,
                home.tags,
                tuple(_resident(by_id[member]) for member in home.members),
            )
            for home in community.households
        ),
    )
    for organisation in community.organisations:
        tx.session.add(
            directory.Organisation(
                id=organisation.id, area=community.code, zh=organisation.zh, en=organisation.en, state="filed"
            )
        )
    for member in community.staff:
        _hire(tx, member)


def _resident(person: PersonPlan) -> NewResident:
    return NewResident(
        person.id, person.household, person.name, person.sex, person.born, person.phone, person.card, person.tags
    )


def _hire(tx: Tx, member: StaffPlan) -> None:
    directory.hire(
        tx,
        member.id,
        member.name,
        member.person,
        [(member.role, member.area)],
        title_zh=member.title_zh,
        title_en=member.title_en,
        household=member.household,
    )


def _huts(tx: Tx, world: SeedWorld) -> None:
    for community in world.plan.communities:
        for hut in community.huts:
            registry.found_hut(tx, hut.id, hut.area, hut.zh, hut.en)
            _gateway(tx, world, hut)
    free = world.plan.free_hand
    first = world.plan.communities[0].huts[0]
    world.gateways[free.gateway] = registry.add_gateway(tx, free.gateway, free.area, first.id)
    for device in free.devices:
        _device(tx, device)


def _gateway(tx: Tx, world: SeedWorld, hut: HutPlan) -> None:
    world.gateways[hut.gateway] = registry.add_gateway(tx, hut.gateway, hut.area, hut.id)
    for device in hut.devices:
        _device(tx, device)


def _device(tx: Tx, device: DevicePlan) -> None:
    upkeep = device.condition if device.condition in ("calibration_due", "out_of_paper") else None
    registry.add_device(
        tx,
        device.id,
        device.gateway,
        device.profile,
        device.zh,
        device.en,
        kind=device.kind,
        serial=device.serial,
        upkeep=upkeep,
    )


def _history(store: Store, world: SeedWorld) -> None:
    """Live through the days: each visit's frames go the way of every frame, but for the wire."""
    book = Registry(store, world.clock)
    book.look()
    start = world.now - timedelta(days=HISTORY_DAYS)
    for day in range(HISTORY_DAYS):
        moment = start + timedelta(days=day)
        uplinks, owners = _day(world, moment, day)
        if not uplinks:
            continue
        world.clock.set(max(uplink.received for uplink in uplinks))

        def new_id() -> str:
            return uuid7(world.clock.now(), world.rng)

        opened = [open_uplink(uplink, book, new_id, new_id()) for uplink in uplinks]

        def live(tx: Tx, opened: list = opened, owners: list = owners) -> None:  # type: ignore[type-arg]
            write_batch(tx, opened)
            # Held, not used: a session forgets whom nobody holds, and would fetch them anew for each reading's age.
            _known = list(
                tx.session.execute(select(Resident).where(col(Resident.id).in_(filter(None, owners)))).scalars()
            )
            with tx.session.no_autoflush:  # what is judged of them goes down at once, not between two of them
                for each, owner in zip(opened, owners, strict=True):
                    for arrival in each.arrivals if owner else ():
                        readings.bind(tx, arrival.id, owner, "card", None)

        store.write_now(live)
    world.clock.set(world.now)


def _day(world: SeedWorld, moment: datetime, day: int) -> tuple[list[Uplink], list[str | None]]:
    uplinks: list[Uplink] = []
    owners: list[str | None] = []
    cast = astuple(world.plan.cast)
    for number, (hut, person, at) in enumerate(_visits(world, moment, day)):
        if at >= world.now - timedelta(hours=1):
            continue
        for device in _working(hut):
            vital = _vital(world.plan.seed, device, person, at)
            if vital is None:
                continue
            taken = frames.frame(device, vital, at)
            uplinks.append(
                Uplink(
                    account=hut.gateway,
                    topic=topics.up(hut.area, hut.gateway, device.id, device.codec or ""),
                    payload=taken.payload,
                    received=at + timedelta(seconds=2),
                    settle=_settled,
                )
            )
            owners.append(person.id if person.id in cast or number % CARD_EVERY == 0 else None)
    return uplinks, owners


def _settled(_verdict: Verdict) -> None:
    """History has no sender who waits."""


def _visits(world: SeedWorld, moment: datetime, day: int) -> Iterator[tuple[HutPlan, PersonPlan, datetime]]:
    for community in world.plan.communities:
        by_id = {person.id: person for person in community.people}
        for hut in community.huts:
            for visit in visits.visits(world.plan.seed, hut, moment.date(), community.people)[:: _thin(hut)]:
                yield hut, visit.person, visit.at
        if day % CAST_EVERY_DAYS == 0:
            cast = world.plan.cast
            for place, ident in enumerate((cast.grandmother, cast.elder, cast.volunteer)):
                if ident in by_id:
                    morning = moment.replace(hour=0, minute=3 + place, second=0, microsecond=0)
                    yield community.huts[0], by_id[ident], morning + timedelta(minutes=20 * place)


def _thin(hut: HutPlan) -> int:
    return max(1, visits.VISITS_A_DAY.get(hut.area, visits.VISITS_A_DAY_URBAN) // VISITS_A_DAY)


def _working(hut: HutPlan) -> list[DevicePlan]:
    """One device of each kind that sends readings."""
    chosen: dict[str, DevicePlan] = {}
    for device in hut.devices:
        if device.codec is not None and device.condition != "offline":
            chosen.setdefault(device.kind, device)
    return list(chosen.values())


def _vital(seed_text: str, device: DevicePlan, person: PersonPlan, at: datetime) -> frames.Vital | None:
    if device.kind == "bp":
        return baseline.bp(seed_text, person, at)
    if device.kind == "spo2" and at.minute % 2 == 0:
        return baseline.spo2(seed_text, person, at)
    if device.kind == "temp" and at.minute % 3 == 0:
        return baseline.temp(seed_text, person, at)
    return None


def give_logins(tx: Tx, world: SeedWorld) -> None:
    """A password for every member of staff who may sign in, made anew on each machine: no two installs share one."""
    rooms = [world.plan.city_staff, *(community.staff for community in world.plan.communities)]
    for member in (member for room in rooms for member in room):
        world.passwords[member.login] = secret(tx.rng)[:12]
        login.set_password(tx, member.login, "staff", member.id, world.passwords[member.login])

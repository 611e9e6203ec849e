"""The demo's points and activities: made by the verbs, whole at the end, and quick."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import func, select

from hub import audit
from hub.bus import Bus
from hub.civic import activities, points
from hub.civic.activities.models import Activity, Sheet
from hub.civic.points import book, cards, docket, publicity, teams
from hub.clock import ManualClock
from hub.db import Store
from hub.events import PersonalMessage
from hub.main import seed
from hub.rng import SeededRng
from simulators import people
from tests.world import LIUHE, START, make_store, wire


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, seed.SeedWorld, list[PersonalMessage]]:
    bus, clock = Bus(), ManualClock(START)
    wire(bus, (points.MODULE, activities.MODULE))
    told: list[PersonalMessage] = []
    bus.on(PersonalMessage, lambda _tx, event: told.append(event))
    store = make_store(tmp_path_factory.mktemp("demo"), bus=bus, clock=clock)
    world = seed.SeedWorld(people.plan("linli-1", START.date()), clock, START, SeededRng("demo"))
    store.write_now(lambda tx: seed._places(tx, world))
    for community in world.plan.communities:
        store.write_now(partial(seed._people, world=world, community=community))
    for module in sorted((points.MODULE, activities.MODULE), key=lambda each: each.seed_order):
        fill = module.seed
        assert fill is not None
        store.write_now(lambda tx, run=fill: run(tx, world))
    return store, world, told


def test_three_thousand_entries_that_add_up(demo: tuple[Store, seed.SeedWorld, list[PersonalMessage]]) -> None:
    store, _world, told = demo
    found = store.read_now(book.recount)
    assert found.sound
    assert 2_500 <= found.postings <= 3_600
    assert store.read_now(audit.verify) is None
    assert told == []  # history is lived through again; nobody's phone rings for it
    assert store.clock.now() == START


def test_the_stages_people_have_a_balance_worth_looking_at(
    demo: tuple[Store, seed.SeedWorld, list[PersonalMessage]],
) -> None:
    store, world, _told = demo
    for person in (world.plan.cast.elder, world.plan.cast.volunteer):
        shown = store.read_now(lambda read, one=person: cards.figures(read, one))
        assert 1_150 <= shown["balance"] <= 1_450
        assert shown["level"] == "三星"
    assert store.read_now(lambda read: cards.tv(read, LIUHE)) is not None


def test_the_stage_s_volunteer_acts_for_an_organisation_with_points(
    demo: tuple[Store, seed.SeedWorld, list[PersonalMessage]],
) -> None:
    store, world, _told = demo
    kept = store.read_now(lambda read: teams.mine(read, world.plan.cast.volunteer))["teams"]
    assert [(name, points) for _ident, name, _role, points in kept] == [("红马甲志愿队", 90)]


def test_eight_activities_were_and_four_come(demo: tuple[Store, seed.SeedWorld, list[PersonalMessage]]) -> None:
    store, world, _told = demo
    first = world.plan.communities[0].code

    def count(read: object, *rules: object) -> int:
        return int(read.session.execute(select(func.count()).select_from(Activity).where(*rules)).scalar_one())  # type: ignore[attr-defined]

    past = store.read_now(lambda read: count(read, Activity.area == first, Activity.ends < START))
    coming = store.read_now(lambda read: count(read, Activity.area == first, Activity.ends >= START))
    assert (past, coming) == (8, 4)
    states = store.read_now(lambda read: set(read.session.execute(select(Sheet.state)).scalars()))
    assert states == {"approved"}


def test_the_desk_finds_claims_in_every_state_it_meets(
    demo: tuple[Store, seed.SeedWorld, list[PersonalMessage]],
) -> None:
    store, _world, _told = demo
    waiting = store.read_now(lambda read: docket.waiting(read, LIUHE))
    assert sorted((each.item, each.state) for each in waiting) == [
        ("B02", "verified"), ("C03", "claimed"), ("C06", "claimed"), ("C09", "claimed"),
    ]  # fmt: skip
    assert [each.points for each in store.read_now(lambda read: publicity.published(read, LIUHE))] == [50]

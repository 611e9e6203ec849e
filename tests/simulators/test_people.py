"""The demo community is exactly the one domain.md 7 counts, and the same every time."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulators import baseline, households
from simulators.people import age, export, fingerprint, plan
from simulators.plan import CommunityPlan, DemoPlan

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def demo() -> DemoPlan:
    return plan("linli-1", TODAY)


def _bands(community: CommunityPlan, on: date) -> Counter[str]:
    def band(years: int) -> str:
        return next(
            name
            for top, name in ((14, "0-13"), (18, "14-17"), (60, "18-59"), (80, "60-79"), (200, "80+"))
            if years < top
        )

    return Counter(band(age(person.born, on)) for person in community.people)


def test_liuhe_has_exactly_the_people_of_the_table(demo: DemoPlan) -> None:
    liuhe = demo.communities[0]
    assert (liuhe.zh, len(liuhe.households), len(liuhe.people)) == ("浏河社区", 2600, 7300)
    assert _bands(liuhe, TODAY) == {"0-13": 1040, "14-17": 270, "18-59": 4255, "60-79": 1500, "80+": 235}
    assert sum("alone" in person.tags for person in liuhe.people) == 195
    assert Counter(len(home.members) for home in liuhe.households) == {1: 380, 2: 810, 3: 720, 4: 400, 5: 200, 6: 90}
    assert Counter(home.kind for home in liuhe.households) == {kind.id: kind.count for kind in households.TYPES}


def test_the_other_two_communities_are_scaled_to_the_last_household(demo: DemoPlan) -> None:
    sizes = {one.zh: (len(one.households), len(one.people)) for one in demo.communities[1:]}
    assert sizes == {"塔影社区": (3160, 8872), "示范村（虚构）": (268, 748)}


def test_followers_boxes_staff_and_devices_are_counted_exactly(demo: DemoPlan) -> None:
    def bound(one: CommunityPlan) -> tuple[int, int, int]:
        return sum(p.openid is not None for p in one.people), sum(p.app for p in one.people), len(one.tvs)

    liuhe, taying, village = demo.communities
    assert [bound(one) for one in demo.communities] == [(2555, 584, 910), (3105, 710, 1106), (262, 60, 67)]
    assert Counter(member.role for member in liuhe.staff) == {
        "director": 1, "staff": 6, "attendant": 1, "supervisor": 1, "grid_worker": 8,
    }  # fmt: skip
    assert len(liuhe.organisations) == 12
    assert Counter(building.flats for building in liuhe.buildings) == {60: 20, 70: 20}
    assert [grid.number for grid in liuhe.grids if grid.unmanaged] == [4]
    devices = [device for one in demo.communities for hut in one.huts for device in hut.devices]
    assert len(devices) == 21
    assert Counter(d.condition for d in devices if d.condition != "ok") == {
        "offline": 1, "calibration_due": 1, "out_of_paper": 1,
    }  # fmt: skip
    assert [len(hut.devices) for one in demo.communities for hut in one.huts] == [8, 4, 6, 3]
    assert {"points_office", "operator", "supervisor", "doctor"} <= {member.role for member in demo.city_staff}
    assert taying.code == "420802001013"
    assert village.zh.endswith("（虚构）")


def test_every_id_card_phone_and_binding_is_unique(demo: DemoPlan) -> None:
    people = [person for one in demo.communities for person in one.people]
    for column in ("id", "card", "phone", "openid"):
        values = [value for person in people if (value := getattr(person, column)) is not None]
        assert len(set(values)) == len(values), column
    ids = [thing.id for one in demo.communities for row in (one.households, one.staff, one.tvs) for thing in row]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]{1,64}", id) for id in ids)


def test_no_phone_number_can_reach_anyone(demo: DemoPlan) -> None:
    phones = [person.phone for one in demo.communities for person in one.people if person.phone]
    assert phones
    assert all(re.fullmatch(r"100\d{8}", phone) and not re.match(r"1[3-9]", phone) for phone in phones)


def test_children_have_no_phone_and_no_binding(demo: DemoPlan) -> None:
    children = [p for one in demo.communities for p in one.people if age(p.born, TODAY) < 14]
    assert children
    assert all(child.phone is None and child.openid is None and not child.app for child in children)


def test_families_are_possible(demo: DemoPlan) -> None:
    people = {person.id: person for one in demo.communities for person in one.people}
    for one in demo.communities:
        dwellings = {(home.building, home.flat) for home in one.households}
        assert len(dwellings) == len(one.households)
        for home in one.households:
            folk = [people[id] for id in home.members]
            assert all(person.household == home.id for person in folk)
            years = {relation: [age(p.born, TODAY) for p in folk if p.relation == relation] for relation in _RELATIONS}
            assert len(years["head"]) == 1
            parents = years["head"] + years["spouse"]
            assert all(min(parents) - child >= 21 for child in years["child"])
            assert all(parent - years["head"][0] >= 21 for parent in years["parent"])
            assert all(old - years["parent"][0] >= 17 for old in years["grandparent"] if years["parent"])
            if years["spouse"]:
                assert {p.sex for p in folk if p.relation in ("head", "spouse")} == {"f", "m"}


_RELATIONS = ("head", "spouse", "child", "parent", "grandparent", "sibling")


def test_every_grid_worker_lives_in_the_own_grid(demo: DemoPlan) -> None:
    for one in demo.communities:
        people = {person.id: person for person in one.people}
        homes = {home.id: home for home in one.households}
        grid_of = {building.id: building.grid for building in one.buildings}
        workers = [member for member in one.staff if member.role == "grid_worker"]
        assert {worker.grid for worker in workers} == {grid.number for grid in one.grids}
        for worker in workers:
            assert worker.household == people[worker.person].household
            assert worker.grid == grid_of[homes[people[worker.person].household].building]


def test_the_cast_can_play_its_parts(demo: DemoPlan) -> None:
    people = {person.id: person for person in demo.communities[0].people}
    grandmother = people[demo.cast.grandmother]
    assert age(grandmother.born, TODAY) >= 80
    assert grandmother.openid is None
    assert people[demo.cast.elder].openid is not None
    assert people[demo.cast.volunteer].openid is not None


def test_the_same_seed_and_day_give_the_same_community_for_ever(demo: DemoPlan) -> None:
    """The golden test: whoever changes one drawn value changes every demo, and has to say so here."""
    assert fingerprint(demo) == "1500630d023efa3e225998f78e0261ff3ea8270164af9d3a2046977cfb7840db"
    assert fingerprint(plan("linli-2", TODAY)) != fingerprint(demo)


def test_a_demo_of_another_day_keeps_everyone_but_the_birth_dates(demo: DemoPlan) -> None:
    later = plan("linli-1", TODAY + timedelta(days=400))
    assert _bands(later.communities[0], later.today) == _bands(demo.communities[0], TODAY)
    assert [p.name for p in later.communities[0].people] == [p.name for p in demo.communities[0].people]
    assert len(list(export(later))) == len(list(export(demo)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(0, 5000))
def test_apportioned_seats_add_up_and_are_within_one_of_the_share(weights: list[int], seats: int) -> None:
    shares = households.apportion(weights, seats)
    assert sum(shares) == seats
    assert all(abs(got - weight * seats / sum(weights)) < 1 for got, weight in zip(shares, weights, strict=True))


# Without shrinking: an example is a whole population, and seed and day already name it.
@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.text("abcdefghij-0123456789", min_size=1, max_size=12), st.dates(date(2020, 1, 1), date(2060, 12, 31)))
def test_any_seed_and_any_day_keep_the_counts(seed: str, today: date) -> None:
    liuhe = plan(seed, today).communities[0]
    assert _bands(liuhe, today) == {"0-13": 1040, "14-17": 270, "18-59": 4255, "60-79": 1500, "80+": 235}


def test_blood_pressures_are_plausible_and_as_common_as_in_the_rule(demo: DemoPlan) -> None:
    at = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    people = demo.communities[0].people
    readings = {person.id: baseline.bp("linli-1", person, at) for person in people}
    assert all(10 <= r.sys - r.dia <= 150 and r.dia <= r.mean <= r.sys for r in readings.values())
    old = [p for p in people if age(p.born, TODAY) >= 60]
    high = sum(baseline.baseline("linli-1", p, TODAY).sys > 140 for p in old) / len(old)
    assert 0.24 < high < 0.33, "28 % of those over 60 are above 140"
    urgent = sum(reading.sys >= 180 or reading.dia >= 110 for reading in readings.values())
    assert 10 <= urgent <= 70, "0.5 % of 5,990 adults is 30"
    second = [baseline.bp("linli-1", p, at, attempt=2).sys - readings[p.id].sys for p in people]
    assert -4 < sum(second) / len(second) < -2, "the second reading is about 3 lower"


def test_oximetry_and_temperature_stay_in_their_healthy_range(demo: DemoPlan) -> None:
    for hour in range(0, 24, 5):
        at = datetime(2026, 11, 22, hour, tzinfo=UTC)
        for person in demo.communities[2].people:
            assert 95 <= baseline.spo2("linli-1", person, at).spo2 <= 99
            assert 36 <= baseline.temp("linli-1", person, at).cel <= 37


def test_a_value_can_be_recomputed_alone(demo: DemoPlan) -> None:
    person, at = demo.communities[0].people[7], datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)
    assert baseline.bp("linli-1", person, at) == baseline.bp("linli-1", person, at)
    assert baseline.bp("linli-1", person, at) != baseline.bp("linli-2", person, at)

"""Who is meant: places, homes, marks and roles, counted before anybody signs and never told to the neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from hub import audience, outbox, reach, tags
from hub.audience import Audience
from hub.audit import AuditRow
from hub.civic.notices import active, board, cards, desk, wording
from hub.db import Actor, Tx
from hub.directory import AGED, NewHousehold, NewResident, Resident, age, found_building, hire, register_households
from hub.errors import NotFound, Refused
from hub.outbox import Outbox
from tests.notices.office import Office, open_office, words
from tests.world import LIUHE, START, TAYING

BOUND = {"r-wang": "o-wang", "r-lin": "o-lin", "r-du": "o-du", "r-he": "o-he", "r-old": "o-old", "r-far": "o-far"}


def _more(tx: Tx) -> None:
    """A house with two stairs, a grid worker who lives there, and a house in the community beside."""
    found_building(tx, "lh-b2", LIUHE, "2栋", "Building 2", grid=1)
    found_building(tx, "ty-b1", TAYING, "1栋", "Building 1", grid=1)
    du = NewResident("r-du", "h-du", "杜一", "m", date(1990, 1, 1), tags=("disabled",))
    he = NewResident("r-he", "h-he", "何二", "f", date(1970, 1, 1))
    old = NewResident("r-old", "h-old", "古三", "m", date(1946, 11, 23))  # turns 80 on the day after START
    near = [
        NewHousehold("h-du", "lh-b2", "1单元101", (), (du,)),
        NewHousehold("h-he", "lh-b2", "2单元101", (), (he,)),
        NewHousehold("h-old", "lh-b2", "12单元101", (), (old,)),
    ]
    register_households(tx, LIUHE, near)
    far = NewResident("r-far", "h-far", "范四", "m", date(1930, 1, 1))
    register_households(tx, TAYING, [NewHousehold("h-far", "ty-b1", "1号", (), (far,))])
    hire(tx, "s-grid2", "何二", "r-he", [("grid_worker", LIUHE)])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = open_office(tmp_path_factory.mktemp("audience"), {})
    made.store.write_now(_more)
    made.store.write_now(lambda tx: [audience.bind(tx, who, "wechat", to) for who, to in BOUND.items()])
    yield made
    made.store.close()


def meant(office: Office, to: Audience) -> set[str]:
    page = office.store.read_now(lambda read: audience.page(read, to, "wechat", limit=100))
    assert page.after is None
    return {each.resident for each in page.targets}


@pytest.mark.parametrize(
    ("narrowed", "who"),
    [
        ({}, {"r-wang", "r-lin", "r-boy", "r-du", "r-he", "r-old"}),
        ({"buildings": ("lh-b1",)}, {"r-wang", "r-lin", "r-boy"}),
        ({"stairs": ("lh-b2/1",)}, {"r-du"}),  # stair 12 begins with the same digit
        ({"households": ("h-lin",)}, {"r-lin", "r-boy"}),
        ({"buildings": ("lh-b1",), "stairs": ("lh-b2/2",), "households": ("h-du",)},
         {"r-wang", "r-lin", "r-boy", "r-he", "r-du"}),
        ({"tags": ("disabled",)}, {"r-du"}),
        ({"tags": ("aged80",)}, {"r-wang"}),
        ({"tags": ("aged60",)}, {"r-wang", "r-old"}),
        ({"tags": ("alone",)}, {"r-wang", "r-old"}),  # nobody marked r-old: one bed, and turned sixty
        ({"tags": ("children",)}, {"r-lin", "r-boy"}),
        ({"tags": ("alone", "disabled"), "buildings": ("lh-b2",)}, {"r-du", "r-old"}),
        ({"roles": ("grid_worker",)}, {"r-he"}),
    ],
)  # fmt: skip
def test_an_audience_means_exactly_these_people(
    office: Office, narrowed: dict[str, tuple[str, ...]], who: set[str]
) -> None:
    to = Audience((LIUHE,), **narrowed)  # type: ignore[arg-type]
    assert meant(office, to) == who
    seen = office.store.read_now(lambda read: audience.surveyed(read, to))
    assert seen.count.residents == len(who) == office.store.read_now(lambda read: audience.size(read, to))
    assert (seen.reachable, seen.unreachable) == (len(who & set(BOUND)), len(who - set(BOUND)))
    assert sum(each.residents for each in seen.buildings) == len(who)
    assert sum(each.households for each in seen.buildings) == seen.count.households
    assert Audience.read(str(to)) == to


def test_a_mark_of_age_follows_the_birthday_and_not_the_census(office: Office) -> None:
    assert "r-old" not in meant(office, Audience((LIUHE,), tags=("aged80",)))
    office.clock.advance(86_400)
    try:
        assert "r-old" in meant(office, Audience((LIUHE,), tags=("aged80",)))
    finally:
        office.clock.set(START)


@settings(max_examples=60, deadline=None)
@given(
    st.dates(date(1900, 1, 1), date(2030, 12, 31)), st.dates(date(2020, 1, 1), date(2040, 12, 31)), st.integers(1, 99)
)
def test_who_was_born_by_then_has_turned_that_old(born: date, today: date, years: int) -> None:
    assert (born <= tags.born_by(today, years)) == (age(born, today) >= years)
    assert age(tags.born_by(today, AGED), today) == AGED


def test_only_who_has_not_seen_the_earlier_notice_is_told_again_and_the_list_stands_from_the_release(
    office: Office,
) -> None:
    first = office.released()

    def see(who: str, level: str = "seen") -> None:
        proof = reach.Proof(first.id, 1, f"r:{who}", "web", level, office.clock.now())
        office.store.write_now(lambda tx: reach.record(tx, proof))

    see("r-wang")
    office.clock.advance(60)
    again = office.released(audience=Audience((LIUHE,), unreached=first.id), title="停水通知（再次提醒）")
    counted = office.store.read_now(lambda read: reach.sums(read, again.id).audience)
    assert counted == 5
    office.clock.advance(60)
    see("r-lin")  # after the count, before the fan-out
    see("r-wang", "acknowledged")  # long counted out
    office.spread()
    rows = office.store.read_now(
        lambda read: set(read.session.execute(select(Outbox.resident).where(Outbox.notice == again.id)).scalars())
    )
    assert rows == {"r-lin", "r-du", "r-he", "r-old"}
    told = office.store.read_now(lambda read: outbox.states(read, again.id))
    assert sum(told["wechat"].values()) == counted


def test_nobody_writes_to_those_whom_a_notice_of_another_place_missed(office: Office) -> None:
    elsewhere = office.released(audience=Audience((TAYING,)))
    with pytest.raises(NotFound):
        office.draft(audience=Audience((LIUHE,), unreached=elsewhere.id))
    with pytest.raises(NotFound):
        office.draft(audience=Audience((LIUHE,), unreached="no-such-notice"))


@pytest.mark.parametrize(
    "places",
    [{"stairs": ("ty-b1/1",)}, {"households": ("h-far",)}, {"buildings": ("ty-b1",)}, {"households": ("h-x",)}],
)
def test_a_place_outside_the_areas_is_refused(office: Office, places: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(Refused):
        office.draft(audience=Audience((LIUHE,), **places))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "narrowed",
    [{"tags": ("disabled",)}, {"households": ("h-lin",)}, {"stairs": ("lh-b2/1",)}, {"roles": ("grid_worker",)}],
)
def test_what_is_meant_for_a_few_stands_on_no_screen_and_no_board(
    office: Office, narrowed: dict[str, tuple[str, ...]]
) -> None:
    made = office.released(audience=Audience((LIUHE,), **narrowed), title="只给您的通知")  # type: ignore[arg-type]

    def shown(read: Tx) -> str:
        held = [each.id for each in active.notices_of(read, LIUHE)]
        views = [view(read, LIUHE) for view in (cards.home, cards.whole, cards.tv, cards.overlay, cards.kiosk)]
        board.mark_all(read)
        return f"{held} {views} {board.next_boards(read)}"

    assert made.id not in office.store.write_now(shown)
    assert made.title not in office.store.write_now(shown)
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "The matter is settled"))


def test_what_is_meant_for_some_houses_still_stands_on_the_screens(office: Office) -> None:
    made = office.released(audience=Audience((LIUHE,), buildings=("lh-b2",)))
    assert made.id in [each.id for each in office.store.read_now(lambda read: active.notices_of(read, LIUHE))]


def test_the_audience_is_signed_with_the_words(office: Office) -> None:
    made = office.draft(priority="urgent", audience=Audience((LIUHE,), households=("h-lin",)))
    before = wording.content(made)
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))
    changed = words(priority="urgent", audience=Audience((LIUHE,), households=("h-du",)))
    after = office.store.write_now(lambda tx: desk.revise(tx, office.staff, made.id, changed))
    assert wording.content(after)["audience"] != before["audience"]
    assert office.store.read_now(lambda read: desk.signatures(read, after)) == []


def test_lists_that_came_later_change_no_older_signature() -> None:
    assert str(Audience((LIUHE,), tags=("aged80",))) == (
        '{"areas":["420802002001"],"buildings":[],"roles":[],"tags":["aged80"]}'
    )


@pytest.mark.parametrize(
    "given",
    [{"areas": []}, {"areas": [LIUHE], "stairs": ["b1"]}, {"areas": [LIUHE], "unreached": "x y"},
     {"areas": [LIUHE], "names": ["王桂兰"]}, {"areas": [LIUHE], "unreached": ["n"]}, {"areas": LIUHE}],
)  # fmt: skip
def test_an_audience_that_is_none_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(Refused):
        Audience.of(given)


def test_marks_are_set_by_hand_audited_without_the_mark_and_what_is_worked_out_cannot_be_set(office: Office) -> None:
    def put(*wanted: str) -> bool:
        return office.store.write_now(
            lambda tx: tags.mark(tx, tx.session.get_one(Resident, "r-lin"), wanted), Actor("staff:s-staff")
        )

    assert put("disabled", "volunteer")
    assert not put("volunteer", "disabled")
    assert "r-lin" in meant(office, Audience((LIUHE,), tags=("disabled",)))
    assert put()
    assert "r-lin" not in meant(office, Audience((LIUHE,), tags=("disabled", "volunteer")))
    with pytest.raises(Refused):
        put("aged80")
    rows = office.store.read_now(
        lambda read: list(read.session.execute(select(AuditRow).where(AuditRow.kind == "ResidentMarked")).scalars())
    )
    assert [(row.subject, row.actor) for row in rows] == [("r-lin", "staff:s-staff")] * 2
    assert "disabled" not in " ".join(row.detail for row in rows)


@settings(max_examples=15, deadline=None)
@given(
    buildings=st.sets(st.sampled_from(["lh-b1", "lh-b2"])), stairs=st.sets(st.sampled_from(["lh-b2/1", "lh-b2/12"])),
    homes=st.sets(st.sampled_from(["h-lin", "h-he"])),
    marks=st.sets(st.sampled_from(["aged60", "disabled", "children"])),
)  # fmt: skip
def test_places_add_up_and_marks_narrow(
    office: Office, buildings: set[str], stairs: set[str], homes: set[str], marks: set[str]
) -> None:
    def people(**narrowed: object) -> set[str]:
        return meant(office, Audience((LIUHE,), **{k: tuple(sorted(v)) for k, v in narrowed.items()}))  # type: ignore

    everyone = people()
    each = [people(buildings={b}) for b in buildings] + [people(stairs={s}) for s in stairs]
    placed = set().union(*each, *(people(households={h}) for h in homes)) if buildings | stairs | homes else everyone
    marked = set().union(*(people(tags={m}) for m in marks)) if marks else everyone
    assert people(buildings=buildings, stairs=stairs, households=homes, tags=marks) == placed & marked
    assert placed & marked <= everyone

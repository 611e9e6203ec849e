"""The reach ledger: proof only rises, sums are viewers, and a screen can only speak of what it may show."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from hub import reach
from hub.access import Subject
from hub.audience import Audience
from hub.civic.notices import desk
from hub.reach import LEVELS, RANK, Proof, Reach
from tests.notices.office import Office, open_office
from tests.world import DISTRICT, LIUHE, START, STREET, TAYING


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


PROOFS = st.lists(
    st.builds(
        Proof,
        notice=st.sampled_from(["n1", "n2"]),
        revision=st.just(1),
        viewer=st.sampled_from(["r:a", "r:b", "s:tv1", "s:tv2"]),
        channel=st.sampled_from(["web", "tv", "wechat"]),
        level=st.sampled_from(LEVELS),
        at=st.just(START),
    ),
    max_size=30,
)


@settings(max_examples=30)
@given(PROOFS, st.lists(st.integers(1, 5), max_size=10))
def test_proof_never_falls_and_every_viewer_is_counted_once(proofs: list[Proof], cuts: list[int]) -> None:
    with TemporaryDirectory() as folder:
        store = open_office(Path(folder), followers={}).store
        best: dict[tuple[str, str, str], int] = {}
        left = list(proofs)
        for size in [*cuts, len(left)]:
            batch, left = left[:size], left[size:]
            store.write_now(lambda tx, batch=batch: reach.record_all(tx, batch))
            for each in batch:
                for channel in (each.channel, reach.BEST):
                    place = (each.notice, each.viewer, channel)
                    best[place] = max(best.get(place, 0), RANK[each.level])
            rows = store.read_now(lambda read: list(read.session.execute(select(Reach)).scalars()))
            assert {(row.notice, row.viewer, row.channel): row.level for row in rows} == best
            for notice in ("n1", "n2"):
                sums = store.read_now(lambda read, notice=notice: reach.sums(read, notice))
                people = Counter(
                    LEVELS[level - 1] for (about, viewer, channel), level in best.items()
                    if about == notice and channel == reach.BEST and viewer.startswith("r:")
                )  # fmt: skip
                assert dict(sums.best) == people
        store.close()


def test_read_once_anywhere_is_read_everywhere(office: Office) -> None:
    made = office.released()
    viewer = reach.resident_viewer("r-wang")
    office.store.write_now(lambda tx: reach.record(tx, Proof(made.id, 1, viewer, "wechat", "delivered", START)))
    office.store.write_now(lambda tx: reach.record(tx, Proof(made.id, 1, viewer, "web", "seen", START)))
    assert office.store.read_now(lambda read: reach.best_of(read, viewer, [made.id])) == {made.id: "seen"}
    sums = office.store.read_now(lambda read: reach.sums(read, made.id))
    assert (sums.audience, dict(sums.best)) == (3, {"seen": 1})
    assert dict(sums.channels["wechat"]) == {"delivered": 1}


def test_a_late_receipt_moves_nothing_back(office: Office) -> None:
    seen = Proof("n1", 1, "r:a", "web", "seen", START)
    late = Proof("n1", 1, "r:a", "web", "shown", START)
    assert office.store.write_now(lambda tx: reach.record(tx, seen))
    assert not office.store.write_now(lambda tx: reach.record(tx, late))


def hub_of(office: Office) -> SimpleNamespace:
    return SimpleNamespace(store=office.store, clock=office.clock)


def prove(office: Office, subject: Subject, *said: dict[str, object], terminal: str = "") -> int:
    return asyncio.run(reach.proof(hub_of(office), subject, said, terminal=terminal))  # type: ignore[arg-type]


RESIDENT = Subject(id="r-wang", kind="resident", surface="resident", area=LIUHE,
                   area_path=f"420800000000/{DISTRICT}/{STREET}/{LIUHE}")  # fmt: skip


def test_a_screen_proves_only_released_notices_of_its_place(office: Office) -> None:
    mine, draft = office.released(), office.draft()
    elsewhere = office.released(audience=Audience((TAYING,)))
    for notice, counted in ((mine.id, 1), (draft.id, 0), (elsewhere.id, 0), ("nowhere", 0)):
        assert prove(office, RESIDENT, {"notice": notice, "rev": 1, "level": "shown"}) == counted
    assert prove(office, RESIDENT, {"notice": mine.id, "rev": 2, "level": "seen"}) == 0
    assert prove(office, RESIDENT, {"notice": mine.id, "rev": 1, "level": "acknowledged"}) == 0
    assert prove(office, Subject(), {"notice": mine.id, "rev": 1, "level": "seen"}) == 0
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, mine.id, "It was a mistake"))
    assert prove(office, RESIDENT, {"notice": mine.id, "rev": 1, "level": "seen"}) == 0


def test_six_sets_at_the_same_second_are_six_and_not_seven(office: Office) -> None:
    made = office.released()
    said = [{"notice": made.id, "rev": 1, "level": "shown"}]

    async def evening() -> None:
        sets = [
            Subject(f"box{n}", "tv", surface="tv", session=f"session{n}", area=LIUHE, area_path=RESIDENT.area_path)
            for n in range(6)
        ]
        await asyncio.gather(*(reach.proof(hub_of(office), each, said) for each in [*sets, *sets]))  # type: ignore[arg-type]

    asyncio.run(evening())
    sums = office.store.read_now(lambda read: reach.sums(read, made.id))
    assert sums.at_least("tv", "shown") == 6
    assert dict(sums.best) == {}  # a set is no person


def test_one_viewer_cannot_flood_the_ledger(office: Office) -> None:
    made = office.released()
    said = {"notice": made.id, "rev": 1, "level": "shown"}
    for _ in range(reach.PROOFS_PER_MINUTE_MAX):
        prove(office, RESIDENT, {**said, "notice": "nowhere"})
    assert prove(office, RESIDENT, said) == 0
    office.clock.advance(61)
    assert prove(office, RESIDENT, said) == 1

"""Whatever comes in between, in whatever order: one result stands per visit, and nothing is lost from the sums."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from hub import reach
from hub.civic.visits import book, cards, knocks, rules
from hub.civic.visits.knocks import Said
from hub.civic.visits.models import Knock, Visit
from hub.db import Read
from hub.errors import LinliError
from hub.events import NoticeEnded
from tests.visits.street import HOMES, Street, empty, open_street
from tests.world import LIUHE, START

EXAMPLES = 400 if os.environ.get("LINLI_TEST_LONG") == "1" else 20
WORKERS = ("s-feng", "s-luo", "s-grid")
HOME = st.sampled_from(["h-he", "h-su", "h-tan"])
MET = {"h-he": "r-he", "h-su": "r-su", "h-tan": "r-tan"}
KNOCK = st.tuples(
    st.just("knock"), st.sampled_from(["h-he", "h-su"]), st.sampled_from(list(rules.RESULTS)),
    st.sampled_from(["s-feng", "s-feng", "s-feng", "s-luo"]), st.integers(-40, 5), st.integers(0, 9),
)  # fmt: skip
STEP = st.one_of(
    KNOCK,
    KNOCK,
    KNOCK,
    st.tuples(st.just("want"), HOME),
    st.tuples(st.just("again")),
    st.tuples(st.just("hand"), HOME, st.sampled_from(WORKERS)),
    st.tuples(st.just("see"), st.sampled_from([each for home in HOMES.values() for each, _name, _born in home[3]])),
    st.tuples(st.just("later"), st.integers(1, 600)),
    st.tuples(st.just("end")),
)


class Walk:
    """What was done, and what must be true after each step."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.visits: dict[str, str] = {}
        self.sent: list[tuple[str, Said]] = []
        self.levels: dict[str, int] = {}
        self.refused, self.checked = "", 0
        self.people = {each: street.who(each) for each in (*WORKERS, "s-staff")}

    def step(self, what: str, *more: object) -> None:
        try:
            getattr(self, what)(*more)
        except LinliError:
            self.refused = what  # said in a sentence to whoever asked; nothing may have changed
        self.check()

    def want(self, home: str) -> None:
        self.visits[home] = self.street.want(home, MET[home]).id

    def knock(self, home: str, result: str, worker: str, minutes: int, number: int) -> None:
        if home not in self.visits:
            return
        signed = "签" if result in rules.SIGNED else ""
        person = MET[home] if result == "met" else ""
        at = self.street.clock.now() + timedelta(minutes=minutes)
        said = (worker, Said(f"k{number}", self.visits[home], result, person, "", signed, at))
        self.sent.append(said)
        self._send(*said)

    def again(self) -> None:
        """The phones did not hear that all arrived, and send everything once more."""
        for worker, said in self.sent:
            self._send(worker, said)

    def _send(self, worker: str, said: Said) -> None:
        who = self.people[worker]
        self.street.store.write_now(lambda tx: knocks.record_all(tx, who, [said]))

    def hand(self, home: str, worker: str) -> None:
        if home in self.visits:
            desk = self.people["s-staff"]
            self.street.store.write_now(lambda tx: book.hand_over(tx, desk, self.visits[home], worker))

    def see(self, resident: str) -> None:
        self.street.see(resident)

    def later(self, minutes: int) -> None:
        self.street.later(minutes=minutes)

    def end(self) -> None:
        notice = self.street.notice
        self.street.store.write_now(
            lambda tx: tx.emit(NoticeEnded, notice=notice, revision=1, how="expired", areas=(LIUHE,))
        )

    def check(self) -> None:
        every, rows, sums, proved, levels = self.street.store.read_now(self._look)
        final = Counter(row.visit for row in rows if row.stands and row.result in rules.FINAL)
        for visit in every:
            assert final[visit.id] == (visit.state == "done")
            results = {row.result for row in rows if row.visit == visit.id and row.stands}
            assert visit.state != "done" or visit.result in results
            assert visit.tries <= rules.manners().tries_max
        assert sum(sums.values()) == len(every) == len(self.visits)
        assert len({row.key for row in rows}) == len(rows)
        assert sum(proved.best.values()) <= proved.audience
        for resident, level in levels.items():
            assert level >= self.levels.get(resident, 0)
        self.levels = levels
        self.checked += 1

    def _look(self, read: Read) -> tuple[list[Visit], list[Knock], dict[str, int], reach.Sums, dict[str, int]]:
        notice = self.street.notice
        return (
            list(read.session.execute(select(Visit)).scalars()), list(read.session.execute(select(Knock)).scalars()),
            cards.sums(read, notice), reach.sums(read, notice),
            {each: self._level(read, each) for each in MET.values()},
        )  # fmt: skip

    def _level(self, read: Read, resident: str) -> int:
        found = reach.best_of(read, f"r:{resident}", [self.street.notice])
        return reach.RANK.get(found.get(self.street.notice, ""), 0)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """One street for all examples: its statements are compiled once, and each example begins with empty books."""
    made = open_street(tmp_path_factory.mktemp("street"))
    yield made
    made.store.close()


@settings(max_examples=EXAMPLES)
@given(steps=st.lists(STEP, min_size=4, max_size=12))
def test_one_result_stands_per_visit_whatever_happens_in_between(
    street: Street, steps: list[tuple[object, ...]]
) -> None:
    street.clock.set(START)
    street.store.write_now(empty)
    walk = Walk(street)
    for what, *more in [("want", "h-he"), ("want", "h-su"), *steps, ("again",)]:
        walk.step(str(what), *more)
    assert walk.checked == len(steps) + 3

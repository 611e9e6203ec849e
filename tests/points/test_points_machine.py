"""The ledger as a state machine against the dullest model (oracle.py): every verb, repeats, roll-backs, writers at
once, and writers that are killed.

Short in the suite; `python -m tests.points` takes 20,000 operations on each engine and prints their count. A run on
another PostgreSQL: LINLI_TEST_POSTGRES (ledgers.py).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hub.civic.points import accounts, book, chain, holds, ledger, recount
from hub.civic.points.ledger import NotEnoughPoints
from hub.civic.points.why import Receipt, Why
from hub.clock import ManualClock
from hub.db import Tx
from hub.errors import Conflict
from tests.points.ledgers import POSTGRES, a_store, account, crowd, issue
from tests.points.oracle import Oracle, Tally
from tests.points.outage import OURS, written_until_it_died
from tests.points.writers import AWARD, Writer, drafts, kill, pair
from tests.world import START

ENGINE = "postgresql" if POSTGRES else "sqlite"
LONG = os.environ.get("LINLI_TEST_LONG") == "1"
OPERATIONS = 20_000 if LONG else 12  # what three stories do at the least
EXAMPLES, STEPS = (110 if POSTGRES else 170, 100) if LONG else (3, 20)  # where servers die, each story does more
KILLS = 20 if LONG else 2
RETRIES_LEAST = 0.3  # of all operations, as the promise has it
PAIRS = 6  # of a writer that is killed in the midst of a story
KILL_ONE_IN = 8  # steps that may kill a writer, or the server, do so this often
WRITERS = 2 if POSTGRES else 1  # one hub writes a SQLite store; two in a tight loop starve one another
WHO = st.integers(0, 3)
AMOUNT = st.integers(1, 60)
WHICH = st.integers(0, 9_999)
TWICE = st.sampled_from((0, 0, 1, 2))  # how often the answer is lost and the caller tries again
SEVEN_DAYS = timedelta(days=7)
TALLY = Tally()


class Undone(Exception):
    """Ends a transaction that must leave nothing behind."""


class Ledger(RuleBasedStateMachine):
    """What the ledger should hold the oracle says; what it holds is asked after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.clock = ExitStack(), ManualClock(START)
        folder = Path(tempfile.mkdtemp(prefix="linli-machine-"))
        self.stack.callback(shutil.rmtree, folder, True)
        self.store = self.stack.enter_context(a_store(folder, clock=self.clock))
        owners = self.store.write_now(lambda tx: crowd(tx, 4))
        people = self.store.write_now(lambda tx: [account(tx, "person", each) for each in owners])
        self.oracle = Oracle(self.store.write_now(issue), people)
        self.people, self.source = people, self.oracle.source

    def teardown(self) -> None:
        found = self.store.read_now(recount.check)
        assert found.sound
        assert self.store.read_now(chain.verify) == []
        TALLY.note("(postings recounted)", found.postings)
        TALLY.note("(stories)")
        if LONG and TALLY.tried["(stories)"] % 10 == 0:
            print(f"so far {TALLY}", flush=True)
        self.stack.close()

    @initialize()
    def some_points(self) -> None:
        for person in range(4):
            self.award(person, 50)

    @rule(who=WHO, amount=AMOUNT, again=TWICE)
    def award(self, who: int, amount: int, again: int = 0) -> None:
        self._post(self.source, self.people[who], amount, AWARD, again)

    @rule(who=WHO, other=WHO, amount=AMOUNT, again=TWICE)
    def give(self, who: int, other: int, amount: int, again: int) -> None:
        if who != other:
            self._post(self.people[who], self.people[other], amount, Why("transfer"), again)

    @rule(who=WHO, amount=AMOUNT, again=TWICE)
    def hold(self, who: int, amount: int, again: int) -> None:
        reference, person = self.oracle.reference(), self.people[who]
        TALLY.note("hold")
        if not self.oracle.may(person, amount):
            with pytest.raises(NotEnoughPoints):
                self.store.write_now(lambda tx: _hold(tx, person, amount, reference))
            return
        for number in range(1 + again):
            assert self.store.write_now(lambda tx: _hold(tx, person, amount, reference)).repeated == (number > 0)
        TALLY.note("repeat", again)
        self.oracle.hold(reference, person, amount)

    @precondition(lambda self: self.oracle.held)
    @rule(who=WHO, which=WHICH, void=st.booleans())
    def settle(self, who: int, which: int, void: bool) -> None:
        reference = _one(sorted(self.oracle.held), which)
        target = None if void else self.people[who]
        expected = self.oracle.settle(reference, target)
        for _again in range(2):  # the second finds the first one's receipt
            receipt = self._settle(reference, target)
            assert (receipt.destination, receipt.amount) == expected
        TALLY.note("void" if void else "settle")
        TALLY.note("repeat")

    @precondition(lambda self: self.oracle.settled)
    @rule(which=WHICH)
    def settle_the_other_way(self, which: int) -> None:
        reference = _one(sorted(self.oracle.settled), which)
        TALLY.note("settle twice")
        with pytest.raises(Conflict):
            self._settle(reference, None if self.oracle.settled[reference] == "post" else self.people[0])

    @precondition(lambda self: self.oracle.posted)
    @rule(which=WHICH, more=st.integers(0, 5))
    def repeat(self, which: int, more: int) -> None:
        """The same reference, whatever else it says, is the first receipt for ever."""
        reference = _one(sorted(self.oracle.posted), which)
        source, destination, amount = self.oracle.posted[reference]
        again = self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount + more, reference, AWARD))
        assert again.repeated
        assert (again.source, again.destination, again.amount) == (source, destination, amount)
        TALLY.note("repeat")

    @precondition(lambda self: self.oracle.standing())
    @rule(which=WHICH)
    def reverse(self, which: int) -> None:
        reference = _one(self.oracle.standing(), which)
        source, destination, amount = self.oracle.posted[reference]

        def mirror(tx: Tx) -> Receipt:
            txn = ledger.receipts(tx, [reference])[reference].txn
            return ledger.post(tx, destination, source, amount, f"reversal:{txn}", Why("reversal", reverses=txn))

        assert not self.store.write_now(mirror).repeated
        self.oracle.reverse(reference)
        TALLY.note("reverse")

    @rule(who=WHO, amount=AMOUNT)
    def roll_back(self, who: int, amount: int) -> None:
        def work(tx: Tx) -> None:
            ledger.post(tx, self.source, self.people[who], amount, "never", AWARD)
            _hold(tx, self.people[who], 1, "never held") if self.oracle.balances[self.people[who]] >= 0 else None
            raise Undone

        with pytest.raises((Undone, NotEnoughPoints)):
            self.store.write_now(work)
        TALLY.note("roll back")

    @rule(who=WHO, amount=AMOUNT)
    def four_writers_at_once(self, who: int, amount: int) -> None:
        """One reference by four threads is posted once; four spends of all there is, likewise."""
        person, reference = self.people[who], self.oracle.reference()
        receipts = _together(
            lambda _n: self.store.write_now(lambda tx: ledger.post(tx, self.source, person, amount, reference, AWARD))
        )
        assert len({each.txn for each in receipts if each}) == 1
        self.oracle.post(reference, self.source, person, amount)
        TALLY.note("post at once", 4)
        everything = self.oracle.balances[person]
        if everything > 0:
            spent, other = self.oracle.reference(), self.people[(who + 1) % 4]
            done = _together(
                lambda n: self.store.write_now(
                    lambda tx: ledger.post(tx, person, other, everything, f"{spent}-{n}", Why("transfer"))
                )
            )
            winner = [n for n, each in enumerate(done) if each is not None]
            assert len(winner) == 1
            self.oracle.post(f"{spent}-{winner[0]}", person, other, everything)
            TALLY.note("spend at once", 4)

    @rule(one=st.integers(1, KILL_ONE_IN), acks=st.integers(0, 3))
    def a_writer_is_killed(self, one: int, acks: int) -> None:
        """In the long form only. Every pair it tried is tried again, and stands once."""
        if not LONG or one != 1 or self.oracle.balances[self.people[0]] < 0:
            return
        tag = f"kill:{self.oracle.reference()}"
        said = kill([Writer(self.store, tag, self._ends(), PAIRS)], acks)
        self._all_again(tag, said)
        TALLY.note("(kills)")

    @rule(one=st.integers(1, KILL_ONE_IN), acks=st.integers(0, 4))
    def the_server_is_killed(self, one: int, acks: int) -> None:
        """Under four writers; in the long form only, and where the server is ours."""
        if not LONG or not OURS or one != 1 or self.oracle.balances[self.people[0]] < 0:
            return
        tags = [f"outage:{self.oracle.reference()}" for _writer in range(4)]
        stories = [[partial(self._pair, pair(tag, n)) for n in range(PAIRS)] for tag in tags]
        for tag, said in zip(tags, written_until_it_died(self.store, stories, acks), strict=True):
            self._all_again(tag, said)
        TALLY.note("(servers killed)")

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        self.clock.set(self.clock.now() + timedelta(days=days))
        overdue = {each.reference for each in self.store.read_now(lambda read: holds.overdue(read, read.now()))}
        assert overdue <= set(self.oracle.held)
        TALLY.note("(days pass)")

    @invariant()
    def balances_are_what_was_done(self) -> None:
        held, aside = self.store.read_now(
            lambda read: (accounts.held(read, self.oracle.balances), holds.standing(read, self.people))
        )
        self.oracle.agrees(
            {ident: each.balance for ident, each in held.items()},
            {ident: each.floor for ident, each in held.items()}, aside,
        )  # fmt: skip

    def _ends(self) -> tuple[str, str, str]:
        return self.source, self.people[0], self.people[1]

    def _pair(self, references: tuple[str, str]) -> list[Receipt]:
        return self.store.write_now(lambda tx: ledger.post_all(tx, drafts(self._ends(), references)))

    def _all_again(self, tag: str, said: int) -> None:
        """Every pair of a writer that died after it said so many: all stand in the end, so no story hangs on a race."""
        pairs = [pair(tag, n) for n in range(PAIRS)]
        whole = self.oracle.killed(pairs, said, self.store.write_now(partial(_settled, pairs=pairs)))
        for n, references in enumerate(pairs):
            assert [each.repeated for each in self._pair(references)] == [n < whole] * 2
            for draft in drafts(self._ends(), references):
                self.oracle.post(draft.reference, draft.source, draft.destination, draft.amount)
        TALLY.note("post and be killed", 2 * len(pairs))
        TALLY.note("retry after a kill", 2 * len(pairs))

    def _post(self, source: str, destination: str, amount: int, why: Why, again: int) -> None:
        reference = self.oracle.reference()
        TALLY.note(why.reason)
        if not self.oracle.may(source, amount):
            with pytest.raises(NotEnoughPoints):
                self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount, reference, why))
            return
        for number in range(1 + again):
            receipt = self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount, reference, why))
            assert receipt.repeated == (number > 0)
        TALLY.note("repeat", again)
        self.oracle.post(reference, source, destination, amount)

    def _settle(self, reference: str, target: str | None) -> Receipt:
        if target is None:
            return self.store.write_now(lambda tx: holds.void(tx, reference))
        return self.store.write_now(lambda tx: holds.post(tx, reference, target, Why("transfer")))


def _one(of: list[str], which: int) -> str:
    return of[which % len(of)]


def _hold(tx: Tx, person: str, amount: int, reference: str) -> Receipt:
    return holds.hold(tx, person, amount, reference, Why("hold"), tx.now() + SEVEN_DAYS)


def _settled(tx: Tx, pairs: list[tuple[str, str]]) -> set[str]:
    """Which of these stand, once whoever was killed has let the ledger go: a server commits for a dead caller too."""
    accounts.alone(tx)
    return set(ledger.receipts(tx, [each for pair in pairs for each in pair]))


def _together(work: Callable[[int], Receipt]) -> list[Receipt | None]:
    def one(number: int) -> Receipt | None:
        try:
            return work(number)
        except NotEnoughPoints:
            return None

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(one, range(4)))


def test_no_story_of_the_ledger_differs_from_the_dullest_model() -> None:
    TALLY.tried.clear()
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,) if LONG else tuple(Phase),
        ),
    )  # fmt: skip
    print(f"{ENGINE}: {TALLY}")
    assert TALLY.operations >= OPERATIONS
    if LONG:
        assert TALLY.tried["(kills)"] >= KILLS
        assert not OURS or TALLY.tried["(servers killed)"] >= KILLS
        assert all(TALLY.tried[each] >= 100 for each in ("award", "hold", "repeat", "reverse", "post at once"))
        assert TALLY.retries >= RETRIES_LEAST * TALLY.operations


def test_writers_killed_at_any_moment_leave_whole_pairs_that_are_posted_once(tmp_path: Path) -> None:
    """All die by kill -9, and the next ones try every reference again; on PostgreSQL two at once."""
    with a_store(tmp_path) as store:
        source = store.write_now(issue)
        one, two = store.write_now(lambda tx: [account(tx, "person", each) for each in ("r-wang", "r-lin")])
        said = 0
        for _kill_number in range(KILLS):
            said = max(
                said, kill([Writer(store, "kill", (source, one, two), 10_000) for _ in range(WRITERS)], said + 2)
            )
            store.write_now(accounts.alone)  # a server ends what a dead writer had begun
            assert store.read_now(book.recount).sound
            assert store.read_now(chain.verify) == []
            held = store.read_now(lambda read: accounts.held(read, [one, two]))
            pairs = held[two].balance
            assert held[one].balance == pairs  # two in, one on: never half a pair
            assert pairs >= said
        print(f"{ENGINE}: {KILLS * WRITERS} kills, {pairs} pairs, each whole and once")

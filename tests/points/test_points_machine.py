"""The ledger as a state machine against the dullest model (oracle.py): every verb, repeats, roll-backs, writers at
once, and writers that are killed.

Short in the suite; `LINLI_TEST_LONG=1` takes 20,000 operations and prints their count (-s). On PostgreSQL:
LINLI_TEST_POSTGRES (ledgers.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
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
from hub.db import Store, Tx
from hub.errors import Conflict
from tests.points.ledgers import POSTGRES, a_store, account, crowd, issue
from tests.points.oracle import Oracle, Tally
from tests.world import START

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
OPERATIONS = 20_000 if LONG else 12  # what three stories do at the least
EXAMPLES, STEPS = (260, 100) if LONG else (3, 20)
KILLS = 20 if LONG else 2
PAIRS = 6  # of a writer that is killed in the midst of a story
KILL_ONE_IN = 25  # steps that may kill a writer do so this often: each costs the start of a process
WRITERS = 2 if POSTGRES else 1  # one hub writes a SQLite store; two in a tight loop starve one another
AWARD = Why("award", item="C01", catalogue="jingmen-46@1")
WHO = st.integers(0, 3)
AMOUNT = st.integers(1, 60)
WHICH = st.integers(0, 9_999)
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

    @rule(who=WHO, amount=AMOUNT)
    def award(self, who: int, amount: int) -> None:
        self._post(self.source, self.people[who], amount, AWARD)

    @rule(who=WHO, other=WHO, amount=AMOUNT)
    def give(self, who: int, other: int, amount: int) -> None:
        if who != other:
            self._post(self.people[who], self.people[other], amount, Why("transfer"))

    @rule(who=WHO, amount=AMOUNT)
    def hold(self, who: int, amount: int) -> None:
        reference, person = self.oracle.reference(), self.people[who]
        TALLY.note("hold")
        if not self.oracle.may(person, amount):
            with pytest.raises(NotEnoughPoints):
                self.store.write_now(lambda tx: _hold(tx, person, amount, reference))
            return
        self.store.write_now(lambda tx: _hold(tx, person, amount, reference))
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
        ends = (self.source, self.people[0], self.people[1])
        if not LONG or one != 1 or self.oracle.balances[ends[1]] < 0:
            return
        tag = f"kill:{self.oracle.reference()}"
        said = _kill([_writer(self.store, tag, ends, PAIRS)], acks)
        pairs = [_pair(tag, n) for n in range(PAIRS)]  # all in the end, so that what follows hangs on no race
        stands = self.store.read_now(lambda read: ledger.receipts(read, [each for pair in pairs for each in pair]))
        whole = self.oracle.killed(pairs, said, stands)
        for n, pair in enumerate(pairs):
            receipts = self.store.write_now(partial(_again, pair=pair, ends=ends))
            assert [each.repeated for each in receipts] == [n < whole] * 2
            self.oracle.post(pair[0], ends[0], ends[1], 2)
            self.oracle.post(pair[1], ends[1], ends[2], 1)
        TALLY.note("retry after a kill", 2 * len(pairs))
        TALLY.note("(kills)")

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        self.clock.set(self.clock.now() + timedelta(days=days))
        overdue = {each.reference for each in self.store.read_now(lambda read: holds.overdue(read, read.now()))}
        assert overdue <= set(self.oracle.held)
        TALLY.note("(days pass)")

    @invariant()
    def balances_are_what_was_done(self) -> None:
        held = self.store.read_now(lambda read: accounts.held(read, self.oracle.balances))
        aside = self.store.read_now(lambda read: holds.standing(read, self.people))
        self.oracle.agrees(
            {ident: each.balance for ident, each in held.items()},
            {ident: each.floor for ident, each in held.items()}, aside,
        )  # fmt: skip

    def _post(self, source: str, destination: str, amount: int, why: Why) -> None:
        reference = self.oracle.reference()
        TALLY.note(why.reason)
        if not self.oracle.may(source, amount):
            with pytest.raises(NotEnoughPoints):
                self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount, reference, why))
            return
        self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount, reference, why))
        self.oracle.post(reference, source, destination, amount)

    def _settle(self, reference: str, target: str | None) -> Receipt:
        if target is None:
            return self.store.write_now(lambda tx: holds.void(tx, reference))
        return self.store.write_now(lambda tx: holds.post(tx, reference, target, Why("transfer")))


def _one(of: list[str], which: int) -> str:
    return of[which % len(of)]


def _hold(tx: Tx, person: str, amount: int, reference: str) -> Receipt:
    return holds.hold(tx, person, amount, reference, Why("hold"), tx.now() + SEVEN_DAYS)


def _again(tx: Tx, pair: tuple[str, str], ends: tuple[str, str, str]) -> list[Receipt]:
    source, one, two = ends
    return [
        ledger.post(tx, source, one, 2, pair[0], AWARD),
        ledger.post(tx, one, two, 1, pair[1], Why("transfer")),
    ]


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
    print(f"{'postgresql' if POSTGRES else 'sqlite'}: {TALLY}")
    assert TALLY.operations >= OPERATIONS
    if LONG:
        assert TALLY.tried["(kills)"] >= KILLS
        assert all(TALLY.tried[each] >= 100 for each in ("award", "hold", "repeat", "reverse", "post at once"))


CHILD = """
import sys
from hub.civic.points import ledger
from hub.civic.points.why import Draft, Why
from tests.points.ledgers import reopened
url, tag, source, one, two, pairs = sys.argv[1:]
with reopened(url) as store:
    for n in range(int(pairs)):
        drafts = [
            Draft(source, one, 2, f"{tag}:{n}:a", Why("award", item="C01", catalogue="j@1")),
            Draft(one, two, 1, f"{tag}:{n}:b", Why("transfer")),
        ]
        store.write_now(lambda tx: ledger.post_all(tx, drafts))
        print(n, flush=True)
    sys.stdin.read()
"""


def _pair(tag: str, n: int) -> tuple[str, str]:
    return f"{tag}:{n}:a", f"{tag}:{n}:b"


def _writer(store: Store, tag: str, ends: tuple[str, str, str], pairs: int) -> subprocess.Popen[str]:
    """It writes its pairs, and then waits to be killed."""
    url = store.url.render_as_string(hide_password=False)
    words = [sys.executable, "-c", CHILD, url, tag, *ends, str(pairs)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _kill(writers: list[subprocess.Popen[str]], acks: int) -> int:
    """By -9, when each has said so many; how many pairs were said to be posted."""
    said = 0
    for writer in writers:
        assert writer.stdout is not None
        for _ack in range(acks):
            said = max(said, int(writer.stdout.readline()) + 1)
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        said = max([said, *(int(each) + 1 for each in writer.communicate()[0].split())])
    return said


def test_writers_killed_at_any_moment_leave_whole_pairs_that_are_posted_once(tmp_path: Path) -> None:
    """All die by kill -9, and the next ones try every reference again; on PostgreSQL two at once."""
    with a_store(tmp_path) as store:
        source = store.write_now(issue)
        one, two = store.write_now(lambda tx: [account(tx, "person", each) for each in ("r-wang", "r-lin")])
        said = 0
        for _kill_number in range(KILLS):
            said = max(
                said, _kill([_writer(store, "kill", (source, one, two), 10_000) for _ in range(WRITERS)], said + 2)
            )
            assert store.read_now(book.recount).sound
            assert store.read_now(chain.verify) == []
            held = store.read_now(lambda read: accounts.held(read, [one, two]))
            pairs = held[two].balance
            assert held[one].balance == pairs  # two in, one on: never half a pair
            assert pairs >= said
        print(f"{'postgresql' if POSTGRES else 'sqlite'}: {KILLS * WRITERS} kills, {pairs} pairs, each whole and once")

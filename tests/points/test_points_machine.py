"""The ledger as a state machine against the dullest model: every verb, repeats, roll-backs, writers at once, and kills.

Short in the suite; `LINLI_TEST_LONG=1` takes 20,000 operations. On PostgreSQL: LINLI_TEST_POSTGRES (ledgers.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.civic.points import accounts, book, chain, holds, ledger
from hub.civic.points.ledger import NotEnoughPoints
from hub.civic.points.why import Receipt, Why
from hub.clock import ManualClock
from hub.db import Tx
from hub.errors import Conflict
from tests.points.ledgers import POSTGRES, a_store, account, crowd, issue
from tests.world import LIUHE, START

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
EXAMPLES, STEPS = (200, 100) if LONG else (3, 20)
KILLS = 20 if LONG else 2
WRITERS = 2 if POSTGRES else 1  # one hub writes a SQLite store; two in a tight loop starve one another
AWARD = Why("award", item="C01", catalogue="jingmen-46@1")
WHO = st.integers(0, 3)
AMOUNT = st.integers(1, 60)
SEVEN_DAYS = timedelta(days=7)


class Undone(Exception):
    """Ends a transaction that must leave nothing behind."""


class Ledger(RuleBasedStateMachine):
    """What the ledger should hold stands in dictionaries; what it holds is asked after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.clock = ExitStack(), ManualClock(START)
        folder = Path(tempfile.mkdtemp(prefix="linli-machine-"))
        self.stack.callback(shutil.rmtree, folder, True)
        self.store = self.stack.enter_context(a_store(folder, clock=self.clock))
        owners = self.store.write_now(lambda tx: crowd(tx, 4))
        self.people = self.store.write_now(lambda tx: [account(tx, "person", each) for each in owners])
        self.source = self.store.write_now(issue)
        self.balances = dict.fromkeys([self.source, *self.people], 0)
        self.held: dict[str, tuple[str, int]] = {}  # what stands: reference -> account, amount
        self.posted: dict[str, tuple[str, str, int]] = {}
        self.reversed: set[str] = set()
        self.settled: dict[str, str] = {}
        self.number = 0

    def teardown(self) -> None:
        assert self.store.read_now(book.recount).sound
        assert self.store.read_now(chain.verify) == []
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
        reference, person = self._next(), self.people[who]
        if self.balances[person] < amount:
            with pytest.raises(NotEnoughPoints):
                self.store.write_now(lambda tx: self._hold(tx, person, amount, reference))
            return
        self.store.write_now(lambda tx: self._hold(tx, person, amount, reference))
        self.balances[person] -= amount
        self.held[reference] = (person, amount)

    @precondition(lambda self: self.held)
    @rule(who=WHO, data=st.data(), void=st.booleans())
    def settle(self, who: int, data: Any, void: bool) -> None:
        reference = data.draw(st.sampled_from(sorted(self.held)))
        person, amount = self.held.pop(reference)
        target = person if void else self.people[who]
        for _again in range(2):  # the second finds the first one's receipt
            receipt = self._settle(reference, target, void)
            assert (receipt.destination, receipt.amount) == (target, amount)
        self.balances[target] += amount
        self.settled[reference] = "void" if void else "post"

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def settle_the_other_way(self, data: Any) -> None:
        reference = data.draw(st.sampled_from(sorted(self.settled)))
        with pytest.raises(Conflict):
            self._settle(reference, self.people[0], self.settled[reference] == "post")

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), more=st.integers(0, 5))
    def repeat(self, data: Any, more: int) -> None:
        """The same reference, whatever else it says, is the first receipt for ever."""
        reference = data.draw(st.sampled_from(sorted(self.posted)))
        source, destination, amount = self.posted[reference]
        again = self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount + more, reference, AWARD))
        assert again.repeated
        assert (again.source, again.destination, again.amount) == (source, destination, amount)

    @precondition(lambda self: set(self.posted) - self.reversed)
    @rule(data=st.data())
    def reverse(self, data: Any) -> None:
        reference = data.draw(st.sampled_from(sorted(set(self.posted) - self.reversed)))
        source, destination, amount = self.posted[reference]

        def mirror(tx: Tx) -> Receipt:
            txn = ledger.receipts(tx, [reference])[reference].txn
            return ledger.post(tx, destination, source, amount, f"reversal:{txn}", Why("reversal", reverses=txn))

        assert not self.store.write_now(mirror).repeated
        self.reversed.add(reference)
        self._moved(destination, source, amount)

    @rule(who=WHO, amount=AMOUNT)
    def roll_back(self, who: int, amount: int) -> None:
        def work(tx: Tx) -> None:
            ledger.post(tx, self.source, self.people[who], amount, "never", AWARD)
            self._hold(tx, self.people[who], 1, "never held") if self.balances[self.people[who]] >= 0 else None
            raise Undone

        with pytest.raises((Undone, NotEnoughPoints)):
            self.store.write_now(work)

    @rule(who=WHO, amount=AMOUNT)
    def four_writers_at_once(self, who: int, amount: int) -> None:
        """One reference by four threads is posted once; four spends of all there is, likewise."""
        person, reference = self.people[who], self._next()
        receipts = self._together(
            lambda _n: self.store.write_now(lambda tx: ledger.post(tx, self.source, person, amount, reference, AWARD))
        )
        assert len({each.txn for each in receipts if each}) == 1
        self.posted[reference] = (self.source, person, amount)
        self._moved(self.source, person, amount)
        everything = self.balances[person]
        if everything > 0:
            spent, other = self._next(), self.people[(who + 1) % 4]
            done = self._together(
                lambda n: self.store.write_now(
                    lambda tx: ledger.post(tx, person, other, everything, f"{spent}-{n}", Why("transfer"))
                )
            )
            winner = [n for n, each in enumerate(done) if each is not None]
            assert len(winner) == 1
            self.posted[f"{spent}-{winner[0]}"] = (person, other, everything)
            self._moved(person, other, everything)

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        self.clock.set(self.clock.now() + timedelta(days=days))
        overdue = {each.reference for each in self.store.read_now(lambda read: holds.overdue(read, read.now()))}
        assert overdue <= set(self.held)

    @invariant()
    def balances_are_what_was_done(self) -> None:
        held = self.store.read_now(lambda read: accounts.held(read, self.balances))
        assert {ident: each.balance for ident, each in held.items()} == self.balances
        for each in held.values():
            assert each.floor is None or each.balance >= each.floor
            assert each.balance >= 0 or each.id == self.source or self.reversed
        aside = self.store.read_now(lambda read: holds.standing(read, self.people))
        for person in self.people:
            assert aside.get(person, 0) == sum(amount for owner, amount in self.held.values() if owner == person)

    def _post(self, source: str, destination: str, amount: int, why: Why) -> None:
        reference = self._next()
        if source != self.source and self.balances[source] < amount:
            with pytest.raises(NotEnoughPoints):
                self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount, reference, why))
            return
        self.store.write_now(lambda tx: ledger.post(tx, source, destination, amount, reference, why))
        self.posted[reference] = (source, destination, amount)
        self._moved(source, destination, amount)

    def _hold(self, tx: Tx, person: str, amount: int, reference: str) -> Receipt:
        return holds.hold(tx, person, amount, reference, Why("hold"), tx.now() + SEVEN_DAYS)

    def _settle(self, reference: str, target: str, void: bool) -> Receipt:
        if void:
            return self.store.write_now(lambda tx: holds.void(tx, reference))
        return self.store.write_now(lambda tx: holds.post(tx, reference, target, Why("transfer")))

    def _together(self, work: Any) -> list[Receipt | None]:
        def one(number: int) -> Receipt | None:
            try:
                found: Receipt = work(number)
            except NotEnoughPoints:
                return None
            return found

        with ThreadPoolExecutor(4) as threads:
            return list(threads.map(one, range(4)))

    def _moved(self, source: str, destination: str, amount: int) -> None:
        self.balances[source] -= amount
        self.balances[destination] += amount

    def _next(self) -> str:
        self.number += 1
        return f"op:{self.number}"


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)

CHILD = """
import sys
from pathlib import Path
from hub.civic.points import ledger
from hub.civic.points.why import Draft, Why
from tests.points.ledgers import reopened
with reopened(sys.argv[1]) as store:
    for n in range(10_000):
        one = Draft(sys.argv[2], sys.argv[3], 2, f"kill:{n}:a", Why("award", item="C01", catalogue="j@1"))
        two = Draft(sys.argv[3], sys.argv[4], 1, f"kill:{n}:b", Why("transfer"))
        store.write_now(lambda tx: ledger.post_all(tx, [one, two]))
        print(n, flush=True)
"""


def test_writers_killed_at_any_moment_leave_whole_pairs_that_are_posted_once(tmp_path: Path) -> None:
    """All die by kill -9, and the next ones try every reference again; on PostgreSQL two at once."""
    with a_store(tmp_path) as store:
        source = store.write_now(issue)
        one, two = store.write_now(lambda tx: [account(tx, "person", each) for each in ("r-wang", "r-lin")])
        url = store.url.render_as_string(hide_password=False)
        acknowledged = -1
        for _kill in range(KILLS):
            words = [sys.executable, "-c", CHILD, url, source, one, two]
            writers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(WRITERS)]
            for writer in writers:
                assert writer.stdout is not None
                acknowledged = max(acknowledged, int(writer.stdout.readline()), int(writer.stdout.readline()))
            for writer in writers:
                writer.send_signal(signal.SIGKILL)
                rest = writer.communicate()[0].split()
                acknowledged = max([acknowledged, *map(int, rest)])
            assert store.read_now(book.recount).sound
            assert store.read_now(chain.verify) == []
            held = store.read_now(lambda read: accounts.held(read, [one, two]))
            pairs = held[two].balance
            assert held[one].balance == pairs  # two in, one on: never half a pair
            assert pairs >= acknowledged + 1
        assert LIUHE in source

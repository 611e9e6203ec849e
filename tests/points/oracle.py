"""What the ledger ought to hold, in dictionaries: the dullest model there is, and a count of what was tried against it.

It knows nothing of the hub's code but the values that go in and come out. Whoever drives the ledger (a state machine,
writers that are killed) tells it what was done, and asks whether what stands agrees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What was tried, over all the stories of a run."""

    tried: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, times: int = 1) -> None:
        self.tried[what] += times

    @property
    def operations(self) -> int:
        return sum(times for what, times in self.tried.items() if not what.startswith("("))

    @property
    def retries(self) -> int:
        """Three of four that post one reference at once try again what is posted already, as it were."""
        return self.tried["repeat"] + self.tried["retry after a kill"] + 3 * self.tried["post at once"] // 4

    def __str__(self) -> str:
        kinds = ", ".join(f"{what} {times}" for what, times in sorted(self.tried.items()))
        return f"{self.operations} operations: {kinds}"


@dataclass
class Oracle:
    source: str  # the only account that may go below zero by awarding
    people: list[str]
    balances: dict[str, int] = field(default_factory=dict)
    held: dict[str, tuple[str, int]] = field(default_factory=dict)  # what stands: reference -> account, amount
    settled: dict[str, str] = field(default_factory=dict)
    posted: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)
    number: int = 0

    def __post_init__(self) -> None:
        self.balances = dict.fromkeys([self.source, *self.people], 0)

    def reference(self) -> str:
        self.number += 1
        return f"op:{self.number}"

    def may(self, source: str, amount: int) -> bool:
        return source == self.source or self.balances[source] >= amount

    def post(self, reference: str, source: str, destination: str, amount: int) -> None:
        assert reference not in self.posted
        self.posted[reference] = (source, destination, amount)
        self._move(source, destination, amount)

    def hold(self, reference: str, person: str, amount: int) -> None:
        self.balances[person] -= amount
        self.held[reference] = (person, amount)

    def settle(self, reference: str, target: str | None) -> tuple[str, int]:
        """To whom and how much; no target: back to where it came from."""
        person, amount = self.held.pop(reference)
        where = target or person
        self.balances[where] += amount
        self.settled[reference] = "post" if target else "void"
        return where, amount

    def reverse(self, reference: str) -> None:
        source, destination, amount = self.posted[reference]
        self.reversed.add(reference)
        self._move(destination, source, amount)

    def standing(self) -> list[str]:
        """References that were posted and not reversed."""
        return sorted(set(self.posted) - self.reversed)

    def agrees(self, balances: Mapping[str, int], floors: Mapping[str, int | None], aside: Mapping[str, int]) -> None:
        assert dict(balances) == self.balances
        assert (
            -sum(self.balances[each] for each in self.people) - sum(each for _who, each in self.held.values())
            == (self.balances[self.source])
        )
        for ident, balance in balances.items():
            floor = floors[ident]
            assert floor is None or balance >= floor
            assert balance >= 0 or ident == self.source or self.reversed
        for person in self.people:
            assert aside.get(person, 0) == sum(amount for owner, amount in self.held.values() if owner == person)

    def killed(self, pairs: Collection[tuple[str, str]], acknowledged: int, stands: Collection[str]) -> int:
        """A writer of these pairs was killed after it said so many: how many stand. Each whole, none said in vain."""
        whole = [pair for pair in pairs if set(pair) & set(stands)]
        assert all(set(pair) <= set(stands) for pair in whole), "half a pair stands"
        assert len(whole) >= acknowledged, "what was said to be posted is gone"
        assert whole == list(pairs)[: len(whole)], "a later pair stands without an earlier one"
        return len(whole)

    def _move(self, source: str, destination: str, amount: int) -> None:
        self.balances[source] -= amount
        self.balances[destination] += amount

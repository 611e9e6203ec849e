"""What happens to a community's money, its rewards and its own caps, for the record."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class BudgetMoved(Event):
    area: str
    year: int
    how: str
    fen: int

    def subject(self) -> str:
        return f"budget:{self.area}:{self.year}"


@dataclass(frozen=True, kw_only=True)
class RedemptionMoved(Event):
    redemption: str
    area: str
    state: str

    def subject(self) -> str:
        return self.redemption


@dataclass(frozen=True, kw_only=True)
class LocalItemSet(Event):
    """A community switched an item of the catalogue off or on, or changed its own caps."""

    area: str
    item: str
    off: bool
    limits: str

    def subject(self) -> str:
        return f"item:{self.area}:{self.item}"


@dataclass(frozen=True, kw_only=True)
class LedgerRecounted(Event):
    """The nightly recount: zeroes, or somebody must look."""

    accounts: int
    postings: int
    different: int
    broken: int

    def subject(self) -> str:
        return "ledger"


@dataclass(frozen=True, kw_only=True)
class ChainChecked(Event):
    """A community's whole chain was recomputed."""

    area: str
    links: int
    entries: int
    broken: int

    def subject(self) -> str:
        return f"chain:{self.area}"

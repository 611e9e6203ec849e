"""The ledger's values: an account as it stands, the reason of a movement, a movement before and after it is posted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from hub.errors import Conflict
from hub.i18n import _


class NotEnoughPoints(Conflict):
    slug = "not-enough-points"

    def __init__(self, has: int, needs: int) -> None:
        super().__init__(_("{needs} points needed, {has} available").format(needs=needs, has=max(0, has)))


class Held(msgspec.Struct, frozen=True, gc=False):
    """A struct, as a receipt is: a batch makes a thousand."""

    id: str
    area: str
    kind: str
    owner: str
    balance: int
    earned: int
    floor: int | None
    unit: str = "points"


@dataclass(frozen=True, slots=True)
class Why:
    """What a resident may ask about an entry, and an auditor must: what for, by which rules, who signed."""

    reason: str
    item: str | None = None
    catalogue: str | None = None
    act_date: date | None = None
    about: str | None = None
    proposer: str | None = None
    verifier: str | None = None
    approver: str | None = None
    third: str | None = None
    evidence: str | None = None
    cause: str | None = None
    reverses: str | None = None
    rule: str | None = (
        None  # `<rule>@<version>`; without one, the catalogue's item or the house's own rule of the reason
    )
    until: datetime | None = None
    settles: str | None = None

    @property
    def by_rule(self) -> str:
        if self.rule:
            return self.rule
        return f"{self.item}@{self.catalogue}" if self.item and self.catalogue else f"{self.reason}@1"


@dataclass(frozen=True, slots=True)
class Draft:
    source: str
    destination: str
    amount: int
    reference: str
    why: Why


class Receipt(msgspec.Struct, frozen=True, gc=False):
    txn: str
    reference: str
    at: datetime
    source: str
    destination: str
    amount: int
    repeated: bool = False

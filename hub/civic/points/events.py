"""What happens to claims, objections and transfers, for the record and for whoever listens."""

from __future__ import annotations

from dataclasses import dataclass

from hub.events import Event


@dataclass(frozen=True, kw_only=True)
class ClaimMoved(Event):
    claim: str
    area: str
    item: str
    state: str

    def subject(self) -> str:
        return self.claim


@dataclass(frozen=True, kw_only=True)
class ObjectionMoved(Event):
    objection: str
    area: str
    state: str

    def subject(self) -> str:
        return self.objection


@dataclass(frozen=True, kw_only=True)
class TransferMoved(Event):
    transfer: str
    area: str
    state: str

    def subject(self) -> str:
        return self.transfer


@dataclass(frozen=True, kw_only=True)
class AwardChecked(Event):
    """A supervisor looked at a sampled award."""

    txn: str
    area: str
    verdict: str

    def subject(self) -> str:
        return self.txn


@dataclass(frozen=True, kw_only=True)
class AwardOpened(Event):
    """Somebody looked at what stands behind a neighbour's entry."""

    txn: str
    area: str

    def subject(self) -> str:
        return self.txn


@dataclass(frozen=True, kw_only=True)
class HouseholdMoved(Event):
    household: str
    area: str
    before: str

    def subject(self) -> str:
        return self.household


@dataclass(frozen=True, kw_only=True)
class CounterMoved(Event):
    """A counter went away with what waited, came back, ran out of time, or brought a line that cannot stand."""

    counter: str
    area: str
    state: str  # away | back | lease-ended | conflict
    count: int

    def subject(self) -> str:
        return self.counter


@dataclass(frozen=True, kw_only=True)
class DutySet(Event):
    """The weekly duty hours of somebody on the staff were entered."""

    staff: str
    area: str

    def subject(self) -> str:
        return self.staff


@dataclass(frozen=True, kw_only=True)
class CertificateIssued(Event):
    certificate: str
    area: str
    kind: str

    def subject(self) -> str:
        return self.certificate


@dataclass(frozen=True, kw_only=True)
class AccountOpened(Event):
    """Staff read the entries of an account."""

    account: str
    area: str

    def subject(self) -> str:
        return self.account


@dataclass(frozen=True, kw_only=True)
class KeeperSet(Event):
    """Somebody may act for an organisation from now on, as a keeper or a contact, or no longer."""

    organisation: str
    resident: str
    area: str
    role: str  # keeper | contact | ended

    def subject(self) -> str:
        return self.organisation

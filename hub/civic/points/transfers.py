"""转让: points to a neighbour or into the community's pool. They rest a day first; whoever sent them may think again.

In the household sharing is free and at once (ledger.share). To others at most 200 points and two neighbours a month. An
organisation pays no person: what a group earned is only ever given away (to the pool). What is received counts for no
level: only awards are earned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points import beneficiary, book, holds, keepers, ledger, tidings
from hub.civic.points.beneficiary import Owner
from hub.civic.points.claim_models import Transfer
from hub.civic.points.events import TransferMoved
from hub.civic.points.why import Why
from hub.db import Read, Tx
from hub.directory import Resident
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.i18n import _

REST = timedelta(hours=24)  # long enough to sleep over it, and to be told by somebody who worries
MONTH_POINTS_MAX = 200
MONTH_NEIGHBOURS_MAX = 2
DUE_AT_ONCE = 200
POOL = "pool"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the sender and the receiver see of it."""

    id: str
    amount: int
    state: str
    at: datetime
    due: datetime
    outgoing: bool
    to_pool: bool


def send(tx: Tx, by: Subject, source: Owner, destination: Owner | None, amount: int, *, once: str) -> Transfer:
    """Set them aside until tomorrow. `destination` None is the pool. The same `once` again is the same transfer."""
    found = tx.session.get(Transfer, once)
    if found is not None:
        return found
    _may_send(tx, by, source, destination)
    place = directory.area(tx, source.area)
    start = ledger.open_account(tx, source)
    end = ledger.house_account(tx, POOL, place.code, place.tz)
    if destination is not None:
        end = ledger.open_account(tx, destination)
        ledger.locked(tx, [start, end])
        _within_month(tx, start, end, amount, book.month_start(tx.now(), place.tz))
    due = tx.now() + REST
    receipt = holds.hold(tx, start, amount, f"transfer:{once}", Why("hold", proposer=by.id), due)
    made = Transfer(
        id=once, area=place.code, source=start, destination=end, through=receipt.destination, amount=amount,
        state="resting", by=by.id, at=tx.now(), due=due,
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    _moved(tx, made)
    return made


def cancel(tx: Tx, by: Subject, ident: str) -> Transfer:
    """As long as they rest, whoever sent them takes them back whole."""
    found = _locked(tx, ident)
    kind, _dash, owner = found.source.partition("-")
    kept = keepers.acting(tx, by, owner) if kind == "organisation" else None
    if by.id != found.by and f"person-{by.person}" != found.source and (kept is None or kept.role != "keeper"):
        raise NotFound(_("There is no such transfer"))
    if found.state == "done":
        raise Conflict(_("The points have arrived already; ask your neighbour to send them back"))
    if found.state == "resting":
        holds.void(tx, f"transfer:{found.id}")
        _end(tx, found, "cancelled")
    return found


def settle_due(tx: Tx) -> int:
    """What has rested a day arrives."""
    query = select(col(Transfer.id)).where(col(Transfer.state) == "resting", col(Transfer.due) <= tx.now())
    idents = list(tx.session.execute(query.order_by(col(Transfer.due)).limit(DUE_AT_ONCE)).scalars())
    for ident in idents:
        found = _locked(tx, ident)
        if found.state != "resting":
            continue
        gift = found.destination.startswith(f"{POOL}-")
        holds.post(tx, f"transfer:{ident}", found.destination, Why("gift" if gift else "transfer", proposer=found.by))
        _end(tx, found, "done")
        if not gift:
            _tell(tx, found)
    return len(idents)


def of_person(read: Read, account: str, limit: int = 20) -> list[Sent]:
    query = select(Transfer).where((col(Transfer.source) == account) | (col(Transfer.destination) == account))
    rows = read.session.execute(query.order_by(col(Transfer.at).desc()).limit(limit)).scalars()
    return [
        Sent(
            each.id, each.amount, each.state, each.at, each.due, each.source == account,
            each.destination.startswith(f"{POOL}-"),
        )
        for each in rows if each.source == account or each.state == "done"
    ]  # fmt: skip


def by_card(read: Read, card: str) -> Owner:
    """A neighbour is named by the card: no list of names is ever shown."""
    found = directory.resident_by_card(read, card)
    if found is None:
        raise NotFound(_("Nobody has a card with that number"))
    return beneficiary.one(read, "person", found.id)


def rings(read: Read, area: str, since: datetime) -> list[tuple[str, ...]]:
    """Circles of transfers within the time, each once, from its smallest account: A to B to C and back to A."""
    rows = read.session.execute(
        select(col(Transfer.source), col(Transfer.destination))
        .where(col(Transfer.area) == area, col(Transfer.at) >= since, col(Transfer.state) != "cancelled")
        .distinct()
    ).all()
    return circles([(source, destination) for source, destination in rows])


def circles(edges: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Pure: every circle of two to five, from its smallest member on."""
    after: dict[str, list[str]] = {}
    for source, destination in edges:
        after.setdefault(source, []).append(destination)
    found: set[tuple[str, ...]] = set()

    def walk(path: tuple[str, ...]) -> None:
        for step in after.get(path[-1], ()):
            if step == path[0] and len(path) > 1:
                found.add(path)
            elif step > path[0] and step not in path and len(path) < 5:
                walk((*path, step))

    for start in sorted(after):
        walk((start,))
    return sorted(found)


def _may_send(tx: Tx, by: Subject, source: Owner, destination: Owner | None) -> None:
    if source.kind == "organisation":
        kept = keepers.acting(tx, by, source.id)
        if kept is None or kept.role != "keeper":
            by.require("points.declare", directory.area(tx, source.area).path)
        if destination is not None:
            raise NotAllowed(_("An organisation pays no person; it gives to the pool or to its own activities"))
        return
    if by.kind != "resident" or source.kind != "person" or source.id != by.person:
        raise NotAllowed(_("You send from your own account only"))
    if destination is None:
        return
    if destination.kind != "person":
        raise Refused(_("Points are sent to a neighbour's own account"))
    if destination.id == source.id:
        raise Refused(_("Points cannot move from an account to itself"))
    if destination.household == source.household:
        raise Refused(_("In the household points are shared at once; use Household points"))


def _within_month(tx: Tx, start: str, end: str, amount: int, since: datetime) -> None:
    """Counted under the lock of the account: two at once must not both find room."""
    rows = tx.session.execute(
        select(col(Transfer.destination), col(Transfer.amount)).where(
            col(Transfer.source) == start, col(Transfer.at) >= since, col(Transfer.state) != "cancelled",
            ~col(Transfer.destination).startswith(f"{POOL}-"),
        )
    ).all()  # fmt: skip
    if sum(each[1] for each in rows) + amount > MONTH_POINTS_MAX:
        raise Conflict(_("At most {most} points a month go to neighbours").format(most=MONTH_POINTS_MAX))
    if len({each[0] for each in rows} | {end}) > MONTH_NEIGHBOURS_MAX:
        raise Conflict(_("Points go to at most {most} neighbours a month").format(most=MONTH_NEIGHBOURS_MAX))


def _locked(tx: Tx, ident: str) -> Transfer:
    found = tx.session.get(Transfer, ident, populate_existing=True, with_for_update=True)
    if found is None:
        raise NotFound(_("There is no such transfer"))
    return found


def _end(tx: Tx, found: Transfer, state: str) -> None:
    found.state, found.settled_at = state, tx.now()
    tx.session.add(found)
    tx.session.flush()
    _moved(tx, found)


def _moved(tx: Tx, found: Transfer) -> None:
    tx.emit(TransferMoved, transfer=found.id, area=found.area, state=found.state)


def _tell(tx: Tx, found: Transfer) -> None:
    person = found.destination.removeprefix("person-")
    if tx.session.get(Resident, person) is None:
        return
    tidings.tell(
        tx, [person], lambda: _("A neighbour sent you {points} points").format(points=found.amount),
        lambda: _("See My points for all entries."),
    )  # fmt: skip

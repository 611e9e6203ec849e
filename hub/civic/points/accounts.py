"""Accounts: whose they are, how they are opened, and how they are read and locked before points move.

Everything here sees columns, never cached objects: the database moves balances behind the session's back (guards.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, insert, text
from sqlmodel import SQLModel

from hub import bulk
from hub.civic.points import rules
from hub.civic.points.beneficiary import Owner
from hub.civic.points.models import FEN, POINTS, Account
from hub.civic.points.why import Held
from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import _
from hub.upsert import insert_for

HOUSE = ("issue", "redeem", "deduct", "pool", "hold", "suspense")  # the community's own accounts, one set a year
PURSE = ("issue", "available", "encumbered", "spent", "lapsed")  # the same of its money, in fen
_POSTGRES_LEDGER_LOCK = 0x4C494E4D  # any fixed number: one writer at a time, see `alone`

_BALANCES = (
    "SELECT id, area, kind, owner, balance, earned, floor, unit FROM points_account WHERE id {names} ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Opening:
    id: str
    area: str
    kind: str
    owner: str
    unit: str = POINTS


def account_id(kind: str, owner: str) -> str:
    """Known before the account is opened, so that a sheet can name someone who never took part."""
    return f"{kind}-{owner}"


def house_account(tx: Tx, kind: str, area: str, tz: str) -> str:
    """A community's own account of this fiscal year (the calendar year, in its own zone)."""
    if kind not in HOUSE:
        raise Refused(_("There is no such account"))
    owner = f"{area}-{tx.now().astimezone(ZoneInfo(tz)).year}"
    _open(tx, [Opening(account_id(kind, owner), area, kind, owner)])
    return account_id(kind, owner)


def purse_id(kind: str, area: str, year: int) -> str:
    return account_id(kind, f"{area}-{year}-{FEN}")


def purse(tx: Tx, area: str, year: int) -> dict[str, str]:
    """A community's money of a fiscal year: every account of it, opened."""
    owner = f"{area}-{year}-{FEN}"
    _open(tx, [Opening(account_id(kind, owner), area, kind, owner, FEN) for kind in PURSE])
    return {kind: account_id(kind, owner) for kind in PURSE}


def open_account(tx: Tx, owner: Owner) -> str:
    return open_accounts(tx, [owner])[owner.key]


def open_accounts(tx: Tx, owners: Iterable[Owner]) -> dict[tuple[str, str], str]:
    """Open what is not open yet. A child under 14 gets none in its own name."""
    wanted = {owner.key: Opening(account_id(*owner.key), owner.area, *owner.key) for owner in owners}
    for owner in owners:
        today = tx.now().astimezone(ZoneInfo(owner.tz)).date()
        if owner.born is not None and rules.is_minor(owner.born, today):
            raise Refused(_("A child under 14 has no account; name the household"))
    _open(tx, list(wanted.values()))
    return {key: opening.id for key, opening in wanted.items()}


def _open(tx: Tx, openings: Sequence[Opening]) -> None:
    known = set(held(tx, [opening.id for opening in openings]))
    rows = [
        {
            "id": each.id, "area": each.area, "kind": each.kind, "owner": each.owner, "balance": 0, "earned": 0,
            "floor": None if each.kind == "issue" else 0, "at_posting": 0, "opened": tx.now(), "unit": each.unit,
        }
        for each in sorted(openings, key=lambda opening: opening.id) if each.id not in known
    ]  # fmt: skip
    if rows:
        alone(tx)
        _insert_new(tx, Account, rows)


def held(read: Read, ids: Collection[str]) -> dict[str, Held]:
    """Accounts as they stand."""
    read.session.flush()  # what the ORM still holds back stands before this
    return {row[0]: Held(*row) for row in bulk.among(read, _BALANCES, set(ids))}


def locked(tx: Tx, ids: Collection[str]) -> dict[str, Held]:
    """The same, and nobody else writes them until we commit."""
    alone(tx)
    tx.session.flush()
    lock = " FOR UPDATE" if tx.session.get_bind().dialect.name == "postgresql" else ""
    wanted = set(ids)
    found = {row[0]: Held(*row) for row in bulk.among(tx, _BALANCES + lock, wanted)}
    if len(found) < len(wanted):
        raise NotFound(_("There is no such account"))
    return found


def alone(tx: Tx) -> None:
    """One writer of the ledger at a time, until it commits. SQLite has one writer anyway.

    A community's chain has one end, which every writer of it needs; with locks on accounts alone, two transactions that
    each move points twice would wait for one another in a ring.
    """
    if tx.session.get_bind().dialect.name == "postgresql":
        tx.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LEDGER_LOCK})


def _insert_new(tx: Tx, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    """On PostgreSQL another writer may have opened it a moment ago. On SQLite there is no other writer, and the guard
    that stops INSERT OR REPLACE would stop ON CONFLICT too."""
    if tx.session.get_bind().dialect.name == "postgresql":
        tx.session.execute(insert_for(tx)(bare(table)).on_conflict_do_nothing(), rows)
    else:
        tx.session.execute(insert(bare(table)), rows)


def bare(model: type[SQLModel]) -> Table:
    """The bare table: an insert through the mapper drops a NULL where the column has a default; issue has no floor."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]

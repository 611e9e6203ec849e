"""The ledger's hash chain: one for each community, cut into months; one link for all that a transaction wrote there.

An entry's own hash is SHA-256 over its columns; a link's is SHA-256 over the link before it and the hashes of its
entries. So a resident can be given the own entries in clear and everybody else's as hashes, and still check the month
against the published head with `verify_ledger.py`. Whoever edits, adds, drops or reorders an entry breaks it from
there on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, select
from sqlmodel import col

from hub.civic.points.models import Account, Link, Posting, Txn
from hub.db import Read, Tx
from hub.directory import Area

GENESIS = "0" * 64
LINKS_AT_ONCE = 500  # so that a city's nights do not need its ledger in memory
BETWEEN = "\x1f"  # no column of an entry holds one
COLUMNS = (
    "id", "at", "area", "unit", "source", "destination", "amount", "reason", "rule", "reference", "item", "catalogue",
    "act_date", "about", "proposer", "verifier", "approver", "third", "evidence", "cause", "actor", "on_behalf_of",
    "reverses", "settles", "until",
)  # fmt: skip
_END = (
    select(col(Link.month), col(Link.seq), col(Link.hash))
    .where(col(Link.area) == bindparam("area"))
    .order_by(col(Link.month).desc(), col(Link.seq).desc())
    .limit(1)
)
_ADDED = insert(Link).returning(col(Link.id))
_ZONE = select(col(Area.tz)).where(col(Area.code) == bindparam("area"))


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a community's chain does not hold."""

    area: str
    month: str
    seq: int
    why: str


@dataclass(frozen=True, slots=True)
class Walked:
    end: tuple[str, int, str]  # month, number and hash of the last link
    links: int
    entries: int
    broken: tuple[Broken, ...]


def entry_hash(cells: Iterable[str]) -> str:
    return sha256(BETWEEN.join(cells).encode()).hexdigest()


def link_hash(previous: str, area: str, month: str, seq: int, entries: Sequence[str]) -> str:
    return sha256("\n".join((previous, area, month, str(seq), *entries)).encode()).hexdigest()


def cells(row: Mapping[str, Any]) -> list[str]:
    """An entry as text, in the order of COLUMNS: what is hashed and what is exported."""
    return texts(row[name] for name in COLUMNS)


def texts(row: Iterable[object]) -> list[str]:
    """The same for a row whose values stand in that order already."""
    return [each if each.__class__ is str else _text(each) for each in row]


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def extend(tx: Tx, area: str, now: datetime, hashes: Sequence[str]) -> int:
    """Add one link for these entries at the end of a community's chain; gives its number for their rows."""
    zone = tx.session.execute(_ZONE, {"area": area}).scalar_one()
    month = now.astimezone(ZoneInfo(zone)).strftime("%Y-%m")
    end = tx.session.execute(_END, {"area": area}).first()
    # A clock put back over midnight of the first: the chain goes on in the newer month, it never runs backwards.
    month = max(month, end[0]) if end else month
    seq = end[1] + 1 if end and end[0] == month else 1
    previous = end[2] if end else GENESIS
    row = {
        "area": area, "month": month, "seq": seq, "entries": len(hashes), "prev": previous,
        "hash": link_hash(previous, area, month, seq, hashes), "at": now,
    }  # fmt: skip
    made = tx.session.execute(_ADDED, row).scalar_one()
    return cast(int, made)


def entries(read: Read, *rules: Any) -> Iterable[Any]:
    """The ledger's rows as mappings with the columns that are hashed, in the order in which they were written."""
    source = col(Account.unit)
    columns = [getattr(Txn, name) for name in COLUMNS if name not in ("unit", "source", "destination", "amount")]
    query = (
        select(
            *columns, source, col(Posting.source), col(Posting.destination), col(Posting.amount), col(Txn.link),
            col(Posting.id).label("posting"),
        )
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .join(Account, col(Account.id) == col(Posting.source))
        .where(*rules)
        .order_by(col(Posting.id))
    )  # fmt: skip
    return read.session.execute(query).mappings()


def heads(read: Read) -> dict[tuple[str, str], str]:
    """The newest hash of every community and month: what is published, and what an export must lead to."""
    query = select(col(Link.area), col(Link.month), col(Link.hash)).order_by(col(Link.month), col(Link.seq))
    return {(area, month): found for area, month, found in read.session.execute(query)}


def verify(read: Read, areas: Collection[str] | None = None) -> list[Broken]:
    """Every chain from its first link on, against the rows as they stand now; of all communities, or of these."""
    broken = [] if areas is not None else outside(read)
    for area in sorted(areas) if areas is not None else _areas(read):
        broken += walk(read, area).broken
    return broken


def walk(
    read: Read, area: str, *, after: int = 0, until: int | None = None, end: tuple[str, int, str] = ("", 0, GENESIS)
) -> Walked:
    """One chain from its first link on, or on from where it was checked last: the link `after`, which ended so."""
    query = (
        select(col(Link.id), col(Link.month), col(Link.seq), col(Link.entries), col(Link.prev), col(Link.hash))
        .where(col(Link.area) == area, col(Link.month) >= end[0], col(Link.id) > after)
        .order_by(col(Link.month), col(Link.seq))
    )
    if until is not None:
        query = query.where(col(Link.id) <= until)
    links, count = read.session.execute(query).all(), 0
    broken: list[Broken] = []
    for start in range(0, len(links), LINKS_AT_ONCE):
        page = links[start : start + LINKS_AT_ONCE]
        hashes: dict[int, list[str]] = {}
        for row in entries(read, col(Txn.link).in_([link[0] for link in page])):
            hashes.setdefault(row["link"], []).append(entry_hash(cells(row)))
        for ident, month, seq, wanted, previous, found in page:
            last_month, last_seq, last = end
            mine = hashes.get(ident, [])
            if previous != last or seq != (last_seq + 1 if month == last_month else 1):
                broken.append(Broken(area, month, seq, "does not follow the link before it"))
            elif len(mine) != wanted or link_hash(previous, area, month, seq, mine) != found:
                broken.append(Broken(area, month, seq, "its entries are not the ones that were written"))
            end, count = (month, seq, found), count + len(mine)
    return Walked(end, len(links), count, tuple(broken))


def outside(read: Read) -> list[Broken]:
    """Entries that stand in no chain: their link is gone, or they never had one."""
    query = (
        select(col(Txn.id))
        .outerjoin(Link, (col(Link.id) == col(Txn.link)) & (col(Link.area) == col(Txn.area)))
        .where(col(Link.id).is_(None))
    )
    found = read.session.execute(query.limit(1)).first()
    return [Broken("", "", 0, "entries outside every chain")] if found else []


def _areas(read: Read) -> list[str]:
    return list(read.session.execute(select(col(Link.area)).distinct().order_by(col(Link.area))).scalars())

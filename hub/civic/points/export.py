"""The ledger in files that prove themselves: CSV for `verify_ledger.py`, Beancount for any accountant.

A community's file holds its entries link by link, then the balances; a resident's holds the own entries in clear and
everybody else's as their hashes, so that the month can be checked against the published head without reading it.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub.civic.points import accounts, chain
from hub.civic.points.beneficiary import chunks
from hub.civic.points.models import FEN, Account, Link, Txn
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _

FORMAT = ("linli-ledger", "1")
_ROOTS = {
    "issue": "Equity", "redeem": "Expenses", "deduct": "Expenses", "spent": "Expenses", "lapsed": "Expenses",
}  # fmt: skip


def csv_file(read: Read, areas: Collection[str], *, month: str = "", whose: Collection[str] | None = None) -> str:
    """All months, or one. `whose`: the accounts whose entries are shown; everybody else's are hashes."""
    links = _links(read, areas, month)
    if not links:
        raise NotFound(_("The ledger has no entries there"))
    rows: dict[int, list[Any]] = defaultdict(list)
    for some in chunks([link.id for link in links]):
        for row in chain.entries(read, col(Txn.link).in_(some)):
            rows[row["link"]].append(row)
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)  # the other leaves a bare \r as it is
    lines.writerow([*FORMAT, read.now().isoformat()])
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for link in links:
        for row in rows[link.id]:
            cells = chain.cells(row)
            if whose is not None and not {row["source"], row["destination"]} & set(whose):
                lines.writerow(["hash", chain.entry_hash(cells)])
                continue
            (quoted if any("\r" in cell for cell in cells) else lines).writerow(["entry", *cells])
            sums[row["source"], row["unit"]] -= row["amount"]
            sums[row["destination"], row["unit"]] += row["amount"]
        lines.writerow(["link", link.area, link.month, link.seq, link.entries, link.prev, link.hash])
    for account, unit, before, after in _balances(read, sums, whose, last=not month):
        lines.writerow(["balance", account, unit, before, after])
    body = out.getvalue()
    return f"{body}end,{sha256(body.encode()).hexdigest()}\n"


def beancount_file(read: Read, areas: Collection[str]) -> str:
    """Both ledgers as one Beancount journal, POINT and CNY: each entry with its rule, each balance asserted."""
    rows = list(chain.entries(read, col(Txn.area).in_(sorted(areas))))
    if not rows:
        raise NotFound(_("The ledger has no entries there"))
    kinds = {ident: kind for ident, kind in read.session.execute(select(col(Account.id), col(Account.kind)))}
    first = min(row["at"] for row in rows).date()
    used = {row["source"]: row["unit"] for row in rows} | {row["destination"]: row["unit"] for row in rows}
    sums: dict[str, int] = defaultdict(int)
    lines = ['option "title" "Linli"', "", "; points are POINT, money is CNY; a community's sources are Equity"]
    lines += [f"{first} open {_place(each, kinds[each])} {_commodity(unit)}" for each, unit in sorted(used.items())]
    for row in rows:
        lines += ["", *_entry(row, kinds)]
        sums[row["source"]] -= row["amount"]
        sums[row["destination"]] += row["amount"]
    after = (max(row["at"] for row in rows).date()).toordinal() + 1
    day = type(first).fromordinal(after)
    lines += [""] + [
        f"{day} balance {_place(each, kinds[each])} {_amount(sums[each], used[each])}" for each in sorted(used)
    ]
    return "\n".join(lines) + "\n"


def months(read: Read, areas: Collection[str]) -> list[tuple[str, str, int, str]]:
    """Area, month, links and head of every community-month: what is published."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for link in _links(read, areas, ""):
        found[link.area, link.month] = (link.seq, link.hash)
    return [(area, month, *each) for (area, month), each in sorted(found.items(), key=lambda one: one[0], reverse=True)]


def _links(read: Read, areas: Collection[str], month: str) -> Sequence[Any]:
    query = select(
        col(Link.id), col(Link.area), col(Link.month), col(Link.seq), col(Link.entries), col(Link.prev), col(Link.hash)
    ).order_by(col(Link.area), col(Link.month), col(Link.seq))
    if areas:
        query = query.where(col(Link.area).in_(sorted(areas)))
    return read.session.execute(query.where(col(Link.month) == month) if month else query).all()


def _balances(
    read: Read, sums: dict[tuple[str, str], int], whose: Collection[str] | None, *, last: bool
) -> Iterator[tuple[str, str, int, int]]:
    """Before the file and after it. With all months the account as it stands is what its entries must lead to; what was
    moved in another community's chain stands before it."""
    held = accounts.held(read, [account for account, _unit in sums])
    for (account, unit), change in sorted(sums.items()):
        if whose is None or account in whose:
            after = held[account].balance if last else change
            yield account, unit, after - change, after


def _entry(row: Any, kinds: dict[str, str]) -> list[str]:
    unit, text = row["unit"], f"{row['rule']} {row['reference']}".replace("\\", "/").replace('"', "'")
    return [
        f'{row["at"].date()} * "{row["reason"]}" "{text}"',
        f'  txn: "{row["id"]}"',
        f"  {_place(row['source'], kinds[row['source']])}  {_amount(-row['amount'], unit)}",
        f"  {_place(row['destination'], kinds[row['destination']])}  {_amount(row['amount'], unit)}",
    ]


def _place(account: str, kind: str) -> str:
    """`person-r-000123` is Assets:Person:R-000123: each part begins with a capital or a digit."""
    owner = account.removeprefix(f"{kind}-")
    return f"{_ROOTS.get(kind, 'Assets')}:{kind.capitalize()}:{owner[:1].upper()}{owner[1:]}"


def _commodity(unit: str) -> str:
    return "CNY" if unit == FEN else "POINT"


def _amount(amount: int, unit: str) -> str:
    return f"{Decimal(amount) / 100:.2f} CNY" if unit == FEN else f"{amount} POINT"

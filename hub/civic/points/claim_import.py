"""批量导入: a CSV of acts becomes claims, all of them or none, each line at most once however often the file is sent.

A line is known by the file's hash and its number. A dry run goes the whole way and takes everything back, so what it
says is what will happen.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points import beneficiary, claims
from hub.civic.points.claim_models import Claim
from hub.civic.points.claims import Draft
from hub.db import Read, Tx
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import _

ROWS_MAX = 1_000  # a month of a community; a longer file is several
BYTES_MAX = 1 << 20
PROBLEMS_MAX = 50
# Heading -> what it is; the office writes Chinese, a program English.
HEADINGS = {
    "账户": "account", "卡号": "account", "account": "account", "项目": "item", "item": "item", "日期": "date",
    "date": "date", "说明": "words", "words": "words", "小时": "hours", "hours": "hours", "地点": "place",
    "place": "place", "编号": "number", "number": "number",
}  # fmt: skip
NEEDED = ("account", "item", "date", "words")


@dataclass(frozen=True, slots=True)
class Line:
    number: int  # as a spreadsheet shows it: the heading is 1
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    why: str


@dataclass
class Outcome:
    taken: int = 0
    known: int = 0  # taken by an earlier run of the same file
    problems: list[Problem] = field(default_factory=list)


class Undone(Exception):
    """Rolls the transaction back and carries what would have happened."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def lines(body: bytes) -> list[Line]:
    if len(body) > BYTES_MAX:
        raise Refused(_("A file of claims has at most {n} kB").format(n=BYTES_MAX >> 10))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = body.decode("gb18030")  # what a spreadsheet writes on many office machines
        except UnicodeDecodeError:
            raise Refused(_("The file is neither UTF-8 nor GB 18030; save it anew as CSV")) from None
    rows = [row for row in csv.reader(io.StringIO(text))]
    named = [HEADINGS.get(cell.strip().lower(), "") for cell in rows[0]] if rows else []
    missing = [each for each in NEEDED if each not in named]
    if missing:
        raise Refused(_("The first line must name the columns: {columns}").format(columns="账户 项目 日期 说明"))
    found = [
        Line(number, {name: cell.strip() for name, cell in zip(named, row, strict=False) if name})
        for number, row in enumerate(rows[1:], 2)
        if any(cell.strip() for cell in row)
    ]
    if not found:
        raise Refused(_("The file has no lines"))
    if len(found) > ROWS_MAX:
        raise Refused(_("A file has at most {n} lines; cut it into several").format(n=ROWS_MAX))
    return found


def take(tx: Tx, by: Subject, area: str, body: bytes, *, dry: bool = False) -> Outcome:
    """Raises Undone when it was a dry run or a line is wrong; nothing is kept then."""
    by.require("points.declare", directory.area(tx, area).path)
    digest, outcome = hashlib.sha256(body).hexdigest()[:48], Outcome()
    read = lines(body)
    known = set(
        tx.session.execute(
            select(col(Claim.batch)).where(col(Claim.batch).in_([f"{digest}:{line.number}" for line in read]))
        ).scalars()
    )
    for line in read:
        batch = f"{digest}:{line.number}"
        if batch in known:
            outcome.known += 1
            continue
        try:
            claims.declare(tx, by, _draft(tx, area, line, batch))
            outcome.taken += 1
        except LinliError as error:
            outcome.problems.append(Problem(line.number, error.sentence))
            if len(outcome.problems) >= PROBLEMS_MAX:
                break
    if dry or outcome.problems:
        raise Undone(outcome)
    return outcome


def meant(read: Read, area: str, text: str) -> tuple[str, str]:
    """Whose account: `<kind>-<id>`, an id, or a card, of this community."""
    wanted = text.strip()
    if not wanted.isprintable() or not wanted:
        raise Refused(_("Nobody of this community has that name, card or account"))
    kind, _dash, rest = wanted.partition("-")
    tries = [(kind, rest)] if kind in ("person", "household", "organisation") and rest else []
    tries += [(each, wanted) for each in ("person", "household", "organisation")]
    found = directory.resident_by_card(read, wanted)
    tries += [("person", found.id)] if found else []
    for each in tries:
        try:
            owner = beneficiary.one(read, *each)
        except NotFound:
            continue
        if owner.area == area:
            return owner.key
    raise Refused(_("Nobody of this community has that name, card or account"))


def _draft(tx: Tx, area: str, line: Line, batch: str) -> Draft:
    cells = line.cells
    kind, owner = meant(tx, area, cells.get("account", ""))
    try:
        day = date.fromisoformat(cells.get("date", "").replace("/", "-"))
    except ValueError:
        raise Refused(_("The day is written like 2026-11-22")) from None
    try:
        hours = Decimal(cells["hours"]) if cells.get("hours") else None
    except InvalidOperation:
        raise Refused(_("Give the hours as a number, such as 1.5")) from None
    if hours is not None and not hours.is_finite():
        raise Refused(_("Give the hours as a number, such as 1.5"))
    number = cells.get("number", "")
    return Draft(
        kind,
        owner,
        cells.get("item", ""),
        day,
        cells.get("words", ""),
        hours,
        cells.get("place", ""),
        number,
        "",
        batch,
    )

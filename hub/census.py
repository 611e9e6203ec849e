"""The register of residents (居民名册) as a table: read whole, checked whole, entered in pages.

Nothing is entered while one line is wrong. Then each page is one transaction, so that a city's register does not hold
the writer for seconds; stopped half-way, the same file sent again finds what is there and goes on. A resident is known
by the office's own number (编号) where the table has one, else by door, name and birth date. Both are kept as keyed
marks only: a number may well be that of an identity card.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select
from sqlmodel import col

from hub import bulk, directory
from hub.db import Read, Tx
from hub.directory import Building, Household, NewHousehold, NewResident, Resident
from hub.errors import NotFound, Refused
from hub.events import ResidentsEntered
from hub.i18n import _, translate
from hub.tags import KEPT

HOMES_PAGE = 200  # some six hundred people: a transaction of tens of milliseconds
PROBLEMS_MAX = 50  # more than anybody mends in one go
BYTES_MAX = 64 << 20  # a city's register has about 30 MB
CELL_MAX = 60
# Heading -> what it is; an office writes Chinese, a program English.
HEADINGS = {
    "姓名": "name", "name": "name", "性别": "sex", "sex": "sex", "出生日期": "born", "born": "born",
    "楼栋": "building", "building": "building", "房号": "flat", "flat": "flat", "电话": "phone", "phone": "phone",
    "卡号": "card", "card": "card", "网格": "grid", "grid": "grid", "标签": "tags", "tags": "tags",
    "编号": "number", "number": "number",
}  # fmt: skip
NEEDED = ("name", "sex", "born", "building", "flat")
SEXES = {"男": "m", "m": "m", "女": "f", "f": "f"}
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日")


@dataclass(frozen=True, slots=True)
class Line:
    """One resident as the table has them; `line` is counted as a spreadsheet does: the heading is 1."""

    line: int
    name: str
    sex: str
    born: date
    building: str
    flat: str
    phone: str | None
    card: str | None
    grid: int
    tags: tuple[str, ...]
    number: str


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Entered:
    homes: int = 0
    residents: int = 0
    changed: int = 0
    known: int = 0

    def __add__(self, other: Entered) -> Entered:
        return Entered(
            self.homes + other.homes,
            self.residents + other.residents,
            self.changed + other.changed,
            self.known + other.known,
        )


def lines(body: bytes, today: date) -> tuple[list[Line], list[Problem]]:
    """Every line that can be read, and what is wrong with the others. Pure."""
    if len(body) > BYTES_MAX:
        raise Refused(_("A register has at most {n} MB; cut it into several").format(n=BYTES_MAX >> 20))
    rows = list(csv.reader(io.StringIO(_decoded(body))))
    named = [HEADINGS.get(cell.strip().lower(), "") for cell in rows[0]] if rows else []
    if set(NEEDED) - set(named):
        raise Refused(_("The first line of a register must name the columns 姓名 性别 出生日期 楼栋 房号"))
    read: list[Line] = []
    wrong: list[Problem] = []
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows[1:], 2):
        cells = {key: cell.strip() for key, cell in zip(named, row, strict=False) if key}
        if not any(cells.values()):
            continue
        try:
            line = _line(number, cells, today)
            seen[line.number] += 1
            if line.number and seen[line.number] > 1:
                raise Refused(_("This number stands on another line too"))
            read.append(line)
        except Refused as error:
            wrong.append(Problem(number, error.sentence))
    return read, wrong


def _decoded(body: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # the second is what a spreadsheet writes on many office machines
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Refused(_("The register is neither UTF-8 nor GB 18030; save it anew as CSV"))


def _line(number: int, cells: dict[str, str], today: date) -> Line:
    if absent := [key for key in NEEDED if not cells.get(key)]:
        raise Refused(_("A cell is empty: {column}").format(column=_heading(absent[0])))
    if long := [key for key, cell in cells.items() if len(cell) > CELL_MAX or not cell.isprintable()]:
        raise Refused(_("A cell is too long or not text: {column}").format(column=_heading(long[0])))
    phone = cells.get("phone", "").replace(" ", "").replace("-", "") or None
    if phone is not None and not (phone.isascii() and phone.isdigit() and 7 <= len(phone) <= 15):
        raise Refused(_("A telephone number has 7 to 15 digits"))
    grid = cells.get("grid") or "0"
    if not (grid.isascii() and grid.isdigit() and len(grid) < 5):
        raise Refused(_("A grid is a number"))
    return Line(
        number, cells["name"], _sex(cells["sex"]), _born(cells["born"], today), cells["building"], cells["flat"], phone,
        cells.get("card", "").upper() or None, int(grid), _tags(cells.get("tags", "")), cells.get("number", ""),
    )  # fmt: skip


def _heading(key: str) -> str:
    return next(heading for heading, meant in HEADINGS.items() if meant == key)


def _sex(cell: str) -> str:
    found = SEXES.get(cell.lower())
    if found is None:
        raise Refused(_("A sex is 男 or 女"))
    return found


def _born(cell: str, today: date) -> date:
    for form in DATES:
        try:
            born = datetime.strptime(cell, form).date()  # noqa: DTZ007 - a birthday has no zone
        except ValueError:
            continue
        if date(today.year - 130, 1, 1) < born <= today:
            return born
    raise Refused(_("A birth date looks like 1950-03-02 and is not in the future"))


def _tags(cell: str) -> tuple[str, ...]:
    meant = {word: tag.id for tag in KEPT for word in (tag.id, translate(tag.name, "zh"))}
    found = []
    for word in cell.replace("、", " ").replace("，", " ").replace(",", " ").split():
        if word not in meant:
            raise Refused(_("No mark is called so; there are {marks}").format(marks="、".join(list(meant)[1::2])))
        found.append(meant[word])
    return tuple(dict.fromkeys(found))


def check(read: Read, area: str, table: Sequence[Line]) -> list[Problem]:
    """What a table that can be read has against what is there: cards of others, people at another door."""
    if directory.area(read, area).kind not in ("community", "village"):
        raise Refused(_("Residents are entered in a community or a village"))
    homes, here = _doors(read, area), {}
    found: list[Problem] = []
    cards: dict[str, str] = {}
    for page in bulk.pages([_ident(read, area, line) for line in table]):
        rows = select(col(Resident.id), col(Resident.household)).where(col(Resident.id).in_(page))
        here.update({ident: home for ident, home in read.session.execute(rows)})
    for page in bulk.pages([read.seal.mark(line.card, "card") for line in table if line.card]):
        holders = select(col(Resident.card_mark), col(Resident.id)).where(col(Resident.card_mark).in_(page))
        cards.update({mark: ident for mark, ident in read.session.execute(holders) if mark is not None})
    for line in table:
        ident = _ident(read, area, line)
        if line.card:
            mark = read.seal.mark(line.card, "card")
            if cards.setdefault(mark, ident) != ident:
                found.append(Problem(line.line, _("This card is somebody else's")))
        home = here.get(ident)
        if home is not None and homes.get((line.building, line.flat)) != home:
            found.append(
                Problem(line.line, _("This person is entered at another door; a register does not move people"))
            )
    return found


def pages(table: Sequence[Line]) -> Iterator[list[Line]]:
    """Whole homes, so many at once."""
    doors: dict[tuple[str, str], list[Line]] = {}
    for line in table:
        doors.setdefault((line.building, line.flat), []).append(line)
    homes = list(doors.values())
    for start in range(0, len(homes), HOMES_PAGE):
        yield [line for home in homes[start : start + HOMES_PAGE] for line in home]


def enter(tx: Tx, area: str, page: Sequence[Line]) -> Entered:
    """One page: homes and people that are not there yet, and what changed of those that are."""
    idents = {_ident(tx, area, line): line for line in page}
    known = {
        row.id: row
        for some in bulk.pages(idents)
        for row in tx.session.execute(select(Resident).where(col(Resident.id).in_(some))).scalars()
    }
    changed = sum(_put_right(tx, known[ident], line) for ident, line in idents.items() if ident in known)
    doors, buildings = _doors(tx, area), _buildings(tx, area)
    coming: dict[tuple[str, str], list[NewResident]] = {}
    for ident, line in idents.items():
        if ident not in known:
            one = NewResident(ident, "", line.name, line.sex, line.born, line.phone, line.card, line.tags)
            coming.setdefault((line.building, line.flat), []).append(one)
            if line.building not in buildings:
                made = f"b-{tx.seal.mark(f'{area}|{line.building}', 'building')[:24]}"
                directory.found_building(tx, made, area, line.building, line.building, line.grid)
                buildings[line.building] = made
    new, added = [], 0
    for (building, flat), members in coming.items():
        home = doors.get((building, flat))
        if home is not None:
            added += directory.join_household(tx, home, members)
            continue
        ident = f"h-{tx.seal.mark(f'{area}|{building}|{flat}', 'door')[:24]}"
        placed = tuple(replace(one, household=ident) for one in members)
        new.append(NewHousehold(ident, buildings[building], flat, (), placed))
    entered = Entered(len(new), added + directory.register_households(tx, area, new), changed, len(known) - changed)
    if entered.residents or entered.changed:
        tx.emit(ResidentsEntered, area=area, residents=entered.residents, changed=entered.changed)
    return entered


def _put_right(tx: Tx, row: Resident, line: Line) -> bool:
    """What an office's newer table says of somebody known by their number. An empty cell takes nothing away."""
    tags = directory.tags_text(line.tags) if line.tags else row.tags
    card = tx.seal.mark(line.card, "card") if line.card else row.card_mark
    new = (line.name, line.phone or row.phone, card, tags)
    if new == (row.name, row.phone, row.card_mark, row.tags):
        return False
    row.name, row.phone, row.card_mark, row.tags = new
    row.phone_mark = tx.seal.mark(row.phone, "phone") if row.phone else None
    tx.session.add(row)
    return True


def _ident(read: Read, area: str, line: Line) -> str:
    said = line.number or f"{line.building}|{line.flat}|{line.name}|{line.born.isoformat()}"
    return f"r-{read.seal.mark(f'{area}|{bool(line.number)}|{said}', 'census')[:24]}"


def _doors(read: Read, area: str) -> dict[tuple[str, str], str]:
    rows = (
        select(col(Building.zh), col(Household.flat), col(Household.id))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Household.area) == area)
    )
    return {(building, flat): home for building, flat, home in read.session.execute(rows)}


def _buildings(read: Read, area: str) -> dict[str, str]:
    rows = select(col(Building.zh), col(Building.id)).where(col(Building.area) == area)
    return {zh: ident for zh, ident in read.session.execute(rows)}


def listing(read: Read, area: str) -> list[dict[str, str]]:
    """Who is entered, masked: an id is what `linli user invite resident` asks for."""
    if not area:
        raise NotFound(_("Say whose residents: --area CODE"))
    rows = (
        select(col(Resident.id), col(Building.zh), col(Household.flat), col(Resident.name))
        .join(Household, col(Household.id) == col(Resident.household))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Resident.area) == directory.area(read, area).code)
        .order_by(col(Building.id), col(Household.flat), col(Resident.id))
    )
    return [
        {"id": ident, "door": f"{building} {flat}", "name": directory.masked(name)}
        for ident, building, flat, name in read.session.execute(rows)
    ]

"""What screens show of the ledger: a person's figures, a household's, statements, and the public honour roll."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub.access import Subject
from hub.civic.points import book, catalogue, ledger, rules
from hub.civic.points.book import Entry
from hub.civic.points.catalogue import Cap, Catalogue, Item
from hub.civic.points.models import Account, Posting, Txn
from hub.db import Read
from hub.directory import Area, Building, Consent, Household, Organisation, Resident, age, masked
from hub.i18n import N_, _, pick
from hub.module import Card, Topic

HONOURS_MAX = 20  # four pages of a television's five rows
FIRST_ENTRIES = 10  # what a thumb scrolls through; the rest is one press away
CROWD_MIN = 10  # domain.md 5: a public screen counts nobody in groups of fewer than ten
HONOUR_VERSION = "1"  # of the text a resident agreed to before the name is shown
BY_SHEET = {"A", "G", "S"}  # approvals that two signatures under an attendance sheet can give
ZONE = "Asia/Shanghai"
REASONS = {
    "award": N_("Award"), "share": N_("Shared in the household"), "reversal": N_("Reversal"),
    "false_claim": N_("False claim"), "hold": N_("Set aside"), "void": N_("Given back"), "deduct": N_("Deduction"),
    "transfer": N_("Transfer"), "gift": N_("Gift to the pool"),
}  # fmt: skip
_PER = {
    "day": N_("a day"), "week": N_("a week"), "month": N_("a month"), "quarter": N_("a quarter"),
    "year": N_("a year"), "event": N_("each time"),
}  # fmt: skip
_EACH = {"dwelling": N_("for each dwelling"), "neighbour": N_("for each neighbour")}
_CODE = re.compile(r"[A-Z][0-9]{2}")


@dataclass(frozen=True, slots=True)
class Line:
    """One entry in the reader's language."""

    at: datetime
    amount: int
    balance: int
    what: str
    act: date | None  # the day of the act, where there was one
    who: str  # whose signature let it in: a title
    number: str  # of the entry in the ledger, as it is read out at a counter
    undone: bool
    txn: str = ""  # what the page behind it is found by


@dataclass(frozen=True, slots=True)
class Honour:
    name: str
    place: str
    level: str
    earned: int


def figures(read: Read, resident: str) -> dict[str, Any]:
    """What a person has, earned this month and is worth in stars; and what the household holds."""
    person = read.session.execute(
        select(col(Resident.household), col(Resident.born), col(Area.tz))
        .join(Area, col(Area.code) == col(Resident.area))
        .where(col(Resident.id) == resident)
    ).first()
    if person is None:
        return {"known": False}
    home, born, tz = person
    mine, ours = ledger.account_id("person", resident), ledger.account_id("household", home)
    held = ledger.held(read, [mine, ours])
    today = read.now().astimezone(ZoneInfo(tz)).date()
    earned = held[mine].earned if mine in held else 0
    book_now = catalogue.on(today)
    reached, ahead = rules.level(earned, book_now.levels), rules.next_level(earned, book_now.levels)
    return {
        "known": True, "tz": tz, "home": home, "minor": rules.is_minor(born, today), "adult": age(born, today) >= 18,
        "balance": held[mine].balance if mine in held else 0,
        "household": held[ours].balance if ours in held else 0,
        "month": book.earned_since(read, mine, book.month_start(read.now(), tz)),
        "earned": earned, "level": pick(reached.zh, reached.en) if reached else "",
        "ahead": pick(ahead.zh, ahead.en) if ahead else "", "missing": ahead.points - earned if ahead else 0,
    }  # fmt: skip


def statement(read: Read, resident: str) -> dict[str, Any]:
    shown = figures(read, resident)
    if not shown["known"]:
        return shown
    found = book.statement(read, ledger.account_id("person", resident), limit=FIRST_ENTRIES)
    return shown | lines_of(found, FIRST_ENTRIES)


def household(read: Read, home: str) -> dict[str, Any]:
    area = read.session.execute(
        select(col(Area.tz)).join(Household, col(Household.area) == col(Area.code)).where(col(Household.id) == home)
    ).scalar()
    if area is None:
        return {"known": False}
    ident = ledger.account_id("household", home)
    held = ledger.held(read, [ident])
    found = book.statement(read, ident, limit=FIRST_ENTRIES)
    return {
        "known": True,
        "tz": area,
        "balance": held[ident].balance if ident in held else 0,
        **lines_of(found, FIRST_ENTRIES),
    }


def lines_of(entries: list[Entry], limit: int = book.PAGE_ENTRIES) -> dict[str, Any]:
    more = entries[-1].cursor if len(entries) == limit else ""
    return {"lines": [line(each) for each in entries], "more": more}


def line(entry: Entry) -> Line:
    what = _(REASONS.get(entry.reason, "Award"))
    if entry.item and entry.act_date:
        item = catalogue.on(entry.act_date).items.get(entry.item)
        named = item.name if item else entry.item
        what = named if entry.reason == "award" else f"{what} · {named}"
    if entry.about:
        what = f"{_('Redeemed') if entry.reason == 'hold' else what} · {entry.about}"
    elif entry.reason == "hold" and entry.reference.startswith("transfer:"):
        what = _("Transfer")
    if entry.reason == "share":
        what = _("From the household") if entry.other == "household" else what
        what = _("To the household") if entry.other == "household" and entry.amount < 0 else what
        what = _("Shared by a member") if entry.other == "person" and entry.amount > 0 else what
        what = _("Drawn by a member") if entry.other == "person" and entry.amount < 0 else what
    by, day = entry.approved_by, entry.act_date
    return Line(entry.at, entry.amount, entry.balance, what, day, by, f"{entry.posting:06}", entry.reversed, entry.txn)


def tv(read: Read, area: str) -> Mapping[str, Any]:
    """The honour roll: the month's sum, the newest batch, organisations, and residents who agreed to be named."""
    place = read.session.get(Area, area)
    if place is None:
        return {"items": [], "tz": ZONE, "accounts": 0, "points": 0, "newest": None, "crowd": CROWD_MIN}
    accounts, points = _month(read, area, book.month_start(read.now(), place.tz))
    return {
        "items": [*_organisations(read, area), *_residents(read, area)], "tz": place.tz,
        "accounts": accounts, "points": points, "newest": _newest(read, area), "crowd": CROWD_MIN,
    }  # fmt: skip


def _month(read: Read, area: str, since: datetime) -> tuple[int, int]:
    row = read.session.execute(
        select(func.count(func.distinct(col(Posting.destination))), func.coalesce(func.sum(col(Posting.amount)), 0))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .join(Account, col(Account.id) == col(Posting.source))
        .where(col(Txn.at) >= since, col(Txn.reason) == "award", col(Account.area) == area)
    ).one()
    return int(row[0]), int(row[1])


def _newest(read: Read, area: str) -> dict[str, Any] | None:
    """The last credit here, with everything that was credited at that very moment for the same item."""
    last = read.session.execute(
        select(col(Txn.at), col(Txn.item), col(Txn.act_date))
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .join(Account, col(Account.id) == col(Posting.source))
        .where(col(Txn.reason) == "award", col(Account.area) == area, col(Account.kind) == "issue")
        .order_by(col(Txn.at).desc())
        .limit(1)
    ).first()
    if last is None:
        return None
    at, item, act = last
    count, points = read.session.execute(
        select(func.count(), func.coalesce(func.sum(col(Posting.amount)), 0))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .join(Account, col(Account.id) == col(Posting.source))
        .where(col(Txn.at) == at, col(Txn.item) == item, col(Txn.reason) == "award", col(Account.area) == area)
    ).one()
    found = catalogue.on(act).items.get(item) if item and act else None
    return {"at": at, "what": found.name if found else "", "count": int(count), "points": int(points)}


def _residents(read: Read, area: str) -> list[Honour]:
    agreed = select(col(Consent.resident)).where(
        col(Consent.purpose) == "honour_roll",
        col(Consent.version) == HONOUR_VERSION,
        col(Consent.withdrawn_at).is_(None),
    )
    rows = read.session.execute(
        select(col(Resident.name), col(Building.zh), col(Building.en), col(Account.earned))
        .join(Resident, col(Resident.id) == col(Account.owner))
        .join(Household, col(Household.id) == col(Resident.household))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Account.kind) == "person", col(Account.area) == area, col(Account.earned) > 0)
        .where(col(Account.owner).in_(agreed))
        .order_by(col(Account.earned).desc(), col(Account.id))
        .limit(HONOURS_MAX)
    )
    return [Honour(masked(name), pick(zh, en), _stars(earned), earned) for name, zh, en, earned in rows]


def _organisations(read: Read, area: str) -> list[Honour]:
    rows = read.session.execute(
        select(col(Organisation.zh), col(Organisation.en), col(Account.earned))
        .join(Organisation, col(Organisation.id) == col(Account.owner))
        .where(col(Account.kind) == "organisation", col(Account.area) == area, col(Account.earned) > 0)
        .order_by(col(Account.earned).desc(), col(Account.id))
        .limit(HONOURS_MAX // 4)
    )
    return [Honour(pick(zh, en), "", _stars(earned), earned) for zh, en, earned in rows]


def _stars(earned: int) -> str:
    reached = rules.level(earned, catalogue.versions()[-1].levels)
    return pick(reached.zh, reached.en) if reached else ""


def worth(item: Item) -> str:
    """10 points an hour, in words."""
    return _("{points} points / {unit}").format(points=item.points, unit=pick(item.unit_zh, item.unit_en))


def cap_words(cap: Cap) -> str:
    form = N_("at most {limit} points {per}") if cap.counts == "points" else N_("at most {limit} times {per}")
    said = _(form).format(limit=cap.limit, per=_(_PER[cap.per]))
    return said + (" " + _(_EACH[cap.each]) if cap.each else "")


def by_sheet(item: Item) -> bool:
    """Whether two signatures under an attendance sheet are all that this item asks for."""
    return item.points > 0 and set(item.approvers) <= BY_SHEET


def choices(read: Read, _key: str) -> Mapping[str, Any]:
    book_now = _now(read)
    return {"items": [(item, worth(item)) for item in book_now.items.values() if by_sheet(item)]}


def label(read: Read, code: str) -> Mapping[str, Any]:
    item = _now(read).items.get(code)
    return {"item": item, "worth": worth(item) if item else ""}


def credited(read: Read, sheet: str) -> Mapping[str, Any]:
    """What a sheet brought in: counts and sums, no names."""
    rows = read.session.execute(
        select(func.count(), func.coalesce(func.sum(col(Posting.amount)), 0))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(col(Txn.evidence) == f"sheet:{sheet}")
    ).one()
    return {"count": int(rows[0]), "points": int(rows[1])}


def _now(read: Read) -> Catalogue:
    return catalogue.on(read.now().astimezone(ZoneInfo(ZONE)).date())


def _own(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.person == key


def _own_household(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.household == key


def _anyone(_subject: Subject, key: str) -> bool:
    """The honour roll is public; anything that is no area code is refused before it reaches the cache."""
    return len(key) == 12 and key.isascii() and key.isdigit()


def _item(_subject: Subject, key: str) -> bool:
    return _CODE.fullmatch(key) is not None


def _staff(subject: Subject, key: str) -> bool:
    return len(key) <= 36 and subject.may("points.read")


TOPICS = (
    Topic("points.home", "points/home.html", figures, _own),
    Topic("points.statement", "points/statement.html", statement, _own),
    Topic("points.household", "points/household.html", household, _own_household),
    Topic("points.tv", "points/tv.html", tv, _anyone),
    Topic("points.items", "points/choices.html", choices, lambda subject, key: key == "sheet" and _staff(subject, key)),
    Topic("points.item", "points/label.html", label, _item),
    Topic("points.sheet", "points/credited.html", credited, _staff),
)
CARDS = (
    Card("home", "points.home", "resident", order=20, title=N_("My points")),
    Card("tv", "points.tv", "area", order=40, title=N_("Honour roll")),
)

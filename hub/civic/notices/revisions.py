"""The revisions of a notice: what was released, which words changed, and who knows only an older one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from hub.audience import buildings_in
from hub.civic.notices.models import NoticeRelease
from hub.db import Read
from hub.directory import Building, Household, Resident, Staff
from hub.i18n import language, pick
from hub.reach import BEST, RANK, Reach

# A word or a number with what joins its halves is one step of the comparison; of Chinese, each character.
_TOKEN = re.compile(r"[0-9A-Za-z]+(?:[:.,/'’-][0-9A-Za-z]+)*|\n|[^\S\n]+|.", re.DOTALL)
TOKENS_MAX = 2_000  # of one changed passage; beyond that it is shown as a whole, old and new
_KEPT_MIN = 2  # a single character that both share, amid changes, only tears the sentence apart


@dataclass(frozen=True, slots=True)
class Piece:
    how: str  # same | gone | new
    text: str


@dataclass(frozen=True, slots=True)
class Version:
    revision: int
    at: datetime
    signed: tuple[str, ...]  # posts, not names
    title: tuple[Piece, ...]
    text: tuple[Piece, ...]
    seen: int  # people who saw this very revision


@dataclass(frozen=True, slots=True)
class Behind:
    """How many people of a building have seen an older revision and not the present one."""

    building: str
    people: int


def changes(old: str, new: str) -> tuple[Piece, ...]:
    """The new text with what went and what came, word by word."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    if len(before) + len(after) > 2 * TOKENS_MAX:
        before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return tuple(_joined(_pieces(before, after)))


def changed(pieces: Sequence[Piece]) -> bool:
    return any(each.how != "same" for each in pieces)


def versions(read: Read, notice: str, *, whole: bool = False) -> list[Version]:
    """Newest first, each against the one before; `whole` for the desk, which answers for both languages."""
    rows = read.session.execute(
        select(NoticeRelease).where(col(NoticeRelease.notice) == notice).order_by(col(NoticeRelease.revision))
    ).scalars()
    seen, before = _seen(read, notice), ("", "")
    found: list[Version] = []
    for row in rows:
        now = (_all if whole else _words)(json.loads(row.content))
        title, text = (changes(a, b) if found else (Piece("same", b),) for a, b in zip(before, now, strict=True))
        signed = tuple(_post(read, each) for each in row.signed_by.split())
        found.append(Version(row.revision, row.at, signed, title, text, seen.get(row.revision, 0)))
        before = now
    return found[::-1]


def behind(read: Read, notice: str, revision: int) -> list[Behind]:
    """Who saw an older revision and not this one, by building: they act on what no longer holds."""
    latest = (
        select(col(Reach.viewer), func.max(col(Reach.revision)).label("latest"))
        .where(col(Reach.notice) == notice, col(Reach.channel) == BEST, col(Reach.level) >= RANK["seen"])
        .group_by(col(Reach.viewer))
        .subquery()
    )
    rows = read.session.execute(
        select(col(Household.building), col(Household.area), func.count())
        .join(Resident, col(Resident.household) == col(Household.id))
        .join(latest, latest.c.viewer == "r:" + col(Resident.id))
        .where(latest.c.latest < revision)
        .group_by(col(Household.building), col(Household.area))
    ).all()
    named = {each.id: each for each in buildings_in(read, sorted({area for _building, area, _n in rows}))}
    return sorted(
        (Behind(_name(named.get(building), building), n) for building, _area, n in rows),
        key=lambda each: (-each.people, each.building),
    )


def _seen(read: Read, notice: str) -> dict[int, int]:
    rows = read.session.execute(
        select(col(Reach.revision), func.count())
        .where(
            col(Reach.notice) == notice, col(Reach.channel) == BEST, col(Reach.level) >= RANK["seen"],
            col(Reach.viewer).startswith("r:"),
        )
        .group_by(col(Reach.revision))
    )  # fmt: skip
    return {revision: n for revision, n in rows}


def _words(content: dict[str, Any]) -> tuple[str, str]:
    """Title and body as a reader of this language got them."""
    english = language() == "en" and content["title_en"] and content["text_en"]
    title, text = ("title_en", "text_en") if english else ("title", "text")
    foot = [content[each] for each in ("contact", "issuer") if content[each]]
    return str(content[title]), "\n".join([str(content[text]), *foot])


def _all(content: dict[str, Any]) -> tuple[str, str]:
    parts = ("text", "contact", "issuer", "title_en", "text_en")
    return str(content["title"]), "\n".join(str(content[each]) for each in parts if content[each])


def _post(read: Read, staff: str) -> str:
    found = read.session.get(Staff, staff)
    return pick(found.title_zh, found.title_en) if found else staff


def _name(building: Building | None, ident: str) -> str:
    return pick(building.zh, building.en) if building else ident


def _pieces(before: list[str], after: list[str]) -> Iterator[Piece]:
    for how, i, j, m, n in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old, new = "".join(before[i:j]), "".join(after[m:n])
        if how == "equal":
            yield Piece("same", new)
        else:
            yield from (Piece("gone", old), Piece("new", new))


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Changes that only a character or two keep apart are told as one: 十→廿, not a sentence in crumbs."""
    listed = [each for each in pieces if each.text]
    gone, new, held = "", "", ""
    for place, each in enumerate(listed):
        last = place == len(listed) - 1
        if each.how == "same" and (gone or new) and not last and len(each.text) < _KEPT_MIN and each.text != "\n":
            held += each.text
            continue
        if each.how == "same":
            yield from (Piece(how, text) for how, text in (("gone", gone), ("new", new)) if text)
            yield Piece("same", held + each.text)
            gone = new = held = ""
            continue
        gone, new, held = gone + held, new + held, ""
        gone, new = gone + (each.text if each.how == "gone" else ""), new + (each.text if each.how == "new" else "")
    yield from (Piece(how, text) for how, text in (("gone", gone), ("new", new)) if text)

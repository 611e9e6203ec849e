"""The book of guides: publish, change, withdraw, find. The fee is never left out: 0 is an answer too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.guides.models import Guide
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.events import GuideChanged
from hub.i18n import _

TOPICS = ("guides.home", "guides.tv", "guides.page", "guides.kiosk")
LINES_MAX, LINE_CHARS_MAX = 20, 200
FEE_FEN_MAX, DAYS_MAX = 10_000_000, 365
SHORT = {
    "zh": 60, "en": 120, "who_zh": 200, "who_en": 400, "fee_note_zh": 120, "fee_note_en": 240, "hours_zh": 120,
    "hours_en": 240, "place_zh": 120, "place_en": 240, "phone": 40,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """What the desk writes. `steps` and `papers` have one item a line."""

    zh: str
    steps_zh: str
    fee_fen: int
    hours_zh: str
    place_zh: str
    en: str = ""
    who_zh: str = ""
    who_en: str = ""
    steps_en: str = ""
    papers_zh: str = ""
    papers_en: str = ""
    fee_note_zh: str = ""
    fee_note_en: str = ""
    days: int = 0
    hours_en: str = ""
    place_en: str = ""
    phone: str = ""


def publish(tx: Tx, by: Subject, area: str, draft: Draft) -> Guide:
    """A new guide of an area, shown at once in all communities below it."""
    by.require("guides.write", directory.area(tx, area).path)
    made = Guide(id=tx.new_id(), area=area, changed_by=by.id, changed_at=tx.now(), **_sound(draft))
    return _keep(tx, made)


def change(tx: Tx, by: Subject, ident: str, draft: Draft, rev: int) -> Guide:
    """Write over the revision one has read; who was slower is told so and loses no word."""
    found = _own(tx, by, ident)
    if found.rev != rev:
        raise Conflict(_("Somebody else has changed this guide meanwhile; open it again and repeat your change"))
    for name, value in _sound(draft).items():
        setattr(found, name, value)
    found.state = "published"
    return _turn(tx, by, found)


def withdraw(tx: Tx, by: Subject, ident: str) -> Guide:
    """Show it no longer. It can be published again by a change."""
    found = _own(tx, by, ident)
    if found.state == "withdrawn":
        return found
    found.state = "withdrawn"
    return _turn(tx, by, found)


def guide(read: Read, ident: str) -> Guide:
    found = read.session.get(Guide, ident)
    if found is None:
        raise NotFound(_("There is no such guide"))
    return found


def offered(read: Read, area: str) -> list[Guide]:
    """What holds in a community: its own guides first, then those of the areas above it."""
    above = [each for each in directory.area(read, area).path.split("/") if each]
    query = select(Guide).where(col(Guide.area).in_(above), col(Guide.state) == "published")
    found = read.session.execute(query).scalars()
    return sorted(found, key=lambda each: (-above.index(each.area), each.zh, each.id))


def of_office(read: Read, area: str) -> list[Guide]:
    """All that the desk of an area keeps, withdrawn ones last."""
    query = select(Guide).where(col(Guide.area) == area).order_by(col(Guide.state), col(Guide.zh), col(Guide.id))
    return list(read.session.execute(query).scalars())


def matching(guides: Sequence[Guide], words: str) -> list[Guide]:
    """Those in which every word is found, whatever its case; no words find all."""
    wanted = words.casefold().split()
    return [each for each in guides if all(word in _text(each) for word in wanted)]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def fen(text: str) -> int:
    """Yuan as a person writes them, exactly, as fen."""
    whole, _dot, cents = text.strip().removesuffix("元").strip().partition(".")
    if (
        not (whole.isascii() and whole.isdigit() and len(whole) <= 6)
        or len(cents) > 2
        or (cents and not cents.isdigit())
    ):
        raise Refused(_("Write the fee in yuan, such as 0 or 12.50"))
    return int(whole) * 100 + int(cents.ljust(2, "0") or 0)


def _text(found: Guide) -> str:
    parts = (found.zh, found.en, found.who_zh, found.who_en, found.steps_zh, found.steps_en, found.papers_zh)
    return " ".join((*parts, found.papers_en, found.place_zh, found.place_en)).casefold()


def _own(tx: Tx, by: Subject, ident: str) -> Guide:
    found = guide(tx, ident)
    by.require("guides.write", directory.area(tx, found.area).path)
    return found


def _turn(tx: Tx, by: Subject, found: Guide) -> Guide:
    found.rev += 1
    found.changed_by, found.changed_at = by.id, tx.now()
    return _keep(tx, found)


def _keep(tx: Tx, found: Guide) -> Guide:
    tx.session.add(found)
    tx.session.flush()
    tx.emit(GuideChanged, guide=found.id, area=found.area, rev=found.rev, state=found.state)
    for place in directory.below(tx, [found.area]):
        for topic in TOPICS:
            tx.touch(topic, place.code)
    tx.touch("guides.desk", found.area)
    return found


def _sound(draft: Draft) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: value.strip() if isinstance(value, str) else value for name, value in asdict(draft).items()
    }
    if not all(values[name] for name in ("zh", "steps_zh", "hours_zh", "place_zh")):
        raise Refused(_("A guide needs a title, its steps, the hours and the place"))
    if any(len(str(values[name])) > most for name, most in SHORT.items()):
        raise Refused(_("One of the short fields is too long; long text belongs into the steps"))
    for name in ("steps_zh", "steps_en", "papers_zh", "papers_en"):
        listed = lines(str(values[name]))
        if len(listed) > LINES_MAX or any(len(line) > LINE_CHARS_MAX for line in listed):
            raise Refused(
                _("At most {lines} lines of {chars} characters each").format(lines=LINES_MAX, chars=LINE_CHARS_MAX)
            )
        values[name] = "\n".join(listed)
    if not 0 <= draft.fee_fen <= FEE_FEN_MAX or not 0 <= draft.days <= DAYS_MAX:
        raise Refused(_("The fee or the number of days cannot be right"))
    return values

"""What each screen shows of the active notices of a place: the views behind the live fragments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.base import Page, Rendered
from channels.tv import Television
from hub import approval, charges, outbox, reach
from hub.access import Subject
from hub.civic.notices import active, allclear, attachments, desk, kinds, rules
from hub.civic.notices.attachments import Attachment
from hub.civic.notices.message import DEFAULT_ZONE, message_of
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.directory import Area, Staff
from hub.i18n import N_, _, language, pick
from hub.module import Card, Topic

HOME_MAX = 3  # what is new, at one look; the rest is one press away
TV_MAX = 20  # four lists of five rows; nobody pages further with a thumb
_PRIORITY = {
    "routine": N_("Routine"), "important": N_("Important"), "urgent": N_("Urgent"), "emergency": N_("Emergency"),
    "drill": N_("Drill"),
}  # fmt: skip
_TAG = {"routine": "ok", "important": "info", "urgent": "warn", "emergency": "bad", "drill": "plain"}
_STATE = {
    "draft": N_("Draft"), "scheduled": N_("Scheduled"), "released": N_("Published"), "retracted": N_("Withdrawn"),
    "expired": N_("Ended"), "archived": N_("Archived"),
}  # fmt: skip
# Kinds that nobody chooses in the composer.
_OWN_KINDS = {allclear.KIND: N_("All clear"), "warning": N_("Warning of another office")}
_COVER_WORD = {"alarm": N_("Emergency"), "drill": N_("DRILL: this is an exercise"), "clear": N_("All clear")}
# What the reach table calls its channels, levels and delivery states.
WORDS = (
    N_("web"), N_("tv"), N_("kiosk"), N_("wechat"), N_("sms"), N_("webpush"), N_("accepted"), N_("delivered"),
    N_("loudspeaker"),
    N_("shown"), N_("seen"), N_("acknowledged"), N_("planned"), N_("claimed"), N_("expired"), N_("cancelled"),
    N_("dead"), N_("unreachable"), N_("seen already"),
    N_("held"), N_("screens only"), N_("declined"), N_("in the daily overview"),
    N_("not told before"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """A notice in the reader's language, ready for a template."""

    id: str
    rev: int
    priority: str
    priority_word: str
    tag: str  # of web.css: word, shape and colour together
    state: str
    state_word: str
    kind: str
    title: str
    text: str
    issuer: str
    contact: str
    at: datetime
    expires: datetime
    tz: str
    reason: str = ""
    pages: tuple[Page, ...] = ()
    files: tuple[Attachment, ...] = ()
    form: str = ""  # how a cover looks: alarm, drill, clear
    cover_word: str = ""

    @property
    def url(self) -> str:
        return f"/n/{self.id}"

    @property
    def lines(self) -> list[str]:
        """The whole text for screens that turn their own pages, in the order of a poster."""
        phone = [_("Phone: {number}").format(number=self.contact)] if self.contact else []
        return [line for line in self.text.splitlines() if line] + phone + [self.issuer]


def shown(read: Read, notice: Notice, *, pages: bool = False, large: bool = False) -> Shown:
    place = read.session.get(Area, notice.place)
    kind = kinds.every().get(notice.kind)
    english = language() == "en" and bool(notice.title_en and notice.text_en)
    issuer = notice.issuer
    if place is not None and language() == "en" and issuer == kinds.issuer(place):
        issuer = kinds.issuer_en(place)
    form = "clear" if notice.kind == allclear.KIND else "drill" if notice.priority == "drill" else "alarm"
    made: tuple[Page, ...] = ()
    if pages:
        rendered = Television().render(message_of(notice, [place] if place else [], language()), large)
        made = rendered.pages if isinstance(rendered, Rendered) else ()
    return Shown(
        id=notice.id, rev=notice.revision, priority=notice.priority, priority_word=_(_PRIORITY[notice.priority]),
        tag=_TAG[notice.priority], state=notice.state, state_word=_(_STATE[notice.state]),
        kind=kind.name if kind else _(_OWN_KINDS.get(notice.kind, notice.kind)),
        title=notice.title_en if english else notice.title,
        text=notice.text_en if english else notice.text, issuer=issuer, contact=notice.contact,
        at=notice.released_at or notice.drafted_at, expires=notice.expires, tz=place.tz if place else DEFAULT_ZONE,
        reason=_(notice.reason) if notice.reason else "", pages=made, form=form, cover_word=_(_COVER_WORD[form]),
        files=tuple(attachments.of(notice)),
    )  # fmt: skip


def priorities() -> list[tuple[str, str, str]]:
    """(id, word, tag) in the order of the composer's choice."""
    return [(each, _(_PRIORITY[each]), _TAG[each]) for each in (*rules.PRIORITIES, "drill")]


def followed_like() -> list[tuple[str, str]]:
    """The ladders an author may choose."""
    return [(each, _(_PRIORITY[each])) for each in rules.FOLLOWED_LIKE]


def home(read: Read, area: str) -> Mapping[str, Any]:
    held = active.notices_of(read, area)
    return {"items": [shown(read, each) for each in held[:HOME_MAX]], "more": max(0, len(held) - HOME_MAX)}


def whole(read: Read, area: str) -> Mapping[str, Any]:
    return {"items": [shown(read, each) for each in active.notices_of(read, area)]}


def tv(read: Read, area: str) -> Mapping[str, Any]:
    held = active.notices_of(read, area)
    return {"items": [shown(read, each) for each in held[:TV_MAX]], "more": max(0, len(held) - TV_MAX)}


def overlay(read: Read, area: str) -> Mapping[str, Any]:
    """The one notice that covers everything: an emergency, else a drill, else the all-clear of either for a while.

    Several never stack; the newest stands."""
    now = read.now()
    over = [
        each
        for each in active.notices_of(read, area)
        if each.priority in rules.COVERING or (each.cover_until is not None and each.cover_until > now)
    ]
    return {"item": shown(read, over[0]) if over else None}


def kiosk(read: Read, area: str) -> Mapping[str, Any]:
    held = active.notices_of(read, area)
    return {"item": shown(read, held[0]) if held else None, "count": len(held)}


def desk_list(read: Read, area: str) -> Mapping[str, Any]:
    place = read.session.get(Area, area)
    path = [place.path] if place else []

    def rows(*states: str, limit: int = 50) -> list[dict[str, Any]]:
        return [_row(read, each) for each in active.listed(read, path, states, limit=limit)] if path else []

    return {
        "drafts": rows("draft"), "scheduled": rows("scheduled"), "live": rows("released"),
        "ended": rows("retracted", "expired", limit=10),
    }  # fmt: skip


def _row(read: Read, notice: Notice) -> dict[str, Any]:
    sums = reach.sums(read, notice.id)
    signed = {each.part for each in desk.signatures(read, notice)} if notice.state == "draft" else set()
    missing = rules.missing(notice.priority, signed) if notice.state == "draft" else ()
    return {
        "notice": shown(read, notice), "areas": area_names(active.areas_of(read, notice.id)), "signed": len(signed),
        "missing": len(missing), "begins": notice.not_before,
        "tvs": sums.at_least("tv", "shown"), "seen": sums.at_least(reach.BEST, "seen"),
    }  # fmt: skip


def reach_line(read: Read, ident: str) -> Mapping[str, Any]:
    """Whom a notice has reached: the sentence, and the table behind it."""
    found = read.session.get(Notice, ident, populate_existing=True)
    if found is None:
        return {"notice": None}
    sums = reach.sums(read, ident)
    return {
        "notice": shown(read, found), "audience": sums.audience, "tvs": sums.at_least("tv", "shown"),
        "kiosks": sums.at_least("kiosk", "shown"), "seen": sums.at_least(reach.BEST, "seen"),
        "reached": sums.at_least(reach.BEST, "delivered"),
        "channels": [(name, [sums.at_least(name, level) for level in reach.LEVELS]) for name in sorted(sums.channels)],
        "deliveries": outbox.states(read, ident), "costs": charges.of_notice(read, ident),
        "signatures": _signed(read, desk.signatures(read, found)),
        "missing": [_(each) for each in _lacking(read, found)],
    }  # fmt: skip


def area_names(areas: Sequence[Area]) -> str:
    return _(", ").join(pick(area.zh, area.en) for area in areas)


def _lacking(read: Read, notice: Notice) -> tuple[str, ...]:
    if notice.state != "draft":
        return ()
    return rules.lacking(notice.priority, {each.part for each in desk.signatures(read, notice)})


def _signed(read: Read, signatures: Sequence[approval.Signature]) -> list[tuple[str, datetime]]:
    """Posts, not names: a desk's screen is seen by those who wait in front of it."""
    posts = {each.staff: read.session.get(Staff, each.staff) for each in signatures}
    named = {ident: pick(post.title_zh, post.title_en) if post else "" for ident, post in posts.items()}
    return [(named[each.staff] or each.staff, each.at) for each in signatures]


def _anyone(_subject: Subject, key: str) -> bool:
    """Public content of a public place; anything that is no area code is refused before it reaches the cache."""
    return len(key) == 12 and key.isascii() and key.isdigit()


def _own_desk(subject: Subject, key: str) -> bool:
    return subject.area == key and subject.may("notices.read")


def _staff(subject: Subject, key: str) -> bool:
    """Counts, never persons: any desk may watch them."""
    return len(key) <= 36 and subject.may("notices.read")


TOPICS = (
    Topic("notices.home", "notices/home.html", home, _anyone),
    Topic("notices.page", "notices/list.html", whole, _anyone),
    Topic("notices.tv", "notices/tv.html", tv, _anyone),
    Topic("notices.overlay", "notices/overlay.html", overlay, _anyone, covers=True),
    Topic("notices.cover", "notices/cover.html", overlay, _anyone, covers=True),
    Topic("notices.kiosk", "notices/kiosk.html", kiosk, _anyone),
    Topic("notices.desk", "notices/desk_list.html", desk_list, _own_desk),
    Topic("notices.reach", "notices/reach.html", reach_line, _staff),
)
CARDS = (
    Card("home", "notices.cover", "area", order=0),
    Card("home", "notices.home", "area", order=10, title=N_("Notices")),
    Card("tv", "notices.tv", "area", order=10, title=N_("Notices")),
    Card("tv_overlay", "notices.overlay", "area", order=10),
    Card("kiosk_overlay", "notices.cover", "area", order=10),
    Card("kiosk_idle", "notices.kiosk", "area", order=10),
)

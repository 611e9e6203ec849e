"""The words of a notice as a person writes them: checked once, kept clean, covered whole by the signatures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from channels.text import clean, one_line
from hub import audience, directory
from hub.access import Subject
from hub.audience import Audience
from hub.civic.notices import active, attachments, kinds, rules
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.errors import Refused
from hub.i18n import _

_KIND = re.compile(r"[a-z0-9_-]{1,32}")  # the 25 of kinds.toml and whatever another system calls its own


@dataclass(frozen=True, slots=True)
class Words:
    """What a person writes at the desk."""

    kind: str
    title: str
    text: str
    audience: Audience
    priority: str = "routine"
    title_en: str = ""
    text_en: str = ""
    issuer: str = ""
    contact: str = ""
    not_before: datetime | None = None
    expires: datetime | None = None
    template: str = ""  # kind@edition, where the fields of a kind made the text; how it was written is not signed
    fields: str = ""
    ladder: str = ""  # followed up like this priority; empty: like its own


def places(read: Read, by: Subject, to: Audience) -> list[directory.Area]:
    """The areas of an audience, if this person may write for all of them."""
    areas = [directory.area(read, code) for code in to.areas]
    for area in areas:
        by.require("notices.draft", area.path)
    if audience.astray(read, to, [area.code for area in directory.below(read, to.areas)]):
        raise Refused(_("A building of the audience does not stand in its areas"))
    if to.unreached:
        active.touching(read, active.notice(read, to.unreached), [area.path for area in areas])
    return areas


def checked(read: Read, words: Words, areas: Sequence[directory.Area]) -> Words:
    """The words as they will be kept, or one sentence about what to change."""
    title, text = one_line(words.title), clean(words.text)
    if not title or len(title) > rules.TITLE_CHARS_MAX:
        raise Refused(_("A title has 1 to {n} characters").format(n=rules.TITLE_CHARS_MAX))
    if not text or len(text) > rules.TEXT_CHARS_MAX:
        raise Refused(_("A text has 1 to {n} characters").format(n=rules.TEXT_CHARS_MAX))
    if words.priority not in rules.ORDER:
        raise Refused(_("The priority is routine, important, urgent, emergency or drill"))
    if words.ladder and (words.ladder not in rules.FOLLOWED_LIKE or words.priority in rules.COVERING):
        raise Refused(
            _("A follow-up is chosen among routine, important and urgent; emergencies and drills have theirs")
        )
    if not _KIND.fullmatch(words.kind):
        raise Refused(_("A kind is a short word of small letters, digits and underscores"))
    begins = words.not_before or read.now()
    expires = words.expires or begins + rules.VALID[words.priority]
    if expires <= max(begins, read.now()) or expires > begins + timedelta(days=rules.VALID_DAYS_MAX):
        raise Refused(_("A notice ends after it begins, in the future, and at most 90 days later"))
    issuer = one_line(words.issuer) or kinds.issuer(areas[0])
    return replace(
        words, title=title, text=text, title_en=one_line(words.title_en)[:120],
        text_en=clean(words.text_en)[: rules.TEXT_CHARS_MAX], issuer=issuer[:60],
        contact=one_line(words.contact)[:60], expires=expires,
    )  # fmt: skip


def as_notice(read: Read, words: Words, areas: Sequence[directory.Area]) -> Notice:
    """The notice these words would become, for a preview: never stored."""
    return Notice(
        id="preview", place=areas[0].code, rank=rules.ORDER[words.priority], state="draft", drafted_by="",
        drafted_at=read.now(), audience=str(words.audience), everybody=words.audience.everybody, **columns(words),
    )  # fmt: skip


def content(notice: Notice) -> dict[str, Any]:
    """What the signatures cover: every word a screen shows, every file, to whom, and until when."""
    files = [[each.digest, each.name] for each in attachments.of(notice)]
    return {
        "id": notice.corrects or notice.id, "revision": notice.revision, "kind": notice.kind,
        "priority": notice.priority,
        "title": notice.title, "text": notice.text, "title_en": notice.title_en, "text_en": notice.text_en,
        "issuer": notice.issuer, "contact": notice.contact, "audience": json.loads(notice.audience),
        "not_before": notice.not_before and notice.not_before.isoformat(), "expires": notice.expires.isoformat(),
        **({"attachments": files} if files else {}), **({"ladder": notice.ladder} if notice.ladder else {}),
    }  # fmt: skip


def columns(words: Words) -> dict[str, Any]:
    plain = asdict(words)
    plain.pop("audience")
    return plain

"""A notice as a channel may know it, and how it reads on each of them: the desk's preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from channels.base import Channel, Message, Priority, Rendered
from hub.civic.notices import kinds
from hub.civic.notices.models import Notice
from hub.directory import Area
from hub.i18n import translate

DEFAULT_ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Reading:
    """One channel's preview; `skipped` says why it would not carry this."""

    channel: str
    rendered: Rendered | None
    skipped: str = ""


def message_of(notice: Notice, areas: Sequence[Area], lang: str = "zh") -> Message:
    """In the language asked for, or in Chinese where nobody translated it."""
    english = lang == "en" and bool(notice.title_en and notice.text_en)
    spoken = "en" if english else "zh"
    text = notice.text_en if english else notice.text
    if notice.contact:
        text = f"{text}\n{translate('Phone: {number}', spoken).format(number=notice.contact)}"
    place = areas[0] if areas else None
    issuer = notice.issuer
    if english and place is not None and issuer == kinds.issuer(place):
        issuer = kinds.issuer_en(place)
    return Message(
        notice_id=notice.id, revision=notice.revision, priority=cast(Priority, notice.priority), kind=notice.kind,
        title=notice.title_en if english else notice.title, text=text,
        area_name=(place.en if english else place.zh) if place else "", issuer=issuer,
        sent_at=notice.released_at or notice.drafted_at, expires=notice.expires, url=f"/n/{notice.id}", lang=spoken,
        zone=place.tz if place else DEFAULT_ZONE,
    )  # fmt: skip


def readings(message: Message, channels: Sequence[Channel], large: bool = False) -> list[Reading]:
    found = []
    for channel in channels:
        shown = channel.render(message, large)
        if isinstance(shown, Rendered):
            found.append(Reading(channel.name, shown))
        else:
            found.append(Reading(channel.name, None, shown.reason))
    return found

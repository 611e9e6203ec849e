"""The loudspeaker (大喇叭): what a whole village hears at once. Words only; which voice says them is the speaker's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx

from channels import words
from channels.base import RETRACTION, Caps, Clock, Message, Rendered, Skip
from channels.loudspeaker_text import CHARS_MAX, speech
from channels.proof import Example, Exchange, Setting
from channels.text import cut, one_line

CHANNEL_NAME = "loudspeaker"

CAPS = Caps(
    shape="broadcast",
    address_kind="place",
    ceiling="shown",  # a speaker can prove that it spoke, never that somebody listened
    title_chars_max=60,
    body_chars_max=CHARS_MAX,
    recall=True,  # it falls silent in the middle of the word
    obeys_quiet_hours=True,  # it wakes everybody; an emergency is meant to
)


@dataclass(frozen=True)
class Loudspeaker:
    name: str = CHANNEL_NAME
    title: str = "Loudspeaker"
    caps: Caps = CAPS

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        title = one_line(message.title)
        if not title:
            return Skip("the notice has no title")
        spoken = speech(message)
        return Rendered(
            title=cut(title, self.caps.title_chars_max),
            body=spoken.text,
            badge=words.badge(message),
            url=message.url,
            issuer=one_line(message.issuer),
            when=words.when(message),
            fields=(("times", str(spoken.times)),),
            cut=spoken.cut,
        )


def create(config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock) -> Loudspeaker:
    return Loudspeaker()


SETTINGS: tuple[Setting, ...] = ()
EXCHANGES: tuple[Exchange, ...] = ()

_WATER = Message(
    "n-1",
    1,
    "important",
    "water",
    "停水通知",
    "因管道检修，11月22日8:00至18:00停水（2栋、3栋），请提前储水。\n电话：0724-1000001",
    "浏河社区",
    "浏河社区居委会",
    datetime(2026, 11, 22, 1, 30, tzinfo=UTC),
    None,
    "https://linli.example/n/n-1",
)
_SAID = (
    "停水通知。因管道检修，十一月二十二日早上八点至晚上六点停水，二栋、三栋，请提前储水。"
    "电话，零七二四，幺零零零零零幺。浏河社区居委会。"
)
_READS = Rendered(
    "停水通知",
    f"通知。{_SAID}",
    "重要",
    _WATER.url,
    "浏河社区居委会",
    "2026年11月22日 09:30",
    fields=(("times", "1"),),
)
EXAMPLES = (
    Example(_WATER, _READS),
    Example(
        replace(_WATER, priority="emergency"),
        replace(_READS, body=f"紧急通知，紧急通知。{_SAID}", badge="应急", fields=(("times", "2"),)),
    ),
    Example(
        replace(_WATER, kind=RETRACTION),
        replace(_READS, body="刚才的通知已经撤回。停水通知。浏河社区居委会。", badge="已撤回"),
    ),
    Example(replace(_WATER, title=" \n"), Skip("the notice has no title")),
)

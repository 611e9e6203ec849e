"""The web page and the kiosk: they show the active notices of a place, whole, and turn the type size themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from channels import words
from channels.base import Caps, Clock, Message, Rendered, Skip
from channels.proof import Example, Exchange, Setting, water
from channels.text import clean, cut, one_line

CHANNEL_NAME = "screen"

CAPS = Caps(
    shape="broadcast",
    address_kind="place",
    ceiling="acknowledged",  # a signed-in resident can press 我知道了
    title_chars_max=60,  # two lines of the phone's largest type
    body_chars_max=4_000,  # about eight minutes of reading; longer is a document, link it
    recall=True,
    obeys_quiet_hours=False,  # a page makes no sound
)


@dataclass(frozen=True)
class Screen:
    name: str = CHANNEL_NAME
    title: str = "Web page and kiosk"
    caps: Caps = CAPS

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        whole_title, whole_body = one_line(message.title), clean(message.text)
        if not whole_title:
            return Skip("the notice has no title")
        title, body = cut(whole_title, self.caps.title_chars_max), cut(whole_body, self.caps.body_chars_max)
        return Rendered(
            title=title,
            body=body,
            badge=words.badge(message),
            url=message.url,
            issuer=one_line(message.issuer),
            when=words.when(message),
            cut=(title, body) != (whole_title, whole_body),
        )


def create(config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock) -> Screen:
    return Screen()


SETTINGS: tuple[Setting, ...] = ()
EXCHANGES: tuple[Exchange, ...] = ()

_WATER = water("尊敬的居民朋友：\r\n  因管道检修，今晚停水。", "important")
EXAMPLES = (
    Example(
        _WATER,
        Rendered(
            "停水通知",
            "尊敬的居民朋友：\n因管道检修，今晚停水。",
            "重要",
            _WATER.url,
            "浏河社区居委会",
            "2026年11月22日 09:30",
        ),
    ),
    Example(
        Message("n-2", 1, "routine", "notice", " \n", "x", "", "", _WATER.sent_at, None, ""),
        Skip("the notice has no title"),
    ),
)

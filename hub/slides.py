"""What a slice has to say on a community's TV channel: pages of large type, in the language of the moment.

A slice names its source in its MODULE (`slides`); whoever carries the channel asks all of them. No slice knows who
does, and the channel knows no slice. What stands here is public: anybody may tune in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from channels.base import Page
from hub.i18n import language

if TYPE_CHECKING:
    from hub.db import Read
    from hub.module import Module


@dataclass(frozen=True, slots=True)
class Slide:
    """One thing to be shown, page by page."""

    id: str
    title: str
    pages: tuple[Page, ...]
    badge: str = ""
    form: str = "plain"  # plain | alarm | drill | clear
    order: int = 50  # what is shown first
    covers: bool = False  # as long as it stands nothing else is shown
    text: str = ""  # whole, for the programme guide and for a voice
    until: datetime | None = None  # when it is over
    happens: tuple[datetime, datetime] | None = None  # an event of its own time, for the programme guide


Source = Callable[["Read", str], Sequence[Slide]]


def gather(read: Read, area: str, modules: Iterable[Module]) -> list[Slide]:
    """What all slices have for one community now, in their order; if something covers, that alone."""
    every = [slide for module in modules if module.slides is not None for slide in module.slides(read, area)]
    covering = [slide for slide in every if slide.covers]
    return covering[:1] or sorted(every, key=lambda slide: slide.order)


def day(at: datetime, tz: str) -> str:
    """11月22日 星期日 / Sun 22 Nov."""
    here = at.astimezone(ZoneInfo(tz))
    if language() == "zh":
        return f"{here.month}月{here.day}日 星期{'一二三四五六日'[here.weekday()]}"
    return f"{_DAYS[here.weekday()]} {here.day} {_MONTHS[here.month - 1]}"


def clock(at: datetime, tz: str) -> str:
    return at.astimezone(ZoneInfo(tz)).strftime("%H:%M")


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

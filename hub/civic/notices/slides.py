"""The active notices of a place as pages of its TV channel: what covers every screen covers this one too."""

from __future__ import annotations

from functools import lru_cache

from channels.base import Message, Rendered, Skip
from channels.tv import Television
from hub.civic.notices import active, cards
from hub.civic.notices.message import message_of
from hub.db import Read
from hub.directory import Area
from hub.i18n import language
from hub.slides import Slide

RENDERED_MAX = 500  # of a city with a channel in each of 1,557 communities, most notices are everybody's
SHOWN_MAX = 12  # some six minutes a round; whoever tuned in for one notice sees it before the kettle boils
ORDER = 10  # before all that is not news


def of_area(read: Read, area: str) -> list[Slide]:
    over = cards.overlay(read, area)["item"]
    made = []
    for notice in active.notices_of(read, area)[:SHOWN_MAX]:
        place = read.session.get(Area, notice.place)
        message = message_of(notice, [place] if place else [], language())
        shown = _rendered(message)
        if not isinstance(shown, Rendered):
            continue
        covering = over is not None and over.id == notice.id
        made.append(
            Slide(
                id=f"{notice.id}.{notice.revision}", title=shown.title, pages=shown.pages, badge=shown.badge,
                form=over.form if covering and over is not None else "plain", order=ORDER, covers=covering,
                text=message.text, until=notice.cover_until if covering and notice.cover_until else notice.expires,
            )
        )  # fmt: skip
    return made


@lru_cache(RENDERED_MAX)
def _rendered(message: Message) -> Rendered | Skip:
    return Television().render(message)

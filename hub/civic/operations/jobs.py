"""Keeps the board fresh at the board's own pace: 500 readings a second must not draw 500 boards.

Once a second the meter is pushed, every other second what the store says of the huts is compared with what was drawn
last; only what differs is drawn. Nobody watching: nothing is done.
"""

from __future__ import annotations

from collections.abc import Hashable

from hub.civic.operations import board, cards, flow, work
from hub.db import Read
from hub.services import Services

TICK_S = 1.0
LOOK_TICKS = 2  # with the feed's own way a stall is on the screen well within 5 s
HUT_TOPICS = (cards.WORK, cards.HUTS)
MOVING_TOPICS = ((cards.DEVICES, "all"), (cards.RECENT, "24h"), (cards.RECENT, "60m"))


async def keep(services: Services) -> None:
    ticks, drawn, heard = 0, None, None
    while True:
        await services.clock.sleep(TICK_S)
        push(services)
        ticks += 1
        if ticks % LOOK_TICKS or not _watched(services):
            continue
        stands, moves = await services.store.read(_digest)
        due = {(name, "all") for name in HUT_TOPICS} if stands != drawn else set()
        due |= set(MOVING_TOPICS) if moves != heard or stands != drawn else set()
        drawn, heard = stands, moves
        watched = frozenset(each for each in due if services.feed.viewers(f"{each[0]}:{each[1]}"))
        if watched:
            services.feed.committed((), watched)


def push(services: Services) -> None:
    """The meter and the alarms as they stand, to whoever watches."""
    feed = services.feed
    if feed.viewers(f"{cards.FLOW}:all"):
        feed.push(cards.FLOW, "all", {"flow": flow.measure(services.ingest, services.clock.now())})
    if feed.viewers(f"{cards.ALARM}:all"):
        feed.push(cards.ALARM, "all", {"tasks": work.alarms(services.ingest.trouble, services.down)})


def _watched(services: Services) -> bool:
    topics = (*((name, "all") for name in HUT_TOPICS), *MOVING_TOPICS)
    return any(services.feed.viewers(f"{name}:{key}") for name, key in topics)


def _digest(read: Read) -> tuple[Hashable, Hashable]:
    """What the grid and the queue are drawn from, and what moves with every reading."""
    places = board.look(read)
    stands = tuple(
        (place.id, place.cut, tuple((box.id, box.state, box.upkeep, box.life) for box in place.boxes))
        for place in places
    )
    moves = max((box.seen for place in places for box in place.boxes if box.seen), default=None)
    return hash((stands, work.unread(read)[0])), moves

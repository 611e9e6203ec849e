"""Keeps the board fresh at the board's own pace: 500 readings a second must not draw 500 boards.

Once a second the meter is pushed, every other second what the store says of the huts is compared with what was drawn
last; only what differs is drawn. Nobody watching: nothing is done.
"""

from __future__ import annotations

from collections.abc import Hashable

from hub.civic.operations import board, cards, flow, work
from hub.civic.operations.recent import WINDOWS
from hub.db import Read
from hub.services import Services

TICK_S = 1.0
LOOK_TICKS = 2  # with the feed's own way a stall is on the screen well within 5 s


async def keep(services: Services) -> None:
    ticks = 0
    drawn: Hashable = None
    heard: Hashable = None
    while True:
        await services.clock.sleep(TICK_S)
        push(services)
        ticks += 1
        standing, moving = _watched(services)
        if ticks % LOOK_TICKS or not standing | moving:
            continue
        stands, moves = await services.store.read(_digest)
        due = (standing | moving) if stands != drawn else moving if moves != heard else frozenset()
        drawn, heard = stands, moves
        if due:
            services.feed.committed((), due)


def push(services: Services) -> None:
    """The meter and the alarms as they stand, to whoever watches."""
    feed = services.feed
    if feed.viewers(f"{cards.FLOW}:all"):
        feed.push(cards.FLOW, "all", {"flow": flow.measure(services.ingest, services.clock.now())})
    if feed.viewers(f"{cards.ALARM}:all"):
        feed.push(cards.ALARM, "all", {"tasks": work.alarms(services.ingest.trouble, services.down)})


def _watched(services: Services) -> tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]:
    """The topics somebody looks at: those of states, and those that move with readings, also of single huts."""
    places = {device.hut or device.gateway for device in services.registry.devices().values()}
    standing = [(name, "all") for name in (cards.WORK, cards.HUTS)]
    moving = [(cards.DEVICES, "all"), *((cards.RECENT, window) for window in WINDOWS)]
    moving += [(cards.HUT, place) for place in places]
    moving += [(cards.RECENT, f"{window}/{place}") for place in places for window in WINDOWS]
    looked_at = [
        frozenset((name, key) for name, key in topics if services.feed.viewers(f"{name}:{key}"))
        for topics in (standing, moving)
    ]
    return looked_at[0], looked_at[1]


def _digest(read: Read) -> tuple[Hashable, Hashable]:
    """What the grid and the queue are drawn from, and what moves with every reading."""
    places = board.look(read)
    stands = tuple(
        (place.id, place.cut, tuple((box.id, box.state, box.upkeep, box.life) for box in place.boxes))
        for place in places
    )
    moves = max((box.seen for place in places for box in place.boxes if box.seen), default=None)
    return hash((stands, work.unread(read)[0])), moves

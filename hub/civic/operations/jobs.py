"""Keeps the board fresh at the board's own pace: 500 readings a second must not draw 500 boards.

Once a second the meter is pushed, every other second what the store says of the huts is compared with what was drawn
last, scope by scope; only what differs is drawn. Nobody watching: nothing is done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping

from sqlalchemy import func, select
from sqlmodel import col

from hub import breaker
from hub.civic.operations import acts, alarms, board, cards, flow, scope, work
from hub.db import Read
from hub.directory import Area
from hub.quarantine import QuarantineRow
from hub.services import Services

TICK_S = 1.0
TIDY_S = 30.0  # a line that flaps within it keeps the name of who has it
LOOK_TICKS = 2  # with the feed's own way a stall is on the screen well within 5 s
STANDING = frozenset({cards.WORK, cards.HUTS, cards.QUARANTINE})
MOVING = frozenset({cards.DEVICES, cards.RECENT, cards.HUT})  # with every reading


async def tidy(services: Services) -> None:
    """Let go of what people said of troubles that are over."""
    while True:
        await services.clock.sleep(TIDY_S)
        standing = await services.store.read(lambda read: [task.key for task in work.every(read, scope.WHOLE)])
        held = await services.store.read(acts.holds)
        if set(held) - set(standing):
            await services.store.write(lambda tx, keys=standing: acts.forget(tx, keys))  # type: ignore[misc]


async def keep(services: Services) -> None:
    ticks = 0
    drawn: Mapping[str, tuple[Hashable, Hashable]] = {}
    while True:
        await services.clock.sleep(TICK_S)
        push(services)
        ticks += 1
        watched = _watched(services)
        if ticks % LOOK_TICKS or not watched:
            continue
        keys = frozenset(watched)
        found = await services.store.read(lambda read, keys=keys: _digests(read, keys))  # type: ignore[misc]
        due: set[tuple[str, str]] = set()
        for key, topics in watched.items():
            stands, moves = drawn.get(key, (None, None))
            if found[key][0] != stands:
                due |= topics
            elif found[key][1] != moves:
                due |= {topic for topic in topics if topic[0] in MOVING}
        drawn = found
        if due:
            services.feed.committed((), frozenset(due))


def push(services: Services) -> None:
    """The meter and the alarms as they stand, to whoever watches."""
    feed = services.feed
    if feed.viewers(f"{cards.FLOW}:all"):
        feed.push(cards.FLOW, "all", {"flow": flow.measure(services.ingest, services.clock.now())})
    if feed.viewers(f"{cards.ALARM}:all"):
        feed.push(cards.ALARM, "all", {"tasks": work.troubles(services.ingest.trouble, services.down)})


def _watched(services: Services) -> Mapping[str, set[tuple[str, str]]]:
    """The topics somebody looks at, by the scope they tell of."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for topic in services.feed.watched():
        name, _colon, key = topic.partition(":")
        if name in STANDING | MOVING:
            found[cards.scope_of(name, key)].add((name, key))
    return found


def _digests(read: Read, keys: Collection[str]) -> Mapping[str, tuple[Hashable, Hashable]]:
    """For each scope, what the grid and the queue are drawn from, and what moves with every reading."""
    places = board.look(read, scope.WHOLE)
    unread, said = _unread(read), _said(read)
    return {key: _digest(scope.parse(key), places, unread, said) for key in keys}


def _said(read: Read) -> Hashable:
    """What is the same for every scope: how the providers do, what rules have raised, who has what of the queue."""
    now = read.now()
    holds = sorted((key, held.acked_by, held.owner, held.asleep(now)) for key, held in acts.holds(read).items())
    raised = [(each.id, each.level, each.to, each.told) for each in alarms.listed(read, scope.WHOLE, over=False)]
    return tuple(holds), tuple(raised), tuple((way.channel, way.state, way.why) for way in breaker.states(read))


def _digest(
    within: scope.Scope, places: Collection[board.Place], unread: Mapping[str, int], said: Hashable
) -> tuple[Hashable, Hashable]:
    own = [place for place in places if within.covers(place.path)]
    stands = tuple(
        (place.id, place.cut, tuple((box.id, box.state, box.upkeep, box.life) for box in place.boxes)) for place in own
    )
    moves = max((box.seen for place in own for box in place.boxes if box.seen), default=None)
    return hash((stands, said, sum(count for path, count in unread.items() if within.covers(path)))), moves


def _unread(read: Read) -> Mapping[str, int]:
    """Frames nobody has looked at, by area path; those of an area unknown to us lie in the whole tree only."""
    rule = (
        select(col(Area.path), func.count())
        .select_from(QuarantineRow)
        .join(Area, col(Area.code) == col(QuarantineRow.area), isouter=True)
        .where(col(QuarantineRow.seen).is_(False))
        .group_by(col(Area.path))
    )
    return {path or "": count for path, count in read.session.execute(rule)}

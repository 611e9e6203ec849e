"""A set-top box with the community's page open: `/tv/{area}`, live, with somebody on the sofa who may press a key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from simulators.chance import unit
from simulators.clock import Now, utc_now
from simulators.screen import Habits, Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STAGGER_S = 5.0  # sets are not switched on in one second


class Tv(Screen):
    """One viewer. `now_showing`, `history` and `until` tell what stood on the screen and when."""

    def __init__(
        self, base: str, area: str, *, name: str, seed: str, now: Now = utc_now, habits: Habits | None = None
    ) -> None:
        super().__init__(base, f"/tv/{area}", name=name, seed=seed, now=now, habits=habits)
        self.area = area


@asynccontextmanager
async def watching(screens: Sequence[Screen], stagger_s: float = STAGGER_S) -> AsyncIterator[Sequence[Screen]]:
    """All of them on for as long as the block runs. A screen that breaks breaks the block."""

    async def switch_on(screen: Screen, seed: str) -> None:
        await asyncio.sleep(stagger_s * unit(seed, screen.name, "screen", 0, "on"))
        await screen.run()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(switch_on(screen, screen.path)) for screen in screens]
            yield screens
            for task in tasks:
                task.cancel()
    finally:
        for screen in screens:
            await screen.close()


def totals(screens: Sequence[Screen]) -> dict[str, int]:
    """What all of them together really did."""
    total: Counter[str] = Counter()
    for screen in screens:
        total.update(screen.counts)
    return dict(sorted(total.items()))

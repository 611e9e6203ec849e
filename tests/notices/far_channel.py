"""A channel whose far end does what a test tells it: answers, is silent, refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from channels.base import Accepted, Caps, Delivery, Message, Outcome, Rendered, Skip

CAPS = Caps(
    shape="addressed", address_kind="person", ceiling="delivered", title_chars_max=20, body_chars_max=20,
    recall=False, obeys_quiet_hours=True, batch_max=20,
)  # fmt: skip


@dataclass
class FarChannel:
    """`hangs` of these priorities; otherwise the next of `answers`, and when there is none, it is taken."""

    name: str = "wechat"
    title: str = "Far channel"
    caps: Caps = CAPS
    hangs: frozenset[str] = frozenset()
    answers: list[Outcome] = field(default_factory=list)
    came: list[Delivery] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    fen: int = 0

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        return Rendered(message.title, cost_fen=self.fen)

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        self.came += batch
        self.arrived.set()
        if any(each.message.priority in self.hangs for each in batch):
            await asyncio.Event().wait()
        return [self.answers.pop(0) if self.answers else Accepted(f"far-{each.id}") for each in batch]

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self.send(batch)

    async def met(self, count: int) -> None:
        """So many have come; an event, no polling."""
        async with asyncio.timeout(15):
            while len(self.came) < count:
                self.arrived.clear()
                await self.arrived.wait()

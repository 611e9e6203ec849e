"""Credits: who may go on when the hub cannot keep up, in the published order of degradation (README, "Limits").

While the ingest queue is at most half full nothing is counted and nobody is held. Above that every account has a purse
that refills at the published rate. An empty purse costs a QoS 0 reading its place; a line with QoS 1 is not read until
the purse or the queue has room again, and TCP holds the client back. Nothing of QoS 1 or 2 is ever dropped.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hub.broker.counters import Counters
    from hub.broker.limits import Limits
    from hub.broker.packets import Publish
    from hub.clock import Clock
    from hub.uplink import UplinkSink

LOOK_S = 0.05  # how often those who wait are looked at; the queue moves by a tenth in that time
NOTHING = 1e-9  # tenths of a token do not add up to a whole one in binary
Turn = asyncio.Future[None]
Waiting = list[tuple[float, int, Turn]]  # a heap, by when the purse will do


class Stage(IntEnum):
    """How far degradation has gone; the numbers are those of the published order."""

    CALM = 0
    SHED = 3  # QoS 0 readings of accounts without credit are shed
    CUT = 4  # accounts without credit are not read
    SLOW = 5  # new connections slow down
    FULL = 6  # QoS 1 is not acknowledged, all QoS 0 readings are shed


class Held(Protocol):
    """A line that can be told to wait."""

    @property
    def ending(self) -> bool:
        """Whether it is closed or about to be: then nothing is gained by holding it."""

    async def hold(self, turn: Turn) -> None:
        """Take nothing more until the turn comes or the line ends."""


@dataclass(slots=True)
class Purse:
    """Tokens that come back at a steady rate, up to a store of them. It never runs into debt."""

    per_s: float
    most: float
    left: float
    at_s: float

    def refill(self, now: float) -> None:
        self.left = min(self.most, self.left + max(0.0, now - self.at_s) * self.per_s)
        self.at_s = now

    def covers(self, amount: float, now: float) -> bool:
        self.refill(now)
        return self.left + NOTHING >= min(amount, self.most)

    def drain(self, amount: float, now: float) -> None:
        """Takes the amount, or what there is of it."""
        self.refill(now)
        self.left = max(0.0, self.left - amount)

    def wait_s(self, amount: float) -> float:
        return max(0.0, (min(amount, self.most) - self.left) / self.per_s)


class _Account:
    """The purses of one account: messages and bytes while the queue is pressed, logins at all times."""

    __slots__ = ("logins", "messages", "payload")

    def __init__(self, limits: Limits, now: float) -> None:
        messages, payload, logins = limits.messages_burst, limits.payload_bytes_burst, limits.logins_burst
        self.messages = Purse(limits.messages_per_s, messages, messages, now)
        self.payload = Purse(limits.payload_bytes_per_s, payload, payload, now)
        self.logins = Purse(limits.logins_per_s, logins, logins, now)


class Gate:
    """The logins of one listener, first come first served."""

    __slots__ = ("purse", "queue")

    def __init__(self, limits: Limits, now: float) -> None:
        most = limits.listener_logins_burst
        self.purse = Purse(limits.listener_logins_per_s, most, most, now)
        self.queue: deque[Turn] = deque()


class Credits:
    def __init__(self, limits: Limits, sink: UplinkSink, clock: Clock, counters: Counters) -> None:
        self._limits, self._sink, self._clock, self._counters = limits, sink, clock, counters
        self._accounts: dict[str, _Account] = {}
        self._gates: list[Gate] = []
        self._paused: Waiting = []  # for messages; all go on as soon as the queue has room
        self._late: Waiting = []  # for logins of their account
        self._numbers = count()
        self._looking: asyncio.Task[None] | None = None

    @property
    def stage(self) -> Stage:
        limits, pressure = self._limits, self._sink.pressure
        if pressure <= limits.pressure_shed:
            return Stage.CALM
        if pressure >= 1.0:
            return Stage.FULL
        if pressure >= limits.pressure_slow:
            return Stage.SLOW
        return Stage.CUT if pressure >= limits.pressure_cut else Stage.SHED

    @property
    def pressed(self) -> bool:
        return self._sink.pressure > self._limits.pressure_shed

    @property
    def waiting(self) -> int:
        """Lines that are not read until their credit comes back."""
        turns = [turn for _, _, turn in (*self._paused, *self._late)]
        return sum(not turn.done() for turn in (*turns, *(turn for gate in self._gates for turn in gate.queue)))

    # Messages.

    def sheds(self, account: str, packet: Publish) -> bool:
        """Whether this message of QoS 0 is dropped and counted. What is retained says how things stand: it is not a
        reading, and `afford` takes it."""
        stage = self.stage
        if stage is Stage.FULL:
            self._counters.shed_full += 1
        elif stage >= Stage.SHED and not self._pays(account, packet):
            self._counters.shed_rate += 1
        else:
            return False
        self._sink.refused("rate")
        return True

    async def afford(self, line: Held, account: str, packet: Publish) -> None:
        """Returns when the message may be taken: at once, or when the purse or the queue has room again."""
        held = False
        while not line.ending and (stage := self.stage) is not Stage.CALM and not self._pays(account, packet):
            purses, now, size = self._of(account), self._clock.monotonic(), len(packet.payload)
            if stage < Stage.CUT:  # let through all the same, for what there is
                purses.messages.drain(1, now)
                purses.payload.drain(size, now)
                return
            wait_s = purses.messages.wait_s(1)
            if not held:
                self._counters.paused_messages += wait_s > 0
                self._counters.paused_bytes += not wait_s
            held = True
            await line.hold(self._turn(self._paused, now + max(wait_s, purses.payload.wait_s(size))))

    def _pays(self, account: str, packet: Publish) -> bool:
        purses, now, size = self._of(account), self._clock.monotonic(), len(packet.payload)
        if not purses.payload.covers(size, now) or not purses.messages.covers(1, now):
            return False
        purses.messages.drain(1, now)
        purses.payload.drain(size, now)
        return True

    # Logins.

    def gate(self) -> Gate:
        """For a new listener."""
        made = Gate(self._limits, self._clock.monotonic())
        self._gates.append(made)
        return made

    async def enter(self, line: Held, gate: Gate) -> None:
        """Before a CONNECT is looked at. A storm of ten thousand gateways is let in as fast as logins can be looked
        up, and slower while the hub has too much to do already."""
        if not gate.queue and self._opens(gate):
            return
        self._counters.paused_logins += 1
        turn: Turn = asyncio.get_running_loop().create_future()
        gate.queue.append(turn)
        self._look()
        await line.hold(turn)

    async def login(self, line: Held, account: str) -> None:
        """After the password: one that reconnects in a loop waits. Before it, anybody could use up another's purse."""
        logins, held = self._of(account).logins, False
        while not line.ending and not logins.covers(1, now := self._clock.monotonic()):
            self._counters.paused_logins += not held
            held = True
            await line.hold(self._turn(self._late, now + logins.wait_s(1)))
        logins.drain(1, self._clock.monotonic())

    def _opens(self, gate: Gate) -> bool:
        limits = self._limits
        slow = self.stage >= Stage.SLOW
        gate.purse.per_s = limits.listener_logins_pressed_per_s if slow else limits.listener_logins_per_s
        if slow:
            gate.purse.left = min(gate.purse.left, gate.purse.per_s)
        now = self._clock.monotonic()
        if not gate.purse.covers(1, now):
            return False
        gate.purse.drain(1, now)
        return True

    # Those who wait.

    def _of(self, account: str) -> _Account:
        found = self._accounts.get(account)
        if found is None:
            found = self._accounts[account] = _Account(self._limits, self._clock.monotonic())
        return found

    def _turn(self, among: Waiting, until_s: float) -> Turn:
        turn: Turn = asyncio.get_running_loop().create_future()
        heapq.heappush(among, (until_s, next(self._numbers), turn))
        self._look()
        return turn

    def _look(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._watch(), name="broker-credits")

    async def _watch(self) -> None:
        """One timer for all, and only while somebody waits: ten thousand of them would be work of their own."""
        try:
            while self._paused or self._late or any(gate.queue for gate in self._gates):
                await self._clock.sleep(LOOK_S)
                self._release()
        finally:
            self._looking = None

    def _release(self) -> None:
        now, relieved = self._clock.monotonic() + NOTHING, not self.pressed
        for among, at_once in ((self._paused, relieved), (self._late, False)):
            while among and (at_once or among[0][0] <= now or among[0][2].done()):
                _go_on(heapq.heappop(among)[2])
        for gate in self._gates:
            while gate.queue and (gate.queue[0].done() or self._opens(gate)):
                _go_on(gate.queue.popleft())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)


def _go_on(turn: Turn) -> None:
    if not turn.done():
        turn.set_result(None)

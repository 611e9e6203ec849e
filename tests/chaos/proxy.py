"""The net between gateways and hub, and its weather: late, in slices, stalled, reset, swallowed, half open."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

WEATHERS = ("clear", "late", "slices", "stall", "reset", "black hole", "half open")
LATE_S = (0.005, 0.08)
SLICE_BYTES = (1, 700)


@dataclass(eq=False)
class _Pair:
    down: asyncio.StreamWriter  # to the gateway
    up: asyncio.StreamWriter  # to the hub
    spoilt: bool = False  # bytes of it were swallowed: it can only be reset


@dataclass
class Proxy:
    """`port` is what gateways dial; the hub may come and go behind it."""

    target: int
    dice: random.Random
    port: int = 0
    met: Counter[str] = field(default_factory=Counter)
    weather: str = "clear"
    _pairs: set[_Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _moving: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        self._moving.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def turn(self, weather: str) -> None:
        """The weather changes. What was spoilt by the last one is reset: nobody reads a stream with a hole in it."""
        self.met[weather] += 1
        for pair in tuple(self._pairs):
            if pair.spoilt or weather == "reset":
                _reset(pair.down)
                _reset(pair.up)
            elif weather == "half open":
                pair.spoilt = True
                _reset(pair.up)
        self.weather = weather
        (self._moving.clear if weather == "stall" else self._moving.set)()

    async def close(self) -> None:
        self.turn("clear")
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(writer, up_writer)
        self._pairs.add(pair)
        for source, sink in ((reader, up_writer), (up_reader, writer)):
            task = asyncio.get_running_loop().create_task(self._pump(pair, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, pair: _Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._moving.wait()
                await self._pass_on(pair, data, sink)
        except OSError:
            pass  # a reset is weather, not an error
        finally:
            # While half open the gateway is not told that the hub's side is gone.
            if not (pair.spoilt and sink is pair.down):
                sink.close()
            if sink is pair.up or not pair.spoilt:
                self._pairs.discard(pair)
                pair.down.close()

    async def _pass_on(self, pair: _Pair, data: bytes, sink: asyncio.StreamWriter) -> None:
        if self.weather == "black hole" or pair.spoilt:
            pair.spoilt = True
            return
        if self.weather == "late":
            await asyncio.sleep(self.dice.uniform(*LATE_S))
        step = self.dice.randint(*SLICE_BYTES) if self.weather == "slices" else len(data)
        for start in range(0, len(data), step):
            sink.write(data[start : start + step])
            await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.transport.abort()

"""The far end of five ways: it takes, loses, doubles and delays, and keeps a fsynced journal of what phones showed.

A provider that honours keys: a second call under a known key is taken and shows nothing new. Of what it takes it
forgets to say so for one in twenty (the lost acknowledgement), of what it never took it says nothing either (a drop).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.wechat_api import serving

LOST_ACK, DROPPED, BUSY, CUT = 0.05, 0.03, 0.02, 0.02
LEVELS = ("delivered", "shown", "seen", "acknowledged")
TOLD = 0.4  # of the messages, those of which anything is heard again
GONE_EVERY = 97  # so many addresses, and one is gone
OFFERED_MAX = 400


@dataclass
class FarEnd:
    journal: Path
    seed: int
    shown: dict[str, float] = field(default_factory=dict)  # key -> when a phone first showed it
    met: dict[str, int] = field(default_factory=lambda: {"lost": 0, "dropped": 0, "doubled": 0, "cut": 0, "calls": 0})
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)  # what the desk asks of the hub, until it is done
    obeyed: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.seed} far end")
        self._file = self.journal.open("a", encoding="utf-8")

    async def send(self, request: Request) -> Response:
        way, asked = request.path_params["way"], await request.json()
        self.met["calls"] += 1
        self.called.set()
        answers = [self._one(way, each) for each in asked]
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._dice.random() < CUT:  # the whole answer is lost on the way
            self.met["cut"] += 1
            return Response(status_code=500)
        return JSONResponse(answers)

    def _one(self, way: str, said: dict[str, Any]) -> str:
        roll = self._dice.random()
        if roll < DROPPED:
            self.met["dropped"] += 1
            return ""
        if roll < DROPPED + BUSY:
            return "busy"
        if int(said["to"].rpartition("-")[2]) % GONE_EVERY == GONE_EVERY - 1:
            return "gone"
        ident = f"{way}-{said['key']}"
        if said["key"] in self.shown:
            self.met["doubled"] += 1
        else:
            self.shown[said["key"]] = time.time()
            self._file.write(json.dumps({**said, "way": way, "at": time.time()}) + "\n")
            self._offer(way, ident)
        if roll > 1 - LOST_ACK:
            self.met["lost"] += 1
            return ""
        return ident

    def _offer(self, way: str, ident: str) -> None:
        """Receipts in any order, some twice, some never."""
        if self._dice.random() > TOLD:
            return
        levels = list(LEVELS[: self._dice.randint(1, len(LEVELS))])
        levels += [level for level in levels if self._dice.random() < 0.2]
        self._dice.shuffle(levels)
        for level in levels:
            self._numbers += 1
            at = datetime.now(UTC).isoformat()
            self.waiting[self._numbers] = {"n": self._numbers, "way": way, "id": ident, "level": level, "at": at}

    async def receipts(self, _request: Request) -> Response:
        chosen = list(self.waiting.values())
        self._dice.shuffle(chosen)
        return JSONResponse(chosen[:OFFERED_MAX])

    async def taken(self, request: Request) -> Response:
        for number in await request.json():
            self.waiting.pop(number, None)
        return Response(status_code=204)

    async def asked(self, _request: Request) -> Response:
        return JSONResponse(list(self.orders.values()))

    async def done(self, request: Request) -> Response:
        for number in await request.json():
            self.orders.pop(number, None)
        self.obeyed.set()
        return Response(status_code=204)

    async def order(self, **said: Any) -> None:
        """Ask the hub, however often it is killed over it. Returns when it has told that it is on disk."""
        self._numbers += 1
        number = self._numbers
        self.orders[number] = {"n": number, **said}
        while number in self.orders:
            self.obeyed.clear()
            await self.obeyed.wait()

    def close(self) -> None:
        self._file.close()

    def routes(self) -> list[Route]:
        return [
            Route("/{way}/send", self.send, methods=["POST"]),
            Route("/receipts", self.receipts),
            Route("/receipts/taken", self.taken, methods=["POST"]),
            Route("/orders", self.asked),
            Route("/orders/done", self.done, methods=["POST"]),
        ]


@asynccontextmanager
async def running(far: FarEnd) -> AsyncIterator[str]:
    try:
        async with serving(Starlette(routes=far.routes())) as address:
            yield address
    finally:
        far.close()

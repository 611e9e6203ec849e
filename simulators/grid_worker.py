"""A grid worker with a phone (网格员): signs in with a one-time link, walks the round, and sometimes nobody is at home.

Results wait in the phone while it has no line (`POST /sim/mode {"mode": "hang"}`) and go out later with their own
times; `flap` loses every second answer, so that they go out twice. `GET /sim/inbox` shows what was found, newest first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from simulators.chance import unit
from simulators.clock import Now, utc_now
from simulators.far_end import MODES, Asked, serving, sim_endpoint
from simulators.phone import Phone

# From one door to the next in life: stairs, a few words. `pace` divides it.
DOOR_S, LOOK_S = 240.0, 60.0
# What is found, as shares; the second time of the day more are at home.
FOUND = (("absent", 0.30), ("met", 0.50), ("family", 0.12), ("refused", 0.05), ("moved", 0.03))
FOUND_AGAIN = (("absent", 0.15), ("met", 0.65), ("family", 0.14), ("refused", 0.04), ("moved", 0.02))
NOTES = {"absent": "敲门无人应", "refused": "不愿开门", "moved": "邻居说已搬走"}
INBOX_MAX = 200
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """One knock, as the phone keeps it until the hub has answered."""

    key: str
    visit: str
    result: str
    person: str
    note: str
    signature: str
    at: str


class GridWorker(Phone):
    """`walk()` until cancelled; `round()` once: look at the list, knock at the first door, send what waits."""

    def __init__(
        self,
        login: str,
        *,
        name: str,
        seed: str,
        pace: float = 1.0,
        now: Now = utc_now,
        again: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`again` fetches a new one-time address: a session of the staff ends after a day's work."""
        super().__init__(login, name=name, seed=seed, path="/visits", now=now)
        self._again = again
        self.pace, self.mode = pace, "ok"
        self.waiting: list[Found] = []
        self.inbox: deque[dict[str, Any]] = deque(maxlen=INBOX_MAX)
        self.told: Counter[str] = Counter()  # kept, conflict, refused: what the hub said
        self._known: list[dict[str, Any]] = []
        self._lost = False

    async def keep_walking(self) -> None:
        """As people do: a hub that is away for a while is no reason to go home."""
        while True:
            try:
                await self.walk()
            except (httpx.HTTPError, OSError) as why:
                log.warning("a grid worker waits for the hub", extra={"worker": self.name, "why": type(why).__name__})
            await asyncio.sleep(LOOK_S / self.pace)

    async def walk(self) -> None:
        await self.load()
        while True:
            knocked = await self.round()
            slower = 2 if self.mode == "slow" else 1
            await asyncio.sleep((DOOR_S if knocked else LOOK_S) * slower / self.pace)

    async def round(self) -> bool:
        """Says whether there was a door to knock at."""
        await self._look()
        done = {found.visit for found in self.waiting}
        doors = [each for each in self._known if each["id"] not in done and self._may_knock(each)]
        if doors:
            self._knock(doors[0])
        await self._send()
        return bool(doors)

    async def _look(self) -> None:
        """The list as the phone last heard it: without a line it is the one that was kept."""
        if self.mode in ("hang", "5xx"):
            return
        try:
            answer = await self.client.get("/api/v1/visits")
            if answer.status_code == 401 and self._again is not None:
                await self._sign_in_again(self._again)
                answer = await self.client.get("/api/v1/visits")
            answer.raise_for_status()
        except httpx.HTTPError as why:
            log.info("no list of doors", extra={"worker": self.name, "why": type(why).__name__})
            return
        self._known = answer.json()["items"]

    async def _sign_in_again(self, again: Callable[[], Awaitable[str]]) -> None:
        self.client.cookies.clear()
        self._login = await again()
        await self.load()

    def _may_knock(self, door: dict[str, Any]) -> bool:
        return door["again_at"] is None or datetime.fromisoformat(door["again_at"]) <= self._now()

    def _knock(self, door: dict[str, Any]) -> None:
        tries = f"{door['id']}.{door['tries']}"
        result = _drawn(FOUND_AGAIN if door["tries"] else FOUND, self._chance(tries, "found"))
        named, behind = door["whom"], door["people"]
        if result == "met" and not behind:
            result = "refused"
        others = [each for each in behind if each not in named]
        person = {"met": (named or behind or [""])[0], "family": (others or [""])[0]}.get(result, "")
        signature = "本人已阅" if result == "met" else "家人代收" if result == "family" else ""
        found = Found(
            f"sim-{tries}", door["id"], result, person, NOTES.get(result, ""), signature, self._now().isoformat()
        )
        self.waiting.append(found)
        self.inbox.appendleft({**asdict(found), "door": door["door"]})
        self.counts[result] += 1

    async def _send(self) -> None:
        if not self.waiting or self.mode in ("hang", "5xx"):
            return
        headers = {"X-CSRF": self._csrf, "Origin": self.origin}
        said = [asdict(found) for found in self.waiting]
        try:
            answer = await self.client.post("/visits/results", json={"results": said}, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError as why:
            log.info("results wait", extra={"worker": self.name, "why": type(why).__name__})
            return
        self._lost = self.mode == "flap" and not self._lost
        if self._lost:
            return  # the hub has it all; the phone never heard so, and will send it again
        for item in answer.json()["items"]:
            self.told[item["state"]] += 1
        self.waiting.clear()

    def _chance(self, ident: str, field: str) -> float:
        return unit(self._seed, self.name, "visit", ident, field)


def _drawn(shares: tuple[tuple[str, float], ...], u: float) -> str:
    for what, share in shares:
        if u < share:
            return what
        u -= share
    return shares[-1][0]


@asynccontextmanager
async def running(worker: GridWorker, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The knobs of the simulation, on an address of their own."""

    async def inbox(_request: Request) -> JSONResponse:
        body = {"items": list(worker.inbox), "waiting": len(worker.waiting), "told": dict(worker.told)}
        return JSONResponse({**body, "mode": worker.mode})

    async def mode(_request: Request, asked: Asked) -> Asked:
        if asked.get("mode") not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        worker.mode = str(asked["mode"])
        return {"mode": worker.mode}

    routes = [Route("/sim/inbox", inbox), Route("/sim/mode", sim_endpoint(mode), methods=["POST"])]
    async with serving(Starlette(routes=routes), host, port) as url:
        yield url

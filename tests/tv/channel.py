"""A community office and its TV channel behind the real shell, asked without a socket; time is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from hub.access import Permissions
from hub.bus import Bus
from hub.civic import activities, notices, points, television
from hub.civic.notices import desk
from hub.civic.notices.models import Notice
from hub.civic.television.station import Station
from hub.clock import Clock, ManualClock
from hub.feed import Feed
from hub.services import Services
from hub.settings import STATE
from tests.notices.office import Office, open_office
from tests.world import LIUHE, START, wire
from web.app import create_app
from web.render import make_render

MODULES = (activities.MODULE, notices.MODULE, points.MODULE, television.MODULE)
SEGMENT_S = 1.92


@dataclass
class Tuned:
    """Somebody in front of a set, and the office whose notices it shows."""

    office: Office
    hub: Services
    net: httpx.AsyncClient
    clock: Clock
    app: FastAPI

    @property
    def station(self) -> Station:
        found: Station = self.app.state.television
        return found

    def forget_station(self) -> None:
        """As a restart does: what was in memory is gone."""
        self.app.state.television = None

    async def playlist(self, area: str = LIUHE, **asked: str) -> str:
        answer = await self.net.get(f"/tv/{area}/live.m3u8", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def names(self, area: str = LIUHE, **asked: str) -> list[str]:
        return [line for line in (await self.playlist(area, **asked)).splitlines() if line.endswith(".ts")]

    async def bytes_of(self, name: str, area: str = LIUHE) -> bytes:
        answer = await self.net.get(f"/tv/{area}/{name}")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def watch(self, seconds: float, area: str = LIUHE, **asked: str) -> bytes:
        """Everything a player would have fetched in so long, in order; no time passes but this clock's."""
        assert isinstance(self.clock, ManualClock)
        fetched: dict[str, bytes] = {}
        for _turn in range(int(seconds / SEGMENT_S)):
            for name in await self.names(area, **asked):
                if name not in fetched:
                    fetched[name] = await self.bytes_of(name, area)
            self.clock.advance(SEGMENT_S)
        return b"".join(fetched.values())

    def alarm(self, title: str = "暴雨红色预警", **changes: object) -> Notice:
        """Two duty publishers release an emergency."""
        office, store = self.office, self.office.store
        made = office.draft(**{"title": title, "text": "请立即远离河道和低洼处。", "priority": "emergency", **changes})
        first = made.id
        store.write_now(lambda tx: desk.approve(tx, office.second_publisher, first))
        return store.write_now(lambda tx: desk.release(tx, office.publisher, first))


@asynccontextmanager
async def tuned(
    folder: Path, *, clock: Clock | None = None, state: Path | None = None, config: dict[str, str] | None = None
) -> AsyncIterator[Tuned]:
    bus = Bus()
    wire(bus, MODULES)
    clock = clock or ManualClock(START)
    office = open_office(folder, bus=bus, clock=clock)
    state = state or folder / "state"
    state.mkdir(exist_ok=True)
    if (STATE / "font").exists() and not (state / "font").exists():  # cut once per checkout
        (state / "font").symlink_to(STATE / "font")
    render = make_render(MODULES, None)
    feed = Feed(office.store, [topic for each in MODULES for topic in each.topics], render, clock)
    bus.observe(feed.committed)
    async with httpx.AsyncClient(trust_env=False) as outside:
        hub = Services(
            store=office.store, feed=feed, registry=None, ingest=None, clock=clock, rng=office.store.rng,  # type: ignore[arg-type]
            net=outside, permissions=Permissions(each.permissions or {} for each in MODULES), modules=MODULES,
            render=render, data=folder, config={"state_dir": str(state), **(config or {})},
        )  # fmt: skip
        app = create_app(hub)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as net:
            yield Tuned(office, hub, net, clock, app)
    office.store.close()

"""The community hall: both slices behind the real web shell, on a real socket, with people who can sign in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from hub import login
from hub.access import Permissions
from hub.bus import Bus
from hub.civic import activities, points
from hub.civic.activities import programme
from hub.civic.activities.programme import Plan
from hub.clock import SystemClock
from hub.db import Store
from hub.feed import Feed
from hub.services import Services
from tests.web.shell_world import Shell, running
from tests.world import LIUHE, make_store, people, staff, wire
from web.app import create_app
from web.render import make_render

MODULES = (activities.MODULE, points.MODULE)


class Visitor:
    """A signed-in browser without script."""

    def __init__(self, url: str, token: str, surface: str) -> None:
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30, follow_redirects=True)
        self.http.cookies.set(f"linli_{surface}", token)

    def get(self, path: str, lang: str = "en", status: int = 200) -> str:
        reply = self.http.get(path, headers={"accept-language": lang})
        assert reply.status_code == status, reply.text[:800]
        return reply.text

    def post(self, path: str, page: str, status: int = 200, **fields: object) -> tuple[str, str]:
        """A form of `page`, sent as it stands there."""
        found = re.search(r'name="csrf" value="(\w+)"', self.get(page))
        assert found
        reply = self.http.post(path, data={"csrf": found[1], **fields}, headers={"accept-language": "en"})
        assert reply.status_code == status, reply.text[:800]
        return reply.text, reply.url.path


@dataclass
class Hall:
    store: Store
    shell: Shell
    visitors: list[Visitor | httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.shell.url

    def enter(self, ident: str, kind: str = "staff") -> Visitor:
        surface = "staff" if kind == "staff" else "resident"
        self.visitors.append(made := Visitor(self.url, self.shell.token(surface, kind, ident), surface))
        return made

    def api(self, role: str, area: str = LIUHE) -> httpx.Client:
        token = self.shell.write(lambda tx: login.create_token(tx, role, area))
        headers = {"authorization": f"Bearer {token}"}
        self.visitors.append(made := httpx.Client(base_url=self.url, trust_env=False, timeout=30, headers=headers))
        return made

    def activity(self, item: str = "C01") -> str:
        """One that began three hours ago and took two."""
        starts = self.store.clock.now() - timedelta(hours=3)
        plan = Plan(
            LIUHE, "周六清洁日", "Saturday clean-up", item, starts, starts + timedelta(hours=2), "中心广场", "Square"
        )
        by = staff(self.store, "s-staff")
        return str(self.shell.write(lambda tx: programme.publish(tx, by, plan)).id)


@contextmanager
def a_hall(folder: Path) -> Iterator[Hall]:
    bus, clock = Bus(), SystemClock()
    wire(bus, MODULES)
    store = make_store(folder, bus=bus, inline=False, clock=clock)  # type: ignore[arg-type]
    store.write_now(people)
    render = make_render(MODULES, None)
    feed = Feed(store, [topic for module in MODULES for topic in module.topics], render, clock)
    bus.observe(feed.committed)
    hub = Services(
        store=store, feed=feed, registry=None, ingest=None, clock=clock, rng=store.rng,  # type: ignore[arg-type]
        net=httpx.AsyncClient(trust_env=False), permissions=Permissions(each.permissions or {} for each in MODULES),
        modules=MODULES, render=render, data=folder, config={},
    )  # fmt: skip
    shell: Any = Shell(None, store, hub, create_app(hub))  # type: ignore[arg-type]
    with running(shell):
        hall = Hall(store, shell)
        yield hall
        for each in hall.visitors:
            (each.http if isinstance(each, Visitor) else each).close()

"""The office behind the real web shell: the notices slice alone, so that another slice's fault is not ours."""

from __future__ import annotations

from pathlib import Path

import httpx

from hub.access import Permissions
from hub.bus import Bus
from hub.civic.notices import MODULE
from hub.clock import Clock, SystemClock
from hub.feed import Feed
from hub.services import Services
from tests.notices.office import Office, open_office
from tests.web.shell_world import Shell
from tests.world import wire
from web.app import create_app
from web.render import make_render


def make_shell(
    folder: Path, config: dict[str, str] | None = None, *, inline: bool = True, clock: Clock | None = None
) -> tuple[Office, Shell]:
    bus = Bus()
    wire(bus, (MODULE,))
    clock = clock or SystemClock()
    office = open_office(folder, bus=bus, inline=inline, clock=clock)
    render = make_render((MODULE,), None)
    feed = Feed(office.store, MODULE.topics, render, clock)
    bus.observe(feed.committed)
    hub = Services(
        store=office.store,
        feed=feed,
        registry=None,  # type: ignore[arg-type]
        ingest=None,  # type: ignore[arg-type]
        clock=clock,
        rng=office.store.rng,
        net=httpx.AsyncClient(trust_env=False),
        permissions=Permissions([MODULE.permissions or {}]),
        modules=(MODULE,),
        render=render,
        data=folder,
        config=config or {},
    )
    return office, Shell(None, office.store, hub, create_app(hub))  # type: ignore[arg-type]

"""What a page, a listener or a job is handed: the store, the feed, the ports. Made once by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from hub.access import Permissions
from hub.clock import Clock
from hub.db import Store
from hub.feed import Feed
from hub.rng import Rng
from hub.uplink import Door

if TYPE_CHECKING:
    from hub.ingest import Ingest
    from hub.module import Module
    from hub.registry import Registry


@dataclass
class Services:
    store: Store
    feed: Feed
    registry: Registry
    ingest: Ingest
    clock: Clock
    rng: Rng
    net: httpx.AsyncClient
    permissions: Permissions
    modules: tuple[Module, ...]
    render: Callable[..., str]  # render(template, context, lang) -> html
    data: Path
    config: Mapping[str, str] = field(default_factory=dict)  # channel and slice settings: wechat.appid, ...
    door: Door | None = None
    demo: bool = False
    down: dict[str, str] = field(default_factory=dict)  # job -> why it is being restarted
    stage: Any = None  # demo only: the acts the stage's buttons call

"""Five bugs this hub must never have: each an object put in place of a sound one, with the faults that show it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from channels.base import Addressed
from hub import courier, delivery
from hub.courier import Breaker
from hub.db import Tx
from hub.events import ReadingsStored
from hub.ingest import Ingest
from hub.main.night.faults import Kind
from hub.module import Job, Module
from hub.readings import Reading, to_ms
from hub.services import Services
from hub.uplink import Uplink, Verdict

WINDOW_S = 30
_CRASHES = (Kind.HUB_CRASH, Kind.SLOW_DISK)


@dataclass(frozen=True)
class Bug:
    name: str
    plant: Callable[[Services], None]
    kinds: tuple[Kind, ...]
    shows_as: str  # the promise that is broken


class _AcknowledgesFirst(Ingest):
    async def put(self, uplink: Uplink) -> None:
        uplink.settle(Verdict.STORED)
        await super().put(uplink)


class _ReceiptsOverGaps(Ingest):
    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._highest: dict[tuple[str, str], int] = {}

    async def put(self, uplink: Uplink) -> None:
        if uplink.topic.endswith("/pack"):
            said = json.loads(uplink.payload)
            entry = (uplink.account, said["boot"])
            self._highest[entry] = max(said["seq"], self._highest.get(entry, 0))
        await super().put(uplink)

    async def _receipt(self, gateway: str, boot: str, seq: int) -> None:
        await super()._receipt(gateway, boot, self._highest.get((gateway, boot), seq))


def _with_ingest(kind: type[Ingest], services: Services) -> None:
    sound = services.ingest
    services.ingest = kind(
        services.store, services.registry, services.clock, services.rng,
        queue_frames_max=sound._queue_max, batch_frames_max=sound._batch_max,
    )  # fmt: skip


def _folds_within_a_window_only(services: Services) -> None:
    def forget(tx: Tx) -> int:
        old_ms = to_ms(tx.now()) - WINDOW_S * 1000
        return tx.change(update(Reading).where(col(Reading.t_received_ms) < old_ms).values(key=col(Reading.id)))

    async def prune(hub: Services) -> None:
        while True:
            await hub.clock.sleep(WINDOW_S / 4)
            await hub.store.write(forget)

    services.modules = (*services.modules, Module(name="prune", title="", jobs=(Job("keys", prune),)))


def _alerts_in_a_second_transaction(services: Services) -> None:
    store = services.store
    late = list(store.bus.listeners(ReadingsStored))
    store.bus.listeners(ReadingsStored).clear()

    def act(event: ReadingsStored, tx: Tx) -> None:
        for listener in late:
            listener(tx, event)

    async def second(event: ReadingsStored) -> None:
        await services.clock.sleep(services.rng.uniform(0.2, 0.5))  # a buggify point: life takes microseconds
        await store.write(partial(act, event))

    def committed(events: Any, _touched: frozenset[tuple[str, str]]) -> None:
        for event in events:
            if isinstance(event, ReadingsStored):
                running.add(asyncio.get_running_loop().create_task(second(event)))

    running: set[asyncio.Task[None]] = set()
    store.bus.observe(committed)


def _one_queue_for_all_channels(services: Services) -> None:
    def is_courier(job: Job) -> bool:
        return job.name.startswith("courier-")

    async def carry_all(hub: Services) -> None:
        channels = [courier.open_channel(hub, "wechat"), *(job.run.keywords["channel"] for job in plain)]  # type: ignore[attr-defined]
        breakers = {each.name: Breaker() for each in channels}
        while True:
            for each in channels:
                assert isinstance(each, Addressed)
                if await hub.store.read(partial(delivery.due, channel=each.name)):
                    await courier.carry_once(hub, each, breakers[each.name])
            await hub.clock.sleep(courier.POLL_S)

    plain = [job for job in services.modules[-1].jobs if is_courier(job)]
    rest = [
        replace(module, jobs=tuple(job for job in module.jobs if not is_courier(job))) for module in services.modules
    ]
    services.modules = (*rest, Module(name="all", title="", jobs=(Job("courier-all", carry_all),)))


BUGS = (
    Bug("acknowledges before the commit", partial(_with_ingest, _AcknowledgesFirst), _CRASHES, "P1"),
    Bug("calls for help in a second transaction", _alerts_in_a_second_transaction, _CRASHES, "P3"),
    Bug("folds repeats only within a window", _folds_within_a_window_only, (Kind.SAME,), "P3"),
    Bug("one queue for all channels", _one_queue_for_all_channels, (Kind.CHANNEL_HANG, Kind.CHANNEL_LOST), "P6"),
    Bug("gives receipts over a gap", partial(_with_ingest, _ReceiptsOverGaps), (Kind.REORDER,), "P1"),
)

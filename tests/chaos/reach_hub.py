"""The delivery core as a process to be killed: fan-out, five couriers, receipts and folding on a real store.

    python -m tests.chaos.reach_hub DATA FAR_URL

The ways of the far end speak HTTP to the driver. Times are short, so that a notice lives and ends within seconds.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from channels.base import Accepted, AddressGone, Caps, Delivery, Message, Outcome, Receipt, Rendered, Retry, Skip
from hub import backoff, courier, delivery, fold, outbox, reach, sweep
from hub.audience import Audience
from hub.bus import Bus
from hub.db import Tx
from hub.events import NoticeEnded
from hub.main import wiring
from hub.services import Services
from hub.settings import load as load_settings

WAYS = ("way-a", "way-b", "way-c", "way-d", "way-e")
LEASE_S, RETRY_S, LOOK_S, FOLD_S = 6.0, 0.5, 0.1, 1.0
SEND_S = 2.5  # below half a lease: what a kill left is not on its way any more when the next worker takes it
BATCH = 100
CAPS = Caps(
    shape="addressed", address_kind="person", ceiling="acknowledged", title_chars_max=60, body_chars_max=500,
    recall=False, obeys_quiet_hours=False, batch_max=BATCH,
)  # fmt: skip


@dataclass
class Way:
    """An addressed channel to the driver's far end: a batch is one call, each delivery has its own answer."""

    name: str
    net: httpx.AsyncClient
    title: str = "way"
    caps: Caps = CAPS

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        return Rendered(message.title)

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self._call(batch, "send")

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self._call(batch, "recall")

    async def _call(self, batch: Sequence[Delivery], purpose: str) -> list[Outcome]:
        said = [
            {"key": each.idempotency_key, "to": each.address.value, "notice": each.message.notice_id, "p": purpose}
            for each in batch
        ]
        try:
            answer = await self.net.post(f"/{self.name}/send", json=said)
            words = answer.json()
        except (httpx.HTTPError, ValueError):
            return [Retry(RETRY_S, "no answer")] * len(batch)
        return [_outcome(word) for word in words]


def _outcome(word: str) -> Outcome:
    if word == "gone":
        return AddressGone("the far end does not know this address")
    if word == "busy":
        return Retry(RETRY_S, "the far end is busy", "http 429")
    return Accepted(word) if word else Retry(RETRY_S, "no answer")


async def take_receipts(services: Services) -> None:
    """Taken at least once: the far end goes on offering what was not committed before a kill."""
    while True:
        try:
            offered: list[dict[str, Any]] = (await services.net.get("/receipts")).json()
        except (httpx.HTTPError, ValueError):
            offered = []
        if offered:
            await services.store.write(partial(_enter, offered))
            await services.net.post("/receipts/taken", json=[each["n"] for each in offered])
        await asyncio.sleep(LOOK_S)


def _enter(offered: list[dict[str, Any]], tx: Tx) -> None:
    for each in offered:
        at = datetime.fromisoformat(each["at"])
        delivery.receipt(tx, each["way"], Receipt(each["id"], each["level"], at, "the far end"))


async def take_orders(services: Services) -> None:
    """What the desk of this community does; done once, however often it is asked."""
    while True:
        try:
            orders: list[dict[str, Any]] = (await services.net.get("/orders")).json()
        except (httpx.HTTPError, ValueError):
            orders = []
        for each in orders:
            await services.store.write(partial(_obey, each))
            await services.net.post("/orders/done", json=[each["n"]])
        await asyncio.sleep(LOOK_S)


def _obey(said: dict[str, Any], tx: Tx) -> None:
    known = tx.session.get(reach.ReachNotice, said["notice"])
    if said["do"] == "release" and known is None:
        expires = datetime.fromtimestamp(said["expires"], UTC)
        message = Message(
            said["notice"],
            1,
            said["priority"],
            "water",
            "停水通知",
            "明天停水",
            "浏河",
            "社区",
            tx.now(),
            expires,
            "/n",
        )
        reach.open_notice(tx, said["notice"], 1, [said["area"]], said["audience"])
        outbox.plan(tx, message, Audience((said["area"],)))
    if said["do"] == "cancel" and known is not None and known.open:
        reach.close_notice(tx, said["notice"])
        tx.emit(NoticeEnded, notice=said["notice"], revision=1, how="retracted", areas=(said["area"],))


async def keep_folding(services: Services) -> None:
    while True:
        await asyncio.sleep(FOLD_S)
        await fold.fold_all(services)


async def run(data: Path, far: str) -> None:
    courier.POLL_S = LOOK_S
    fold.AFTER = timedelta(seconds=2 * FOLD_S)
    fold.BREATH_S = 0.0
    bus = Bus()
    bus.on(NoticeEnded, outbox.on_notice_ended)
    settings = load_settings({"data_dir": data}, {})
    services = wiring.services(settings, store=wiring.open_store(settings, bus=bus))
    backoff.FIRST_S, backoff.FACTOR = RETRY_S, 1.5  # as many tries in seconds as a night sees in hours
    services.config = {**services.config, "outbox.lease_s": str(LEASE_S), "quiet.hours": ""}
    services.net = httpx.AsyncClient(base_url=far, timeout=SEND_S, trust_env=False)
    print("ready", flush=True)
    async with asyncio.TaskGroup() as work:
        work.create_task(courier.fan_out(services))
        work.create_task(sweep.keep_sweeping(services))
        work.create_task(take_receipts(services))
        work.create_task(take_orders(services))
        work.create_task(keep_folding(services))
        for name in WAYS:
            work.create_task(courier.keep_carrying(services, Way(name, services.net)))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))

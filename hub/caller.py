"""The callers: a worker for each addressed channel carries calls to colleagues, apart from the residents' couriers.

The group chats of Apprise are no resident's channel, so they are opened here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from channels import apprise, discover, webhook_net
from channels.apprise import Apprise
from channels.base import Addressed, Outcome, Retry
from hub import bell, calls, courier, quota
from hub.calls import Claimed
from hub.services import Services

log = logging.getLogger(__name__)
LEASE_S = 60.0
PRUNE_EVERY_S = 3600.0


def names(services: Services) -> list[str]:
    """The channels on which this hub can call a colleague."""
    found = [name for name in discover() if isinstance(courier.open_channel(services, name), Addressed)]
    return [*found, apprise.ADDRESS_KIND] if apprise.installed() else found


def opened(services: Services) -> dict[str, Addressed]:
    found: dict[str, Addressed] = {}
    for name in names(services):
        channel = courier.open_channel(services, name)
        if isinstance(channel, Addressed):
            found[name] = channel
    if apprise.installed():
        allowed = webhook_net.networks(services.config.get("webhook.allow", ""))
        found[apprise.ADDRESS_KIND] = Apprise(allowed)
    return found


async def keep(services: Services) -> None:
    async with asyncio.TaskGroup() as lanes:
        for name, channel in opened(services).items():
            lanes.create_task(_lane(services, name, channel), name=f"caller-{name}")
        lanes.create_task(_tidy(services), name="caller-tidy")


async def _lane(services: Services, name: str, channel: Addressed) -> None:
    rings, is_due = bell.of(services.store.bus), partial(calls.due, channel=name)
    while True:
        heard = rings.heard(calls.BELL)
        if await services.store.read(is_due) and await carry_once(services, name, channel):
            continue
        pause_s = courier.POLL_SHARED_S if services.store.dialect == "postgresql" else courier.POLL_S
        await rings.wait(calls.BELL, heard, services.clock, pause_s)


async def carry_once(services: Services, name: str, channel: Addressed) -> int:
    """Claim, send, settle one batch. Returns how many calls it held."""
    limits = quota.limits_of(services.config, name, channel.caps.per_day)
    take = partial(calls.claim, channel=name, most=channel.caps.batch_max, lease_s=LEASE_S, limits=limits)
    batch = await services.store.write(take)
    if batch:
        outcomes = await _send(services, channel, batch)
        await services.store.write(partial(calls.settle, batch=batch, outcomes=outcomes))
    return len(batch)


async def _send(services: Services, channel: Addressed, batch: Sequence[Claimed]) -> list[Outcome]:
    base = services.config.get("public_url", "").rstrip("/")
    deliveries = [
        replace(each.delivery, message=replace(each.delivery.message, url=f"{base}{each.delivery.message.url}"))
        for each in batch
    ]
    try:
        async with asyncio.timeout(LEASE_S / 2):
            return await channel.send(deliveries)
    except TimeoutError:
        return [Retry(None, "the channel did not answer in time")] * len(batch)
    except Exception:
        # A fault of the channel's own code; its calls wait, the other channels do not notice.
        log.exception("a channel failed", extra={"channel": channel.name, "calls": [d.id for d in deliveries][:5]})
        return [Retry(None, "the channel failed; see the log")] * len(batch)


async def _tidy(services: Services) -> None:
    while True:
        await services.clock.sleep(PRUNE_EVERY_S)
        await services.store.write(calls.prune)

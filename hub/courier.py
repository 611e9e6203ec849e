"""The couriers: one worker per addressed channel, apart from all the others, that carries what the outbox holds.

A worker claims a batch in one transaction, sends it, and writes the outcomes in another. Killed in between, the leases
run out and the batch goes again under the same idempotency keys. A provider that keeps failing is left alone for
a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from channels import ChannelFile, discover
from channels.base import RETRACTION, Addressed, Channel, Message, Outcome, Retry
from hub import delivery, outbox
from hub.delivery import Claimed
from hub.module import Job
from hub.services import Services

log = logging.getLogger(__name__)
POLL_S = 0.5  # how soon a new delivery is noticed; a look is one indexed read
BREAKER_BATCHES = 3  # that many batches without one success: the provider is down, not the message
BREAKER_FIRST_S, BREAKER_LONGEST_S = 10.0, 300.0


@dataclass
class Breaker:
    """Opens for longer each time until something succeeds."""

    failures: int = 0
    until: float = 0.0

    def judge(self, outcomes: list[Outcome], monotonic: float) -> None:
        if not outcomes or not all(isinstance(each, Retry) for each in outcomes):
            self.failures = 0
            return
        self.failures += 1
        if self.failures >= BREAKER_BATCHES:
            pause_s = min(BREAKER_LONGEST_S, BREAKER_FIRST_S * 2 ** (self.failures - BREAKER_BATCHES))
            self.until = monotonic + pause_s

    def waits(self, monotonic: float) -> bool:
        return monotonic < self.until


def settings_of(config: Mapping[str, str], name: str) -> dict[str, str]:
    """`wechat.appid` of the hub's configuration is the WeChat channel's `appid`."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix) and value}


def configured(file: ChannelFile, config: Mapping[str, str]) -> bool:
    given = settings_of(config, file.CHANNEL_NAME)
    return all(setting.default is not None or setting.name in given for setting in file.SETTINGS)


def open_channel(services: Services, name: str) -> Channel | None:
    """The channel as this hub is set up, or None when its settings are not there."""
    file = discover().get(name)
    if file is None or not configured(file, services.config):
        return None
    return file.create(settings_of(services.config, name), services.net, services.clock)


def for_preview(services: Services, name: str) -> Channel:
    """A channel that only renders: what is not configured is filled with its file's own examples."""
    file = discover()[name]
    examples = {setting.name: setting.example for setting in file.SETTINGS if setting.default is None}
    return file.create({**examples, **settings_of(services.config, name)}, services.net, services.clock)


def jobs() -> tuple[Job, ...]:
    """One job that fans out, and one for each channel of the folder."""
    carriers = [Job(f"courier-{name}", partial(carry, name=name)) for name in discover()]
    return (Job("fan-out", fan_out), *carriers)


async def fan_out(services: Services) -> None:
    while True:
        if not await services.store.write(outbox.spread):
            await services.clock.sleep(POLL_S)


async def carry(services: Services, name: str) -> None:
    channel = open_channel(services, name)
    if isinstance(channel, Addressed):
        await keep_carrying(services, channel)


async def keep_carrying(services: Services, channel: Addressed) -> None:
    """One channel's worker, for ever."""
    breaker = Breaker()
    is_due = partial(delivery.due, channel=channel.name)
    while True:
        if breaker.waits(services.clock.monotonic()) or not await services.store.read(is_due):
            await services.clock.sleep(POLL_S)
        else:
            await carry_once(services, channel, breaker)


async def carry_once(services: Services, channel: Addressed, breaker: Breaker) -> int:
    """Claim, send, settle one batch. Returns how many deliveries it held."""
    lease_s = float(services.config.get("outbox.lease_s", delivery.LEASE_S))
    take = partial(delivery.claim, channel=channel.name, limit=channel.caps.batch_max, lease_s=lease_s)
    batch = await services.store.write(take)
    for purpose in ("send", "recall"):
        part = [each for each in batch if each.purpose == purpose]
        if part:
            outcomes = await _send(services, channel, part, lease_s)
            breaker.judge(outcomes, services.clock.monotonic())
            await services.store.write(partial(delivery.settle, batch=part, outcomes=outcomes))
    if channel.caps.per_s and batch:
        await services.clock.sleep(len(batch) / channel.caps.per_s)
    return len(batch)


async def _send(services: Services, channel: Addressed, part: list[Claimed], lease_s: float) -> list[Outcome]:
    base = services.config.get("public_url", "")
    deliveries = [replace(each.delivery, message=_addressed(each, base)) for each in part]
    work = channel.send if part[0].purpose == "send" else channel.recall
    try:
        async with asyncio.timeout(lease_s / 2):
            return await work(deliveries)
    except TimeoutError:
        return [Retry(None, "the channel did not answer in time")] * len(part)
    except Exception:
        # A fault of the channel's own code; its deliveries wait, the other channels do not notice.
        log.exception("a channel failed", extra={"channel": channel.name, "deliveries": [d.id for d in deliveries][:5]})
        return [Retry(None, "the channel failed; see the log")] * len(part)


def _addressed(each: Claimed, base: str) -> Message:
    message = each.delivery.message
    kind = RETRACTION if each.purpose == "recall" else message.kind
    return replace(message, kind=kind, url=f"{base}{message.url}" if message.url.startswith("/") else message.url)

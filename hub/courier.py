"""The couriers: one worker per addressed channel, apart from all the others, that carries what the outbox holds.

A worker claims a batch in one transaction, sends it, and writes the outcomes in another. Killed in between, the leases
run out and the batch goes again under the same idempotency keys. A provider that keeps failing is left alone for
a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from channels import ChannelFile, discover
from channels.base import RETRACTION, Addressed, Channel, Menued, Message, Outcome, Rendered, Retry
from hub import bell, breaker, delivery, fold, menu, outbox, preferences, quota, sweep
from hub.breaker import Breaker, Bucket
from hub.db import Tx
from hub.delivery import EVERY_RANK, EXPRESS, ORDINARY, Claimed
from hub.module import Job
from hub.quota import Limits
from hub.services import Services

log = logging.getLogger(__name__)
POLL_S = 2.0  # the bell wakes a worker at once; this finds what became due by time alone
POLL_SHARED_S = 0.5  # other processes plan for this one, and no bell is heard across
EMPTY_S = 5.0  # something is due and may not leave: the day's money does not reach for it


@dataclass
class Way:
    """A channel with what its two lanes share: the provider's pace, its health, the day's quota."""

    channel: Addressed
    limits: Limits
    bucket: Bucket
    breaker: Breaker

    @classmethod
    def of(cls, services: Services, channel: Addressed) -> Way:
        caps = channel.caps
        limits = quota.limits_of(services.config, channel.name, caps.per_day)
        return cls(channel, limits, Bucket(caps.per_s, burst=caps.batch_max), Breaker())


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
    """One job that fans out, one for each channel of the folder, one that sweeps what ended, one that folds it."""
    carriers = [Job(f"courier-{name}", partial(carry, name=name)) for name in discover()]
    sweeper = Job("sweep", sweep.keep_sweeping)
    return (Job("fan-out", fan_out), *carriers, sweeper, Job("fold", fold.keep_folding))


async def fan_out(services: Services) -> None:
    rings = bell.of(services.store.bus)
    spread = partial(outbox.spread, curfew=preferences.curfew(services.config))
    while True:
        heard = rings.heard(bell.FAN_OUT)
        if await services.store.read(outbox.waits):
            await services.store.write(spread)
        else:
            await rings.wait(bell.FAN_OUT, heard, services.clock, _poll_s(services))


async def carry(services: Services, name: str) -> None:
    channel = open_channel(services, name)
    if isinstance(channel, Addressed):
        await keep_carrying(services, channel)
    elif any(row.channel == name for row in await services.store.read(breaker.states)):
        await services.store.write(partial(breaker.switched_off, channel=name))


async def keep_carrying(services: Services, channel: Addressed) -> None:
    """One channel's worker, for ever: two lanes, so that an emergency never waits for a batch of the others."""
    way = Way.of(services, channel)
    await services.store.write(partial(breaker.begin, channel=channel.name, limits=way.limits))
    async with asyncio.TaskGroup() as lanes:
        for ranks in (EXPRESS, ORDINARY):
            lanes.create_task(_lane(services, way, ranks), name=f"courier-{channel.name}-{ranks[0]}")
        if isinstance(channel, Menued):
            lanes.create_task(menu.keep_set(services, channel), name=f"menu-{channel.name}")


async def _lane(services: Services, way: Way, ranks: Sequence[int]) -> None:
    rings, name, express = bell.of(services.store.bus), way.channel.name, ranks == EXPRESS
    is_due = partial(delivery.due, channel=name, ranks=ranks, limits=way.limits)
    while True:
        heard, now = rings.heard(name), services.clock.monotonic()
        pause_s = way.breaker.left_s(now, express=express)
        if not pause_s and await services.store.read(is_due):
            room = way.bucket.room(services.clock.monotonic(), express=express)
            if not room:
                await services.clock.sleep(way.bucket.wait_s(express=express))
                continue
            if await _carry_lane(services, way, ranks, 1 if way.breaker.open else room):
                continue
            pause_s = EMPTY_S
        await rings.wait(name, heard, services.clock, pause_s or _poll_s(services))


async def _carry_lane(services: Services, way: Way, ranks: Sequence[int], room: int) -> int:
    most = min(room, way.channel.caps.batch_max)
    express = ranks == EXPRESS
    way.bucket.take(most, express=express)  # at once: the other lane looks while this one claims
    held = await carry_once(services, way.channel, way.breaker, ranks=ranks, most=most, limits=way.limits)
    way.bucket.take(held - most, express=express)
    return held


async def carry_once(
    services: Services,
    channel: Addressed,
    health: Breaker,
    *,
    ranks: Sequence[int] = EVERY_RANK,
    most: int | None = None,
    limits: Limits = quota.NONE,
) -> int:
    """Claim, send, settle one batch. Returns how many deliveries it held."""
    lease_s = float(services.config.get("outbox.lease_s", delivery.LEASE_S))
    take = partial(
        delivery.claim, channel=channel.name, limit=most or channel.caps.batch_max, lease_s=lease_s, ranks=ranks,
        limits=limits, price=partial(_price, channel), curfew=preferences.curfew(services.config),
        heeds_nights=channel.caps.obeys_quiet_hours,
    )  # fmt: skip
    batch = await services.store.write(take)
    for purpose in ("send", "recall"):
        part = [each for each in batch if each.purpose == purpose]
        if part:
            outcomes = await _send(services, channel, part, lease_s)
            health.judge(outcomes, services.clock.monotonic())
            await services.store.write(partial(_settle, services, channel.name, health, part, outcomes))
    return len(batch)


def _settle(
    services: Services, name: str, health: Breaker, part: Sequence[Claimed], outcomes: Sequence[Outcome], tx: Tx
) -> None:
    delivery.settle(tx, part, outcomes)
    breaker.note(tx, name, health, services.clock.monotonic())


def _price(channel: Addressed, message: Message) -> int:
    rendered = channel.render(message)
    return rendered.cost_fen if isinstance(rendered, Rendered) else 0


def _poll_s(services: Services) -> float:
    return POLL_SHARED_S if services.store.dialect == "postgresql" else POLL_S


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

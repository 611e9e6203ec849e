"""The worker that tells: claim a batch, try each once, write down what came of it; then the next."""

from __future__ import annotations

import asyncio
import logging

import httpx

from channels import apprise, webhook, webhook_net
from channels.apprise import Apprise
from channels.base import Address, Delivery, Outcome, Retry
from hub.civic.webhooks import book, said
from hub.civic.webhooks.book import Claimed
from hub.module import Job
from hub.services import Services

POLL_S = 2.0  # another system hears of it within two seconds; a look is one indexed read
PRUNE_EVERY_S = 3600.0
log = logging.getLogger(__name__)


def allowed(services: Services) -> tuple[webhook_net.Network, ...]:
    """Private networks an operator opened."""
    return webhook_net.networks(services.config.get("webhook.allow", ""))


async def keep(services: Services) -> None:
    pruned = services.clock.monotonic() - PRUNE_EVERY_S
    chats = Apprise(allowed(services))
    async with webhook_net.client(allowed(services)) as net:
        while True:
            if not await services.store.read(book.is_due) or await tell(services, net, chats) == 0:
                await services.clock.sleep(POLL_S)
            if services.clock.monotonic() - pruned >= PRUNE_EVERY_S:
                pruned = services.clock.monotonic()
                await services.store.write(book.prune)


async def tell(services: Services, net: httpx.AsyncClient, chats: Apprise) -> int:
    """One batch, all at the same time: a receiver that hangs holds the others up by one deadline, no more."""
    batch = await services.store.write(book.claim)
    outcomes = await asyncio.gather(*(_try(services, net, chats, each) for each in batch))
    await services.store.write(lambda tx: book.settle(tx, list(zip(batch, outcomes, strict=True))))
    return len(batch)


async def _try(services: Services, net: httpx.AsyncClient, chats: Apprise, each: Claimed) -> Outcome:
    now = services.clock.now()
    try:
        if apprise.is_one(each.url):
            base = services.config.get("public_url", "")
            message = await services.store.read(lambda read: said.message_of(read, each.kind, each.body, base))
            address = Address(apprise.ADDRESS_KIND, each.url)
            return (await chats.send([Delivery(each.happening, each.happening, message, address)]))[0]
        return await webhook.deliver(net, each.url, each.secret, each.happening, each.body, now)
    except Exception:
        # A fault of our own; this one waits, the others do not notice.
        log.exception("a webhook failed", extra={"webhook": each.subscription, "event": each.happening})
        return Retry(None, "the channel failed; see the log")


JOBS = (Job("carry", keep),)

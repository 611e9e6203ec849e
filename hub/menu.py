"""The menu of a channel that has one: set when its worker begins, which is after every change of its settings.

Setting it again puts the same in its place, so several hubs of one account may all do it. What the provider says
against it stands on the desk's page of sending.
"""

from __future__ import annotations

import logging
from functools import partial

from channels.answer import BUTTONS
from channels.base import Accepted, Menued, Outcome, Retry
from hub import breaker
from hub.services import Services

log = logging.getLogger(__name__)
FIRST_S, LONGEST_S = 60.0, 3600.0  # nobody is waiting for it, and a provider that is down is asked enough already


async def keep_set(services: Services, channel: Menued) -> None:
    """Until it stands, or the provider refuses it for good."""
    pause_s = FIRST_S
    while isinstance(said := await _set(channel), Retry):
        await services.store.write(partial(breaker.menu_said, channel=channel.name, why=said.why))
        await services.clock.sleep(max(pause_s, said.after_s or 0.0))
        pause_s = min(LONGEST_S, pause_s * 3)
    why = "" if isinstance(said, Accepted) else said.why
    if why:
        log.warning("the menu of a channel was refused", extra={"channel": channel.name, "why": why})
    await services.store.write(partial(breaker.menu_said, channel=channel.name, why=why))


async def _set(channel: Menued) -> Outcome:
    try:
        return await channel.set_menu(BUTTONS)
    except Exception:
        log.exception("a channel failed to set its menu", extra={"channel": channel.name})
        return Retry(None, "the channel failed; see the log")

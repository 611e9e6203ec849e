"""What changes a state is on the boards of its area, and of every area above, at once: before the job looks again."""

from __future__ import annotations

from hub.civic.operations import cards, scope
from hub.db import Tx
from hub.events import DeviceChanged, FrameQuarantined, GatewayChanged
from hub.registry import Gateway


def on_state(tx: Tx, event: GatewayChanged | DeviceChanged) -> None:
    scope.touch(tx, (cards.HUTS, cards.WORK), event.area)


def on_quarantined(tx: Tx, event: FrameQuarantined) -> None:
    gateway = tx.session.get(Gateway, event.gateway)
    if gateway is not None:
        scope.touch(tx, (cards.QUARANTINE, cards.WORK), gateway.area)


LISTENERS = ((GatewayChanged, on_state), (DeviceChanged, on_state), (FrameQuarantined, on_quarantined))

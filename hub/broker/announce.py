"""The hub's own state on MQTT: gateways keep what they have while it says offline (contracts.md 1)."""

from __future__ import annotations

import json
from datetime import datetime

HUB_STATE_TOPIC = "linli/1/hub/state"


def hub_state(state: str, at: datetime) -> bytes:
    """`state` is online or offline."""
    return json.dumps({"s": state, "at": at.isoformat(timespec="seconds")}).encode()


def said_again(topic: str) -> bool:
    """Receipts, which the hub repeats at every birth: they need not survive a crash, and each would cost a commit."""
    return topic.startswith("linli/1/") and topic.endswith("/receipt")

"""Ways to reach a person. The folder is the registry: a file with a `CHANNEL_NAME` is a channel, no list is edited."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Mapping
from typing import Protocol, cast

import httpx

from channels.base import Channel, Clock
from channels.proof import Example, Exchange, Setting

log = logging.getLogger(__name__)


class ChannelFile(Protocol):
    """What a channel file exports."""

    CHANNEL_NAME: str
    SETTINGS: tuple[Setting, ...]
    EXAMPLES: tuple[Example, ...]
    EXCHANGES: tuple[Exchange, ...]  # empty for a broadcast channel: nothing leaves the house

    def create(self, config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock) -> Channel: ...


def discover() -> dict[str, ChannelFile]:
    """Every channel of this folder by name. One whose library is not installed is reported and left out."""
    found: dict[str, ChannelFile] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        try:
            module = importlib.import_module(f"{__name__}.{info.name}")
        except ModuleNotFoundError as missing:
            log.warning(
                "channel left out, its library is not installed",
                extra={"channel_file": info.name, "library": missing.name},
            )
            continue
        name = getattr(module, "CHANNEL_NAME", None)
        if name is None:
            continue
        if name in found:
            raise ValueError(f"two channel files call themselves {name!r}: rename one of them")
        found[name] = cast(ChannelFile, module)
    return found

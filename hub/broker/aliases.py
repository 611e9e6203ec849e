"""Topic aliases to a client (3.3.2.3.4): a topic is said once on a connection, and then by its number."""

from __future__ import annotations

import msgspec

from hub.broker.encode import encode_publish
from hub.broker.packets import Publish


class Names:
    """The first topics sent get the numbers there are: a gateway or a screen hears the same few for ever."""

    def __init__(self, aliases_max: int, packet_bytes_max: int | None) -> None:
        self._aliases_max = aliases_max
        self._packet_bytes_max = packet_bytes_max
        self._known: dict[str, int] = {}

    def shorten(self, packet: Publish) -> Publish:
        alias = self._known.get(packet.topic)
        if alias is not None:
            return _aliased(packet, "", alias)
        if len(self._known) >= self._aliases_max:
            return packet
        alias = len(self._known) + 1
        named = _aliased(packet, packet.topic, alias)
        # Saying the alias makes this one packet longer, which the receiver may not take.
        if self._packet_bytes_max is not None and len(encode_publish(named, 5)) > self._packet_bytes_max:
            return packet
        self._known[packet.topic] = alias
        return named


def _aliased(packet: Publish, topic: str, alias: int) -> Publish:
    properties = msgspec.structs.replace(packet.properties, topic_alias=alias)
    return msgspec.structs.replace(packet, topic=topic, properties=properties)

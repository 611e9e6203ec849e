"""Which listeners the settings ask for, and whether they may be opened: safe by default, in the open only by will."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass

from hub.settings import Settings, SettingsError

PLAINTEXT = ("loopback", "anywhere")


@dataclass(frozen=True, slots=True)
class Listener:
    name: str  # mqtt | ws | mqtts | wss
    host: str
    port: int
    knob: str  # what moves it elsewhere

    @property
    def tls(self) -> bool:
        return self.name in ("mqtts", "wss")

    @property
    def websocket(self) -> bool:
        return self.name in ("ws", "wss")


def listeners(settings: Settings) -> list[Listener]:
    """Those that are switched on, the plain one first. One that would let passwords cross a network is refused."""
    if settings.mqtt_plaintext not in PLAINTEXT:
        raise SettingsError(f"mqtt_plaintext must be one of {', '.join(PLAINTEXT)}, not {settings.mqtt_plaintext!r}")
    found = [
        Listener("mqtt", settings.mqtt_host, settings.mqtt_port, "mqtt_port"),
        Listener("ws", settings.mqtt_ws_host, settings.mqtt_ws_port, "mqtt_ws_port"),
    ]
    if settings.mqtt_tls_cert:
        found.append(Listener("mqtts", settings.mqtt_tls_host, settings.mqtt_tls_port, "mqtt_tls_port"))
        found.append(Listener("wss", settings.mqtt_tls_host, settings.mqtt_tls_ws_port, "mqtt_tls_ws_port"))
    opened = [each for each in found if each.port >= 0]
    for each in opened:
        if not each.tls and not _loopback(each.host) and settings.mqtt_plaintext != "anywhere":
            raise SettingsError(
                f"{each.name} would listen at {each.host} without TLS, where passwords can be read on their way: "
                "set mqtt_tls_cert, or mqtt_plaintext = anywhere if that network is trusted"
            )
    return opened


def context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the operator's certificate; None when there is none."""
    if not settings.mqtt_tls_cert:
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(settings.mqtt_tls_cert, settings.mqtt_tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"mqtt_tls_cert ({settings.mqtt_tls_cert}) and its key cannot be used: {error.strerror or error}"
        ) from error
    return made


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name may be resolved to anything, and an empty one means every network
        return False

"""The address of an operator's broker, as one URL.

`mqtt://` or `mqtts://`, user and password, host, port; query: `version=3.1.1` (else MQTT 5), `share=GROUP` (several hub
workers take `up/#` in turns), `client_id=...` (one per worker, stable: the session hangs on it), `ca=FILE`, and
`vendors=dusun,...`: other makers' gateways whose own topics are taken too (devices/vendors), where that broker's ACL
lets the hub read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from devices.vendor import all_vendors


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None = field(repr=False)
    version: str = "5"
    share: str | None = None
    client_id: str = "linli-hub"
    ca: str | None = None
    foreign: tuple[str, ...] = ()  # the topics of the vendors named


def parse_url(url: str) -> Address:
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError("The broker's address must look like mqtt://user:password@host:1883.")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := query.keys() - {"version", "share", "client_id", "ca", "vendors"}:
        raise ValueError(f"The broker's address has an unknown setting: {', '.join(sorted(unknown))}.")
    if (version := query.get("version", "5")) not in ("3.1.1", "5"):
        raise ValueError("The broker's version must be 3.1.1 or 5.")
    tls = parts.scheme == "mqtts"
    return Address(
        parts.hostname,
        parts.port or (8883 if tls else 1883),
        tls,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        version,
        query.get("share"),
        query.get("client_id", "linli-hub"),
        query.get("ca"),
        _foreign(query.get("vendors", "")),
    )


def _foreign(names: str) -> tuple[str, ...]:
    topics: list[str] = []
    for name in filter(None, names.split(",")):
        vendor = all_vendors().get(name)
        if vendor is None or not vendor.topics:
            speaking = ", ".join(each.id for each in all_vendors().values() if each.topics)
            raise ValueError(f"The broker's address names no vendor with topics: {name}. They are {speaking}.")
        topics += vendor.topics
    return tuple(topics)

"""A client for addresses that somebody typed in: resolved once, looked at, and only that address is connected to.

Who may name a URL must not thereby reach the hub's own machine, the database beside it or a cloud's metadata. Private
ranges are closed unless an operator opened them in the settings. TLS still asks for the name, not the number.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

Ip: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
URL_CHARS_MAX = 500
_CARRYING = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))  # IPv4 inside IPv6


class ForbiddenAddress(httpx.ConnectError):
    """This name leads into a network that is closed to webhooks."""


async def resolved(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def networks(text: str) -> tuple[Network, ...]:
    """`10.1.0.0/16 127.0.0.1/32` as the settings have it; ValueError for what is no network."""
    return tuple(ip_network(each) for each in text.split())


def open_to_us(address: str, allowed: Sequence[Network]) -> bool:
    """Pure: whether a webhook may connect to this number."""
    try:
        ip: Ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in allowed if network.version == ip.version):
        return True
    return (
        ip.is_global and not ip.is_multicast and not any(ip in each for each in _CARRYING if each.version == ip.version)
    )


def fault_of(url: str, allowed: Sequence[Network]) -> str:
    """Why this cannot be a webhook's address, before anything is asked of the network; empty when it can."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "this is no address"
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url or not host:
        return "this is no address"
    if parts.username is not None or parts.fragment:
        return "an address carries no password and no fragment"
    if parts.scheme == "https":
        return ""
    inside = any(open_to_us(host, [each]) for each in allowed)
    return "" if parts.scheme == "http" and inside else "only https leaves this house"


class Checked(httpx.AsyncBaseTransport):
    """Every request of the client goes through this look, whoever wrote its URL."""

    def __init__(
        self, allowed: Sequence[Network], resolve: Resolve = resolved, inner: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._allowed, self._resolve = tuple(allowed), resolve
        # A connection is made for one name; kept for the next, it could be another name's at the same number.
        self._inner = inner or httpx.AsyncHTTPTransport(
            verify=_roots(), limits=httpx.Limits(max_keepalive_connections=0), trust_env=False
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            found = await self._resolve(host, port)
        except OSError as fault:
            raise httpx.ConnectError("no such name", request=request) from fault
        # One number inside among several outside is how a name is used to look in: the whole answer is refused.
        if not found or not all(open_to_us(each, self._allowed) for each in found):
            raise ForbiddenAddress("a network that is closed to webhooks", request=request)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=found[0].partition("%")[0])
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _roots() -> ssl.SSLContext:
    """Reading the authorities anew for each batch of hooks would cost 20 ms of it."""
    return httpx.create_ssl_context(trust_env=False)


def client(allowed: Sequence[Network], resolve: Resolve = resolved) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Checked(allowed, resolve), follow_redirects=False, trust_env=False)

"""Whom a simulated screen or server trusts: over https the usual roots, read once for all of them; over http nobody.

httpx reads the roots anew for every client, 0.03 s of CPU time each: a quarter of a second for the demo's screens, all
of which speak to a hub on this machine.
"""

from __future__ import annotations

import ssl
from functools import cache
from urllib.parse import urlsplit

import httpx


def trust(url: str) -> ssl.SSLContext:
    """What to hand to httpx as `verify`. From a plain-http address no redirect leads to an https one: it is refused."""
    return _roots() if urlsplit(url).scheme == "https" else _nobody()


@cache
def _roots() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@cache
def _nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and knows no root that could vouch for one

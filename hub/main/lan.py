"""`linli demo --lan`: the demo on the house network, for a real television and a real phone.

A browser lets only https pages, or this machine's own, be installed, take pushes and read offline; so there is a
second address with a certificate made here. Nobody has signed it: a phone asks once whether to trust it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ipaddress
import os
import socket
import ssl
from datetime import datetime, timedelta
from pathlib import Path

import segno
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.errors import Unavailable

SOMEWHERE = ("192.0.2.1", 9)  # RFC 5737: nothing is sent there, but the route tells our own address
DAYS = 397  # the longest that browsers take (CA/Browser Forum, since 2020)
FRESH_DAYS = 7
CHUNK = 64 * 1024
WHAT_HTTP_CANNOT = (
    "普通 http 地址不能安装应用、接收推送和离线查看；手机请用 https 地址，首次打开时选择信任本机证书 / "
    "plain http cannot install the app, take pushes or read offline: on a phone use https and trust this machine once"
)


def if_nothing_opens(ports: tuple[int, int]) -> str:
    """The two usual reasons."""
    http, https = ports
    return (
        f"打不开时：电视、手机要和本机在同一个网络，本机防火墙要放行 TCP {http} 和 {https} / "
        f"if nothing opens: same network as this machine, and let its firewall pass TCP {http} and {https}"
    )


def own_address() -> str:
    """This machine's address on the house network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(SOMEWHERE)
            found = str(probe.getsockname()[0])
        except OSError:
            found = ""
    if not found or ipaddress.ip_address(found).is_loopback:
        raise Unavailable("没有连上局域网，先接网线或 Wi-Fi / no house network here; connect one and try again")
    return found


def certificate(folder: Path, address: str, now: datetime) -> Path:
    """A PEM file with key and certificate for this address; made when there is none that still holds for a week."""
    path = folder / f"{address}.pem"
    with contextlib.suppress(OSError, ValueError):
        held = x509.load_pem_x509_certificate(path.read_bytes())
        if held.not_valid_after_utc - now > timedelta(days=FRESH_DAYS):
            return path
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Linli demo {address}")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a set-top box's clock may be late
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    scratch = path.with_suffix(f".{os.getpid()}")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret + made.public_bytes(serialization.Encoding.PEM))
    scratch.replace(path)
    return path


def qr_lines(text: str) -> str:
    """A QR code for a terminal, two rows of it a line."""
    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


class Terminator:
    """https in front of the demo's own http port: bytes go through, a page cannot tell the difference."""

    def __init__(self, host: str, port: int, inner: tuple[str, int], pem: Path) -> None:
        self._where, self._inner = (host, port), inner
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.load_cert_chain(pem)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> int:
        """The port it stands on."""
        self._server = await asyncio.start_server(self._accept, *self._where, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection's handler is a task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            inner_reader, inner_writer = await asyncio.open_connection(*self._inner)
            try:
                await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))
            finally:
                inner_writer.close()
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while chunk := await source.read(CHUNK):
            sink.write(chunk)
            await sink.drain()
    if sink.can_write_eof():
        with contextlib.suppress(OSError):
            sink.write_eof()
    else:
        sink.close()

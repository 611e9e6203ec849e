"""TLS: the embedded broker behind a certificate, and the paho door that checks it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.broker import Broker
from hub.clock import SystemClock
from hub.mqtt import PahoDoor
from hub.rng import SeededRng
from tests.broker.rig import SECRET, Book, Shelf, up

pytestmark = pytest.mark.anyio


class Rest(SystemClock):
    """Says when somebody sleeps, and lets them."""

    def __init__(self) -> None:
        self.resting = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        self.resting.set()
        await asyncio.Event().wait()


def certificate(folder: Path) -> Path:
    """A self-signed one for 127.0.0.1, key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "linli test")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "pair.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


async def test_the_paho_door_and_the_embedded_broker_meet_over_tls(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    broker = Broker(Book(), Shelf(), SystemClock(), SeededRng(1))
    _, port = await broker.listen(tls=context)
    shelf = Shelf()
    address = f"mqtts://hub:{SECRET}@127.0.0.1:{port}/"
    door = PahoDoor(f"{address}?ca={pair}", shelf, SystemClock(), SeededRng(2), announce=False)
    await door.start()
    async with asyncio.timeout(10):
        await door.wait_until_ready()
    payloads = [bytes([number]) * 2_000 for number in range(250)]
    for payload in payloads:
        await broker.publish(up(), payload)
    await shelf.holds(250)
    assert shelf.payloads == payloads
    await door.stop()

    await broker.stop()
    assert broker.counters.faults == 0


@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")  # paho's own, of the handshake that failed
async def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path))
    broker = Broker(Book(), Shelf(), SystemClock(), SeededRng(1))
    _, port = await broker.listen(tls=context)
    clock = Rest()
    door = PahoDoor(f"mqtts://hub:{SECRET}@127.0.0.1:{port}/", Shelf(), clock, SeededRng(3))
    await door.start()
    async with asyncio.timeout(10):
        await clock.resting.wait()
    assert (door.counters.connect_failures, door.connected) == (1, False)
    assert [record.__dict__["error"] for record in caplog.records] == ["SSLCertVerificationError"]
    assert SECRET not in str([record.__dict__ for record in caplog.records])
    await door.stop()
    await broker.stop()

"""`linli demo --lan`: a certificate for this address, https that is the same pages, no open door without the word."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from hub.main import lan

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


def test_a_certificate_is_made_once_for_an_address_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    first = lan.certificate(tmp_path / "lan", "127.0.0.1", NOW)
    made = x509.load_pem_x509_certificate(first.read_bytes())
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert made.not_valid_before_utc < NOW < made.not_valid_after_utc
    assert lan.certificate(tmp_path / "lan", "127.0.0.1", NOW).read_bytes() == first.read_bytes()
    later = lan.certificate(tmp_path / "lan", "127.0.0.1", NOW + timedelta(days=lan.DAYS))
    assert x509.load_pem_x509_certificate(later.read_bytes()).serial_number != made.serial_number
    assert lan.certificate(tmp_path / "lan", "127.0.0.2", NOW) != first


async def test_https_carries_the_same_bytes_both_ways(tmp_path: Path) -> None:
    body = os.urandom(300_000)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got = await reader.readexactly(len(body))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(got) + got)
        await writer.drain()
        writer.close()

    inner = await asyncio.start_server(answer, "127.0.0.1", 0)
    pem = lan.certificate(tmp_path, "127.0.0.1", datetime.now(UTC))
    async with inner, lan.Terminator("127.0.0.1", 0, inner.sockets[0].getsockname()[:2], pem) as port:
        trusting = ssl.create_default_context(cafile=str(pem))
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
            back = await client.post(f"https://127.0.0.1:{port}/", content=body)
            assert back.content == body
        async with httpx.AsyncClient(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError):
                await stranger.get(f"https://127.0.0.1:{port}/")


def test_the_demo_opens_to_nobody_else_without_the_word(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hub", "demo", "--port", "0", "--mqtt-port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LINLI_STATE_DIR": str(tmp_path), "LINLI_HTTP_HOST": "0.0.0.0"},  # noqa: S104
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "linli demo --lan" in done.stderr
    assert not (tmp_path / "seed").exists()

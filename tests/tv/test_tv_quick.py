"""What many sets fetch at once is answered on the connection itself, with the very bytes the ordinary way gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from hub.clock import SystemClock
from simulators.tv_box import TvBox
from tests.tv.channel import Tuned, tuned
from tests.world import LIUHE
from web.serve import HttpServer

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def on_air(folder: Path) -> AsyncIterator[tuple[Tuned, HttpServer]]:
    """The channel on a real socket and a real clock."""
    async with tuned(folder, clock=SystemClock()) as tv:
        server, stop = HttpServer(tv.hub, tv.app), asyncio.Event()
        serving = asyncio.create_task(server.run(stop))
        await server.started.wait()
        try:
            yield tv, server
        finally:
            stop.set()
            await serving


async def spoken(url: str, sent: bytes, answers: int) -> list[bytes]:
    """Bytes out, and the whole answers that come back on the one connection."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(sent)
    found = []
    async with asyncio.timeout(30):
        for _answer in range(answers):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            found.append(head.split(b"\r\n")[0] + b" " + await reader.readexactly(int(length.partition(b":")[2])))
    writer.close()
    await writer.wait_closed()
    return found


async def test_the_short_way_gives_the_bytes_of_the_long_way_and_whatever_is_odd_goes_the_long_way(
    tmp_path: Path,
) -> None:
    async with (
        on_air(tmp_path) as (tv, server),
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as net,
    ):
        listed = (await net.get(f"/tv/{LIUHE}/live.m3u8")).text
        name = [line for line in listed.splitlines() if line.endswith(".ts")][-1]
        path = f"/tv/{LIUHE}/{name}"
        long = await tv.net.get(path)
        short = await net.get(path)
        assert short.content == long.content
        assert short.headers["content-type"] == long.headers["content-type"] == "video/mp2t"
        assert short.headers["cache-control"] == long.headers["cache-control"]
        assert "content-security-policy" not in short.headers, "this answer went the long way round"
        ask = f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
        two = await spoken(server.url, ask + ask, 2)  # in one piece: pipelined
        assert two == [b"HTTP/1.1 200 OK " + long.content] * 2
        torn = await spoken(server.url, ask.replace(b"host: localhost", b"host: localhost\r\nconnection: close"), 1)
        assert torn == [b"HTTP/1.1 200 OK " + long.content]
        for wrong in (path.replace("-", "+"), f"/tv/{LIUHE}/x.ts", f"/tv//{name}", f"/tv/{LIUHE}/a/b.ts"):
            assert (await net.get(wrong)).status_code == 404
        assert (await net.head(path)).headers["content-length"] == str(len(long.content))


async def test_a_headless_box_finds_list_guide_and_stream_in_order(tmp_path: Path) -> None:
    async with on_air(tmp_path) as (tv, server):
        box = TvBox(server.url, LIUHE)
        await box.tune()
        await box.watch(0.4)
        tv.alarm()
        await box.watch(2.5)
    assert box.wrong == []
    assert box.counts["listed"] == 2
    assert box.counts["stalls"] == 0
    assert [red for _at, red in box.alarms] == [False, True]

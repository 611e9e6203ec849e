"""The live feed over real sockets: messages, refusals, revocation, restart, proofs, and what stands in for them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hub.access import Subject
from hub.directory import StaffRole
from hub.login import close_sessions_of
from tests.web.shell_world import Shell, make_shell
from tests.world import LIUHE
from web.live import CLOSED_RESTART, CLOSED_REVOKED, PING_S, SILENT_S, Proof
from web.quick import QuickHttp
from web.serve import HttpServer, bind

pytestmark = pytest.mark.anyio
NOTES, PURSE = f"tiny.notes:{LIUHE}", "tiny.purse:h-wang"


class Served:
    """The shell behind its own server, in this very loop."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.server, self.stop = shell, HttpServer(shell.services, shell.app), asyncio.Event()

    async def __aenter__(self) -> Served:
        self.task = asyncio.create_task(self.server.run(self.stop))
        await self.server.started.wait()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stop.set()
        await self.task
        self.shell.store.close()

    def open(self, surface: str = "resident", cookie: str = "", **more: Any) -> connect:
        headers = {"Cookie": f"linli_{surface}={cookie}"} if cookie else {}
        address = f"ws://127.0.0.1:{self.server.port}/live?surface={surface}"
        return connect(address, origin=more.pop("origin", self.server.url), additional_headers=headers, **more)

    async def note(self, title: str) -> None:
        await self.shell.store.write(lambda tx: self.shell.tiny.note(tx, title))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return make_shell(tmp_path, inline=False)


async def say(socket: ClientConnection, **words: Any) -> None:
    await socket.send(json.dumps(words))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        heard: dict[str, Any] = json.loads(await socket.recv())
        return heard


async def until(true: Callable[[], bool]) -> None:
    """Turn the loop until it is so: what is waited for has no event of its own."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_change_reaches_the_screen_by_itself(shell: Shell) -> None:
    async with Served(shell) as served, served.open() as screen:
        await say(screen, sub=[NOTES])
        assert (await hear(screen))["t"] == NOTES
        await served.note("二期停水")
        told = await hear(screen)
        assert "二期停水" in told["html"]
        assert told["id"] > 0
        assert screen.response is not None
        assert "Sec-WebSocket-Extensions" not in screen.response.headers  # no compression


async def test_two_screens_get_the_very_same_bytes_in_their_own_language(shell: Shell) -> None:
    async with Served(shell) as served, served.open() as one, served.open() as two:
        english = connect(f"ws://127.0.0.1:{served.server.port}/live?lang=en", origin=served.server.url)
        async with english as other:
            for screen in (one, two, other):
                await say(screen, sub=[NOTES])
                await hear(screen)
            drawn = shell.tiny.drawn
            await served.note("停水")
            heard = [await hear(screen) for screen in (one, two, other)]
        assert heard[0] == heard[1]
        assert heard[0]["html"] != heard[2]["html"]
        assert shell.tiny.drawn == drawn + 2  # once a language, not once a screen


@pytest.mark.parametrize(
    ("path", "origin", "host", "status"),
    [
        ("/live", "http://evil.example", None, 403),
        ("/live", "null", None, 403),
        ("/elsewhere", None, None, 404),
        ("/live", "http://evil.example", "evil.example", 421),
    ],
)
async def test_a_foreign_handshake_is_refused(
    shell: Shell, path: str, origin: str | None, host: str | None, status: int
) -> None:
    async with Served(shell) as served:
        address = f"ws://{host or '127.0.0.1'}:{served.server.port}{path}"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, origin=origin or served.server.url, host="127.0.0.1", port=served.server.port)
        assert refused.value.response.status_code == status


async def test_a_topic_is_granted_to_whom_it_belongs_and_refused_to_others(shell: Shell) -> None:
    token = shell.token("resident", "resident", "r-wang")
    async with Served(shell) as served, served.open(cookie=token) as mine, served.open() as nobody:
        await say(mine, sub=[PURSE, "tiny.purse:h-lin"])
        heard = [await hear(mine), await hear(mine)]
        assert {"t": "tiny.purse:h-lin", "refused": True} in heard
        assert next(each for each in heard if "html" in each)["t"] == PURSE
        await say(nobody, sub=[PURSE])
        assert await hear(nobody) == {"t": PURSE, "refused": True}


async def test_the_socket_takes_the_cookie_of_the_surface_its_page_names(shell: Shell) -> None:
    token = shell.token("resident", "resident", "r-wang")
    async with Served(shell) as served:
        address = f"ws://127.0.0.1:{served.server.port}/live?surface=staff"
        headers = {"Cookie": f"linli_resident={token}"}
        async with connect(address, origin=served.server.url, additional_headers=headers) as screen:
            await say(screen, sub=[PURSE])
            assert (await hear(screen))["refused"] is True


@pytest.mark.parametrize("how", ["session", "role", "resident"])
async def test_a_revoked_session_loses_its_screen_within_five_seconds(shell: Shell, how: str) -> None:
    surface, ident = ("resident", "r-wang") if how == "resident" else ("staff", "s-staff")
    token = shell.token(surface, surface, ident)
    async with Served(shell) as served, served.open(surface, token) as screen:
        await say(screen, sub=[NOTES])
        await hear(screen)
        if how == "role":
            await shell.store.write(lambda tx: tx.session.execute(delete(StaffRole)))
        else:
            await shell.store.write(lambda tx: close_sessions_of(tx, ident))
        begun = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(6):
                await screen.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CLOSED_REVOKED
        assert time.monotonic() - begun <= 5


async def test_a_screen_without_a_session_is_left_alone_by_the_check(shell: Shell) -> None:
    async with Served(shell) as served, served.open() as screen:
        await say(screen, sub=[NOTES])
        await hear(screen)
        await shell.app.state.live.revise_once()
        await served.note("还在")
        assert "还在" in (await hear(screen))["html"]


async def test_stopping_takes_under_a_second_and_tells_the_screens_to_come_back(shell: Shell) -> None:
    served = Served(shell)
    async with served:
        screens = [await served.open() for _screen in range(20)]
        for screen in screens:
            await say(screen, sub=[NOTES])
            await hear(screen)
        async with httpx.AsyncClient() as client:
            stream = client.build_request("GET", f"{served.server.url}/live/events", params={"t": NOTES})
            answer = await client.send(stream, stream=True)
            begun = time.monotonic()
            served.stop.set()
            await served.task
            took_s = time.monotonic() - begun
            await answer.aclose()
        codes = set()
        for screen in screens:
            await screen.wait_closed()
            codes.add(screen.close_code)
    assert codes == {CLOSED_RESTART}
    assert took_s < 1.5, took_s
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", served.server.port)) != 0


async def test_a_taken_port_means_the_next_free_one() -> None:
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    first.listen()
    second = bind("127.0.0.1", port)
    try:
        assert second.getsockname()[1] > port
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("nonsense", ["not json", "[1]", '{"sub": "x"}', '{"sub": [1]}', b"\xff\xfe"])
async def test_nonsense_closes_only_its_own_socket(shell: Shell, nonsense: str | bytes) -> None:
    async with Served(shell) as served, served.open() as bad, served.open() as good:
        await say(good, sub=[NOTES])
        await hear(good)
        await bad.send(nonsense)
        await asyncio.wait_for(bad.wait_closed(), 5)
        assert bad.close_code == 1007
        await served.note("停水")
        assert "停水" in (await hear(good))["html"]


async def test_a_message_of_more_than_64_kib_is_too_big(shell: Shell) -> None:
    async with Served(shell) as served, served.open() as bad:
        await bad.send("x" * 70_000)
        await asyncio.wait_for(bad.wait_closed(), 5)
        assert bad.close_code == 1009


async def test_a_screen_that_leaves_leaves_nothing_behind(shell: Shell) -> None:
    async with Served(shell) as served:
        async with served.open() as screen:
            await say(screen, sub=[NOTES])
            await hear(screen)
            assert shell.services.feed.viewers(NOTES) == 1
        await until(lambda: shell.services.feed.viewers(NOTES) == 0)
        await until(lambda: not shell.app.state.live.viewers)


async def test_proofs_reach_whoever_keeps_them_with_the_terminal(shell: Shell) -> None:
    got: list[tuple[Subject, str, list[Proof]]] = []
    came = asyncio.Event()

    async def keep(who: Subject, terminal: str, proofs: list[Proof]) -> None:
        got.append((who, terminal, proofs))
        came.set()

    shell.app.state.live.on_proof = keep
    token = shell.token("tv", "tv", "tv-1", LIUHE)
    async with Served(shell) as served, served.open("tv", token) as box:
        foolish = [{"notice": "n9", "level": "believed"}, {"level": "shown"}, {"notice": "n9", "rev": "x"}]
        await say(box, proof=[{"notice": "n1", "rev": 2, "level": "shown"}, *foolish])
        await asyncio.wait_for(came.wait(), 5)
    who, terminal, proofs = got[0]
    assert (who.kind, who.area, proofs) == ("tv", LIUHE, [Proof("n1", 2, "shown")])
    assert terminal
    assert terminal not in token


async def test_without_a_socket_events_bring_the_same(shell: Shell) -> None:
    async with (
        Served(shell) as served,
        httpx.AsyncClient(base_url=served.server.url, timeout=6) as client,
        client.stream("GET", "/live/events", params={"t": [NOTES, PURSE]}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()

        async def next_frame() -> dict[str, Any]:
            async for line in lines:
                if line.startswith("data: "):
                    heard: dict[str, Any] = json.loads(line[6:])
                    return heard
            raise AssertionError("the stream ended")

        assert (await next_frame())["t"] == NOTES
        await served.note("停水")
        assert "停水" in (await next_frame())["html"]


async def test_without_a_socket_proofs_are_posted_with_the_token_of_the_page(shell: Shell) -> None:
    came: asyncio.Queue[list[Proof]] = asyncio.Queue()

    async def keep(who: Subject, terminal: str, proofs: list[Proof]) -> None:
        came.put_nowait(proofs)

    shell.app.state.live.on_proof = keep
    token = shell.token("tv", "tv", "tv-1", LIUHE)
    csrf = (await shell.app.state.sessions.subject(token, "tv")).csrf
    ask: dict[str, Any] = {"params": {"surface": "tv"}, "json": {"proof": [{"notice": "n", "rev": 1, "level": "seen"}]}}
    async with Served(shell) as served, httpx.AsyncClient(base_url=served.server.url) as client:
        client.cookies.set("linli_tv", token)
        assert (await client.post("/live/proof", **ask)).status_code == 403
        assert (await client.post("/live/proof", headers={"x-csrf": csrf}, **ask)).status_code == 204
        assert await came.get() == [Proof("n", 1, "seen")]
        assert (await client.post("/live/proof", headers={"x-csrf": csrf}, content=b"?")).status_code in (403, 422)


async def test_a_hundred_screens_hear_one_notice_drawn_once(shell: Shell) -> None:
    async with Served(shell) as served:
        screens = [await served.open() for _screen in range(100)]
        for screen in screens:
            await say(screen, sub=[NOTES])
        for screen in screens:
            await hear(screen)
        drawn = shell.tiny.drawn
        await served.note("停水")
        heard = await asyncio.gather(*(hear(screen) for screen in screens))
        assert all("停水" in each["html"] for each in heard)
        assert shell.tiny.drawn == drawn + 1
        await asyncio.gather(*(screen.close() for screen in screens))


async def test_a_box_that_asks_for_all_topics_at_once_costs_the_store_nothing(shell: Shell) -> None:
    own = shell.token("tv", "tv", "tv-1", LIUHE)
    asked = [NOTES, f"tiny.tv:{LIUHE}"]
    async with Served(shell) as served, httpx.AsyncClient(base_url=served.server.url) as client:
        client.cookies.set("linli_tv", own)
        ask = {"surface": "tv", "lang": "zh", "t": asked}
        everything = (await client.get("/live/poll", params={**ask, "t": [*asked, PURSE]})).json()
        assert [each["t"] for each in everything] == [*asked, PURSE]
        assert everything[-1] == {"t": PURSE, "own": True}, "what is not for everybody is asked for alone"
        await served.note("停水")
        read, drawn = shell.store.read, shell.tiny.drawn
        first = await client.get("/live/poll", params=ask)  # drawn now, once
        shell.store.read = None  # type: ignore[method-assign, assignment] # whoever reads the store now fails
        shell.app.state.sessions.forget(own)  # as it is five seconds later
        for _again in range(3):
            answer = await client.get("/live/poll", params=ask, headers={"if-none-match": first.headers["etag"]})
            assert (answer.status_code, answer.content) == (304, b"")
        fresh = await client.get("/live/poll", params=ask)
        single = await client.get("/live/poll", params={**ask, "t": NOTES})
        shell.store.read = read  # type: ignore[method-assign]
        await served.note("来水")
        changed = await client.get("/live/poll", params=ask, headers={"if-none-match": first.headers["etag"]})
    assert "来水" in changed.json()[0]["html"], "what stands for the same request stands until something changes"
    assert "停水" in fresh.json()[0]["html"]
    assert fresh.json() == first.json() == [single.json(), first.json()[1]]
    assert shell.tiny.drawn == drawn + 4, "each topic once for each change"


async def test_all_who_ask_while_it_is_drawn_wait_for_the_one_drawing(shell: Shell) -> None:
    async with Served(shell) as served, httpx.AsyncClient(base_url=served.server.url) as client:
        ask = {"lang": "zh", "t": [NOTES, f"tiny.tv:{LIUHE}"]}
        answers = await asyncio.gather(*(client.get("/live/poll", params=ask) for _box in range(30)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert shell.tiny.drawn == 2, "each topic once"
        foreign = await client.get("/live/poll", params=ask, headers={"origin": "http://evil.example"})
        renamed = await client.get("/live/poll", params=ask, headers={"host": "evil.example"})
        assert (foreign.status_code, renamed.status_code) == (403, 421)


async def test_a_screen_that_takes_nothing_holds_up_nobody_and_then_has_the_newest(shell: Shell) -> None:
    async with Served(shell) as served, served.open() as quick:
        await say(quick, sub=[NOTES])
        await hear(quick)
        slow = await served.open(max_queue=1)
        await say(slow, sub=[NOTES])
        await until(lambda: shell.services.feed.viewers(NOTES) == 2)
        viewers = shell.app.state.live.viewers
        for viewer in viewers:
            viewer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        slow.transport.pause_reading()
        sent = 0
        while not any(viewer.stuck_since for viewer in viewers) or sent % 5:
            sent += 1
            await served.note(f"{sent} " + "停水" * 20_000)
            assert json.loads(await quick.recv())["html"].count("停水") == 20_000 * sent
        slow.transport.resume_reading()
        heard = 0
        while f"{sent} 停水" not in json.loads(await asyncio.wait_for(slow.recv(), 5))["html"]:
            heard += 1
        assert heard < sent, "what was overtaken is not sent"
        await slow.close()


async def test_a_line_that_answers_no_try_is_let_go(shell: Shell) -> None:
    async with Served(shell) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(
            b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        live = shell.app.state.live
        (viewer,) = live.viewers
        viewer.heard_at -= PING_S + 1
        viewer.pinged_at -= PING_S + 1
        live.tend()
        assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\x89\x00", "a ping"
        await live.heard(viewer, b'{"beat": true}')
        viewer.pinged_at -= PING_S + 1
        viewer.heard_at += PING_S  # it speaks, and nobody else does: a script hears no ping
        live.tend()
        assert await asyncio.wait_for(reader.readexactly(6), 5) == b"\x89\x00\x81\x02{}"
        viewer.heard_at -= SILENT_S + PING_S
        live.tend()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        await until(lambda: not live.viewers)
        writer.close()


async def test_a_line_that_is_quiet_after_short_answers_is_let_go(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hasty(QuickHttp):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.timeout_keep_alive = 0.2

    monkeypatch.setattr("web.serve.QuickHttp", Hasty)
    async with Served(shell) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        host = f"127.0.0.1:{served.server.port}"
        for _turn in range(3):
            writer.write(f"GET /live/poll?lang=zh&t={NOTES} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "), head
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

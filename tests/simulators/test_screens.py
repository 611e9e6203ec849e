"""Simulated televisions and phones against a small far end: cookies, topics, proof."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from simulators import screen as screen_module
from simulators.far_end import serving
from simulators.phone import LoginFailed, Phone
from simulators.screen import Habits, Page, Screen
from simulators.tv import Tv, totals, watching

pytestmark = pytest.mark.anyio

AREA = "420802002001"
TOPIC = f"notices.tv:{AREA}"
AT_ONCE = Habits(shown_after_s=(0, 0), seen_share=1, seen_after_s=(0, 0))


def _notice(id: str, rev: int = 1) -> str:
    return f'<article data-notice="{id}" data-rev="{rev}"><h2>停水通知</h2></article>'


class Far:
    """A hub's web side, no more than a screen needs."""

    def __init__(self) -> None:
        self.html = ""
        self.id = 0
        self.sockets: list[WebSocket] = []
        self.hellos: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.proofs: list[dict[str, Any]] = []
        self.refuse_sockets = False
        self.news = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/tv/{area}", self._page),
                Route("/login", self._login, methods=["GET", "POST"]),
                Route("/", self._page),
                Route("/live/poll", self._poll),
                Route("/live/proof", self._posted, methods=["POST"]),
                WebSocketRoute("/live", self._live),
            ]
        )

    async def show(self, html: str) -> None:
        self.html, self.id = html, self.id + 1
        for socket in self.sockets:
            await socket.send_text(self._frame())

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not met():
                self.news.clear()
                await self.news.wait()

    async def proved(self, *wanted: tuple[str, int, str]) -> None:
        await self.until(lambda: set(wanted) <= {(one["notice"], one["rev"], one["level"]) for one in self.proofs})

    def _frame(self) -> str:
        return json.dumps({"t": TOPIC, "id": self.id, "html": self.html})

    async def _page(self, request: Request) -> Response:
        if request.url.path == "/" and request.cookies.get("linli_resident") != "r1":
            return RedirectResponse("/login", 303)
        surface = "resident" if request.url.path == "/" else "tv"
        answer = HTMLResponse(
            f'<html data-surface="{surface}"><meta name="linli-csrf" content="c1">'
            f'<main><div data-live="{TOPIC}">{self.html}</div><br><i data-live="points:p1"></i></main>'
        )
        if request.url.path != "/":
            answer.set_cookie("linli_tv", "t1", httponly=True, samesite="lax")
        return answer

    async def _login(self, request: Request) -> Response:
        if request.method == "GET":
            code = request.query_params.get("code", "")
            form = f'<input type="hidden" name="code" value="{code}"><input type="hidden" name="csrf" value="x">'
            return HTMLResponse(f'<form method="post" action="/login">{form}<button>登录</button></form>')
        said = (await request.body()).decode()
        if "code=good" not in said or "csrf=x" not in said or not request.headers.get("origin", "").startswith("http"):
            return HTMLResponse("这个一次性登录码已用过", 403)
        answer = RedirectResponse("/", 303)
        answer.set_cookie("linli_resident", "r1", httponly=True)
        return answer

    async def _poll(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == f'"{self.id}"':
            return Response(status_code=304)
        return JSONResponse(json.loads(self._frame()), headers={"ETag": f'"{self.id}"'})

    async def _posted(self, request: Request) -> Response:
        if request.headers.get("x-csrf") != "c1":
            return Response(status_code=403)
        self.proofs.extend((await request.json())["proof"])
        self.news.set()
        return Response(status_code=204)

    async def _live(self, socket: WebSocket) -> None:
        if self.refuse_sockets:
            await socket.close(1008)
            return
        await socket.accept()
        self.headers.append({**socket.headers, **socket.query_params})
        self.hellos.append(await socket.receive_json())
        self.sockets.append(socket)
        self.news.set()
        await socket.send_text(self._frame())
        try:
            while True:
                self.proofs.extend((await socket.receive_json())["proof"])
                self.news.set()
        except WebSocketDisconnect:
            self.sockets.remove(socket)


@asynccontextmanager
async def far_end() -> AsyncIterator[tuple[Far, str]]:
    far = Far()
    async with serving(far.app) as url:
        yield far, url


async def _until(screen: Screen, *shown: tuple[str, int]) -> None:
    async with asyncio.timeout(10):
        await screen.until(lambda one: {(n.notice, n.rev) for n in one.now_showing.values()} == set(shown))


async def test_a_tv_shows_a_notice_proves_it_and_forgets_it_when_it_is_retracted() -> None:
    async with far_end() as (far, url):
        one = Tv(url, AREA, name="tv-1", seed="s", habits=AT_ONCE)
        async with watching([one], stagger_s=0):
            await one.until(lambda screen: screen.live == "socket")
            await far.show(_notice("n1"))
            await _until(one, ("n1", 1))
            await far.proved(("n1", 1, "shown"), ("n1", 1, "seen"))
            await far.show(_notice("n1", 2) + _notice("n2"))
            await _until(one, ("n1", 2), ("n2", 1))
            await far.show("")
            await _until(one)
        assert [(m.what, m.notice, m.rev) for m in one.history if m.what == "gone"] == [
            ("gone", "n1", 1),
            ("gone", "n1", 2),
            ("gone", "n2", 1),
        ]
        assert totals([one])["shown"] == 3


async def test_a_screen_keeps_its_cookie_says_its_origin_and_subscribes_to_what_the_page_names() -> None:
    async with far_end() as (far, url):
        one = Tv(url, AREA, name="tv-1", seed="s")
        async with watching([one], stagger_s=0):
            await one.until(lambda screen: screen.live == "socket")
            await far.until(lambda: bool(far.hellos))
        assert far.hellos == [{"sub": [TOPIC, "points:p1"], "since": {}}]
        assert (far.headers[0]["origin"], far.headers[0]["surface"], far.headers[0]["lang"]) == (url, "tv", "zh")
        assert far.headers[0]["cookie"] == "linli_tv=t1"


async def test_a_notice_that_goes_before_its_time_is_never_proved() -> None:
    """The second notice comes after the first has gone and needs as long: its proof would be the later one."""
    async with far_end() as (far, url):
        one = Tv(url, AREA, name="tv-1", seed="s", habits=Habits(shown_after_s=(0.3, 0.3), seen_share=0))
        async with watching([one], stagger_s=0):
            await one.until(lambda screen: screen.live == "socket")
            await far.show(_notice("n1"))
            await _until(one, ("n1", 1))
            await far.show(_notice("n2"))
            await _until(one, ("n2", 1))
            await far.proved(("n2", 1, "shown"))
        assert [proof["notice"] for proof in far.proofs] == ["n2"]


async def test_a_pressed_key_proves_seen() -> None:
    async with far_end() as (far, url):
        one = Tv(url, AREA, name="tv-1", seed="s", habits=Habits(shown_after_s=(60, 60), seen_share=0))
        far.html = _notice("n1")
        async with watching([one], stagger_s=0):
            await _until(one, ("n1", 1))
            async with asyncio.timeout(10):
                await one.press("n1")
                await far.proved(("n1", 1, "seen"))
        assert [proof["level"] for proof in far.proofs] == ["seen"]


async def test_without_a_socket_a_screen_polls_with_etags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_module, "POLL_EVERY_S", 0.01)
    monkeypatch.setattr(screen_module, "SOCKET_RETRY_S", 0.05)
    async with far_end() as (far, url):
        far.refuse_sockets = True
        one = Tv(url, AREA, name="tv-1", seed="s", habits=AT_ONCE)
        async with watching([one], stagger_s=0):
            async with asyncio.timeout(10):
                await one.until(lambda screen: screen.live == "poll")
            far.html, far.id = _notice("n1"), 7
            await _until(one, ("n1", 1))
            await far.proved(("n1", 1, "shown"))
            far.refuse_sockets = False
            await far.until(lambda: len(far.hellos) == 1)
        assert one.counts["polls_200"] >= 1
        assert one.counts["polls_304"] >= 1
        assert one.counts["socket_refused"] >= 1
        assert far.hellos[0]["since"] == {TOPIC: 7}


async def test_a_screen_whose_socket_breaks_comes_back_and_says_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_module, "RECONNECT_FIRST_S", 0.01)
    async with far_end() as (far, url):
        one = Tv(url, AREA, name="tv-1", seed="s")
        async with watching([one], stagger_s=0):
            await far.until(lambda: len(far.sockets) == 1)
            await far.show(_notice("n1"))
            await _until(one, ("n1", 1))
            await far.sockets[0].close(1012)
            await far.until(lambda: len(far.hellos) == 2)
        assert far.hellos[1]["since"] == {TOPIC: 1}
        assert one.counts["pages"] == 1


async def test_a_screen_whose_session_ended_loads_its_page_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_module, "RECONNECT_FIRST_S", 0.01)
    async with far_end() as (far, url):
        one = Tv(url, AREA, name="tv-1", seed="s")
        async with watching([one], stagger_s=0):
            await far.until(lambda: len(far.sockets) == 1)
            await far.sockets[0].close(4401)
            await far.until(lambda: len(far.hellos) == 2)
        assert one.counts["pages"] == 2


async def test_a_phone_signs_in_with_the_one_time_link_and_reads() -> None:
    async with far_end() as (far, url):
        far.html = _notice("n1")
        one = Phone(f"{url}/login?code=good", name="phone", seed="s", habits=AT_ONCE)
        async with watching([one], stagger_s=0):
            await _until(one, ("n1", 1))
            await far.proved(("n1", 1, "shown"), ("n1", 1, "seen"))
        assert far.headers[0]["cookie"] == "linli_resident=r1"


async def test_a_used_link_is_said_to_be_one() -> None:
    async with far_end() as (_far, url):
        one = Phone(f"{url}/login?code=used", name="phone", seed="s")
        with pytest.raises(LoginFailed, match="403"):
            await one.load()
        await one.close()


async def test_the_same_seed_gives_the_same_sofa() -> None:
    async def spans(seed: str) -> list[float]:
        one = Tv("http://127.0.0.1:1", AREA, name="tv-1", seed=seed)
        showing = [screen_module.Showing(f"n{i}", 1, TOPIC, one._now()) for i in range(5)]
        found = [one._span(each, "shown", (5, 8)) for each in showing]
        await one.close()
        return found

    assert await spans("a") == await spans("a")
    assert await spans("a") != await spans("b")
    assert all(5 <= span <= 8 for span in await spans("a"))


def test_notices_belong_to_the_topic_they_stand_in() -> None:
    page = Page(
        '<div data-live="a"><p>x<br>'
        + _notice("n1")
        + '</div><section data-live="b"><img src="x">'
        + _notice("n2", 3)
        + "</section>"
    )
    assert page.topics == ["a", "b"]
    assert page.in_topic == {"a": {"n1": 1}, "b": {"n2": 3}}

"""The WeChat server as an official account meets it: the API, followers who act, receipts that come back later.

Behaves like the real one from outside and can be told to misbehave: `POST /sim/mode`. Seeded: the same calls in the
same order give the same ids, delays and losses.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import parse_qsl, quote

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators import wechat_phone
from simulators.far_end import Mood, asked_of, life, serving
from simulators.wechat_phone import Talk
from simulators.wechat_platform import Arrival, Platform, Rejected
from simulators.wechat_wire import TRY_S, Attempt, Line

ATTEMPTS_KEPT = 1_000
RECEIPTS = ("success", "failed:user block", "failed: system failed", "failed:freq limit", "none")


@dataclass(frozen=True)
class WechatSim:
    """One official account on the simulated platform."""

    appid: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)  # empty: plain callbacks
    callback_url: str = ""
    templates: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"tpl-notice": ("thing1", "thing2", "thing3", "time4")}
    )
    followers: tuple[str, ...] = ()
    seed: int = 1
    daily_quota: int = 100_000
    token_s: float = 7200.0
    receipt_delay_s: tuple[float, float] = (0.2, 1.5)
    slow_s: tuple[float, float] = (2.0, 4.0)
    callback_try_s: float = TRY_S
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class _World:
    """The running simulation: platform, line to the account, faults on demand."""

    def __init__(self, config: WechatSim, net: httpx.AsyncClient) -> None:
        # One stream of chance each: how many receipts are under way must not change the next token.
        self.chance = random.Random(f"{config.seed} faults")
        self.platform = Platform(
            config.appid,
            config.secret,
            config.templates,
            random.Random(f"{config.seed} ids"),
            config.now,
            config.daily_quota,
            config.token_s,
            set(config.followers),
        )
        self.line = Line(
            config.appid,
            config.token,
            config.aes_key,
            net,
            random.Random(f"{config.seed} line"),
            config.now,
            config.callback_url,
            config.callback_try_s,
        )
        self.config = config
        self.mood = Mood(self.chance, config.slow_s)
        self.receipt = "success"
        self.codes: deque[int] = deque()
        self.attempts: deque[Attempt] = deque(maxlen=ATTEMPTS_KEPT)
        self.talks: deque[Talk] = deque(maxlen=ATTEMPTS_KEPT)
        self.under_way: set[asyncio.Task[None]] = set()

    async def tell(self, fields: Mapping[str, str | int]) -> Attempt:
        attempt = await self.line.tell(fields)
        self.attempts.appendleft(attempt)
        return attempt

    def send_receipt_later(self, arrival: Arrival) -> None:
        if self.receipt == "none":
            return
        delay_s = self.chance.uniform(*self.config.receipt_delay_s)
        task = asyncio.create_task(self._receipt(arrival, self.receipt, delay_s), name=f"receipt {arrival.msgid}")
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _receipt(self, arrival: Arrival, status: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self.tell({**self.event(arrival.who, "TEMPLATESENDJOBFINISH"), "MsgID": arrival.msgid, "Status": status})

    def event(self, openid: str, name: str) -> dict[str, str | int]:
        created = int(self.config.now().timestamp())
        return {"FromUserName": openid, "CreateTime": created, "MsgType": "event", "Event": name}


def create_app(config: WechatSim) -> Starlette:
    api = {
        "/cgi-bin/stable_token": _stable_token,
        "/cgi-bin/message/template/send": _template_send,
        "/cgi-bin/menu/create": _menu_create,
        "/cgi-bin/qrcode/create": _qrcode_create,
    }
    sim = {"/sim/mode": _mode, "/sim/followers": _followers, "/sim/message": _message, "/sim/callback": _callback}
    return Starlette(
        lifespan=life(config.callback_url, lambda net: _World(config, net)),
        routes=[
            *(Route(path, _api(answer), methods=["POST"]) for path, answer in api.items()),
            *(Route(path, _sim(answer), methods=["POST"]) for path, answer in sim.items()),
            Route("/sim/inbox", _inbox),
            Route("/sim/callbacks", _callbacks),
            Route("/", _phones),
            Route("/press", _press, methods=["POST"]),
        ],
    )


_Asked = Mapping[str, object]
_Endpoint = Callable[[Request], Awaitable[Response]]


def _api(answer: Callable[[_World, _Asked, str], Mapping[str, object]]) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        world = _world(request)
        if faulty := await world.mood.fault():
            return faulty
        try:
            asked = await _json(request)
            if world.codes and answer is not _stable_token:
                raise Rejected(world.codes.popleft())
            return JSONResponse(dict(answer(world, asked, request.query_params.get("access_token", ""))))
        except Rejected as rejected:
            rid = f"{world.chance.getrandbits(32):08x}"
            return JSONResponse({"errcode": rejected.errcode, "errmsg": f"{rejected.errmsg} rid: {rid}"})

    return endpoint


def _sim(answer: Callable[[_World, _Asked], Coroutine[None, None, Mapping[str, object]]]) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(dict(await answer(_world(request), await _json(request))))
        except (Rejected, ValueError) as fault:
            return JSONResponse({"error": str(fault)}, status_code=422)

    return endpoint


def _world(request: Request) -> _World:
    return cast(_World, request.app.state.world)


async def _json(request: Request) -> _Asked:
    try:
        return await asked_of(request)
    except ValueError:
        raise Rejected(47001) from None


def _stable_token(world: _World, asked: _Asked, _token: str) -> Mapping[str, object]:
    return world.platform.issue_token(asked)


def _template_send(world: _World, asked: _Asked, token: str) -> Mapping[str, object]:
    world.platform.admit(token)
    msgid, arrival = world.platform.send(asked)
    if arrival:
        world.send_receipt_later(arrival)
    return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


def _menu_create(world: _World, asked: _Asked, token: str) -> Mapping[str, object]:
    world.platform.admit(token)
    world.platform.set_menu(asked)
    return {"errcode": 0, "errmsg": "ok"}


def _qrcode_create(world: _World, asked: _Asked, token: str) -> Mapping[str, object]:
    world.platform.admit(token)
    return world.platform.scene_ticket(asked)


async def _mode(world: _World, asked: _Asked) -> Mapping[str, object]:
    """`mode`; or `errcode` with `times`; or `expire_tokens`; or `receipt`, the status of receipts to come."""
    mode, code, times, receipt = (asked.get(name) for name in ("mode", "errcode", "times", "receipt"))
    if mode is not None:
        world.mood.set(mode)
    if receipt is not None:
        if receipt not in RECEIPTS:
            raise ValueError(f"receipt must be one of {', '.join(RECEIPTS)}")
        world.receipt = str(receipt)
    if code is not None:
        if not isinstance(code, int) or not isinstance(times or 1, int):
            raise ValueError("errcode and times must be whole numbers")
        world.codes.extend([code] * min(int(str(times or 1)), 10_000))
    if asked.get("expire_tokens"):
        world.platform.expire_tokens()
    return {"mode": world.mood.name, "receipt": world.receipt, "errcodes": list(world.codes)}


async def _followers(world: _World, asked: _Asked) -> Mapping[str, object]:
    openids = asked.get("openids")
    if not isinstance(openids, list) or not all(isinstance(openid, str) and openid for openid in openids):
        raise ValueError("openids must be a list of openids")
    world.platform.followers = set(openids)
    return {"followers": len(world.platform.followers)}


async def _callback(world: _World, asked: _Asked) -> Mapping[str, object]:
    """Enter a callback address, as on the account's settings page: it is asked to prove itself first."""
    refused = await world.line.check(str(asked.get("url", "")))
    return {"ok": not refused, "why": refused}


async def _message(world: _World, asked: _Asked) -> Mapping[str, object]:
    """A person acts: {"openid", "type": text|click|scan|subscribe|unsubscribe, "content" | "key" | "scene"}."""
    openid, kind = str(asked.get("openid", "")), asked.get("type")
    content, key, scene = (str(asked.get(name, "")) for name in ("content", "key", "scene"))
    if not openid:
        raise ValueError("openid is missing")
    followers = world.platform.followers
    if kind == "scan" and openid not in followers:
        kind = "subscribe"  # whoever scans without following is asked to follow, and the scene comes with it
    if kind == "subscribe":
        followers.add(openid)
        fields = {**world.event(openid, "subscribe"), "EventKey": f"qrscene_{scene}" if scene else ""}
    elif openid not in followers:
        raise ValueError("this person does not follow the account")
    elif kind == "unsubscribe":
        followers.discard(openid)
        fields = {**world.event(openid, "unsubscribe"), "EventKey": ""}
    elif kind == "scan":
        fields = {**world.event(openid, "SCAN"), "EventKey": scene}
    elif kind == "click":
        fields = {**world.event(openid, "CLICK"), "EventKey": key}
    elif kind == "text":
        fields = {
            **world.event(openid, ""),
            "MsgType": "text",
            "Content": content,
            "MsgId": world.chance.getrandbits(62),
        }
        del fields["Event"]
    else:
        raise ValueError("type must be one of text, click, scan, subscribe, unsubscribe")
    attempt = await world.tell(fields)
    # What the follower's phone shows: the passive reply, or that the account did not answer in time.
    shown = attempt.said if attempt.delivered else "该公众号暂时无法提供服务，请稍后再试"
    pressed = next((str(each["name"]) for each in world.platform.menu if each.get("key") == key), key)
    world.talks.appendleft(Talk(attempt.at, openid, content or pressed or scene or str(kind), shown))
    return {**asdict(attempt), "shown": shown}


async def _inbox(request: Request) -> Response:
    openid = request.query_params.get("openid", "")
    arrivals = [asdict(arrival) for arrival in _world(request).platform.inbox if openid in {"", arrival.who}]
    return JSONResponse({"items": arrivals, "after": None, "menu": _world(request).platform.menu})


async def _callbacks(request: Request) -> Response:
    return JSONResponse({"items": [asdict(attempt) for attempt in _world(request).attempts], "after": None})


async def _phones(request: Request) -> Response:
    world, openid = _world(request), request.query_params.get("openid", "")
    return HTMLResponse(wechat_phone.page(world.platform.inbox, openid, world.talks, world.platform.menu))


async def _press(request: Request) -> Response:
    """A key of the menu on the page, as a follower presses it."""
    asked = dict(parse_qsl((await request.body())[:1_000].decode("utf-8", "replace")))
    with suppress(ValueError):  # whoever has stopped following has no menu any more
        await _message(_world(request), {"openid": asked.get("openid"), "type": "click", "key": asked.get("key", "")})
    return RedirectResponse(f"/?openid={quote(asked.get('openid', ''))}", status_code=303)


async def serve(
    config: WechatSim, host: str = "127.0.0.1", port: int = 0, ready: Callable[[str], None] = lambda url: None
) -> None:
    """Until cancelled. `ready` is told the URL once the simulator listens; port 0 takes a free one."""
    async with running(config, host, port) as url:
        ready(url)
        await asyncio.Event().wait()


@asynccontextmanager
async def running(config: WechatSim, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The simulator, listening; yields its URL and stops it at the end."""
    async with serving(create_app(config), host, port) as url:
        yield url

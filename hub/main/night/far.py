"""The far ends of a night's channels: the simulated WeChat platform behind httpx, and two plain providers.

Each can hang, answer 5xx, or take a message and lose the answer. What really arrived at a person stands in `arrived`,
folded by the idempotency key as a provider folds it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from channels.base import RETRACTION, Accepted, Caps, Delivery, Message, Outcome, Rendered, Retry
from hub.clock import Clock
from simulators.wechat_platform import Platform, Rejected

ANSWER_S = (0.05, 0.4)
HANG_S = 20.0  # longer than every time-out of ours that is tried here
APPID, SECRET, TEMPLATE = "wx-night", "night", "tpl-notice"
WECHAT = {
    "wechat.api_base": "http://wechat.invalid",
    "wechat.appid": APPID,
    "wechat.secret": SECRET,
    "wechat.token": "night",
    "wechat.template_id": TEMPLATE,
    "wechat.template_fields": "title=thing1 text=thing2 issuer=thing3 time=time4",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One message on one person's screen."""

    at_s: float
    channel: str
    address: str
    title: str
    provider_id: str
    recall: bool


@dataclass
class Provider:
    """How a far end feels just now, and what it has brought to people."""

    name: str
    clock: Clock
    chance: random.Random
    said: Callable[[str, str], None]
    mode: str = "ok"  # ok | hang | 5xx | lost
    arrived: list[Shown] = field(default_factory=list)
    on_arrival: Callable[[Shown], None] = lambda _: None

    async def pause(self) -> None:
        await asyncio.sleep(self.chance.uniform(*ANSWER_S))

    def show(self, address: str, title: str, provider_id: str, *, recall: bool) -> None:
        shown = Shown(self.clock.monotonic(), self.name, address, title, provider_id, recall)
        self.arrived.append(shown)
        self.said(f"{'recall' if recall else 'message'} on the phone: {title}", f"{self.name} {address}")
        self.on_arrival(shown)


class WechatFarEnd(httpx.AsyncBaseTransport):
    """The platform of `simulators/`, called without a socket."""

    def __init__(self, provider: Provider, followers: Sequence[str], seed: str) -> None:
        self._provider = provider
        self._platform = Platform(
            APPID, SECRET, {TEMPLATE: ("thing1", "thing2", "thing3", "time4")}, random.Random(f"{seed} wechat"),  # noqa: S311
            provider.clock.now, followers=set(followers),
        )  # fmt: skip

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        provider = self._provider
        await provider.pause()
        if provider.mode == "hang":
            await self._never(request)
        if provider.mode == "5xx":
            return httpx.Response(502, request=request, text="<html>502</html>")
        body = self._answer(request)
        if provider.mode == "lost" and provider.chance.random() < 0.5:
            await self._never(request)
        await provider.pause()
        return httpx.Response(200, request=request, json=body)

    def _answer(self, request: httpx.Request) -> dict[str, object]:
        asked = json.loads(request.content)
        try:
            if request.url.path.endswith("/stable_token"):
                return self._platform.issue_token(asked)
            self._platform.admit(request.url.params.get("access_token", ""))
            msgid, arrival = self._platform.send(asked)
        except Rejected as no:
            return {"errcode": no.errcode, "errmsg": no.errmsg}
        if arrival is not None:
            title = arrival.fields["thing1"]
            self._provider.show(arrival.who, title, str(msgid), recall=title.startswith("【"))
        return {"errcode": 0, "errmsg": "ok", "msgid": msgid}

    async def _never(self, request: httpx.Request) -> None:
        timeout = request.extensions.get("timeout", {}).get("read") or HANG_S
        await asyncio.sleep(timeout)
        raise httpx.ReadTimeout("no answer", request=request)


class PlainChannel:
    """An addressed channel without a file of its own: a provider that knows our idempotency keys."""

    def __init__(self, provider: Provider, taken: dict[str, str]) -> None:
        self._provider, self._taken = provider, taken
        self.name = self.title = provider.name
        self.caps = Caps(
            shape="addressed", address_kind="person", ceiling="delivered", title_chars_max=60, body_chars_max=500,
            recall=False, obeys_quiet_hours=False, batch_max=10,
        )  # fmt: skip

    def render(self, message: Message, large: bool = False) -> Rendered:
        return Rendered(message.title, message.text)

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return [await self._one(each, recall=each.message.kind == RETRACTION) for each in batch]

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return [await self._one(each, recall=True) for each in batch]

    async def _one(self, delivery: Delivery, *, recall: bool) -> Outcome:
        provider = self._provider
        await provider.pause()
        if provider.mode == "hang":
            await asyncio.sleep(HANG_S)
            return Retry(None, "no answer in time")
        if provider.mode == "5xx":
            return Retry(None, "HTTP 502")
        key = delivery.idempotency_key
        if key not in self._taken:
            self._taken[key] = f"{provider.name}-{len(self._taken) + 1}"
            provider.show(delivery.address.value, delivery.message.title, self._taken[key], recall=recall)
        if provider.mode == "lost" and provider.chance.random() < 0.5:
            await asyncio.sleep(HANG_S)
            return Retry(None, "the answer was lost")
        await provider.pause()
        return Accepted(self._taken[key])

"""The WeChat channel and the simulated WeChat server, over real HTTP on loopback, receipts and all."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.answer import BUTTONS, MENU
from channels.base import (
    Accepted,
    Address,
    AddressGone,
    Callback,
    Delivery,
    Event,
    Inbound,
    Message,
    Receipt,
    Rendered,
    Retry,
)
from channels.post import DEADLINE_S
from channels.wechat import SETTINGS, Wechat, create
from channels.wechat_codes import RULES, outcome_of
from simulators.far_end import serving
from simulators.wechat_api import WechatSim, running
from simulators.wechat_platform import Platform

START = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
FOLLOWERS = tuple(f"openid-{number}" for number in range(30))
MESSAGE = Message(
    "n-1",
    1,
    "urgent",
    "notice",
    "停水通知",
    "今晚20:00至23:00停水。",
    "浏河社区",
    "浏河社区居委会",
    START,
    None,
    "https://linli.example/n/n-1",
)

pytestmark = pytest.mark.anyio


class HandClock:
    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@dataclass
class Scene:
    channel: Wechat
    net: httpx.AsyncClient
    sim: str
    hub: str
    clock: HandClock
    events: asyncio.Queue[Event]
    answers: list[int] = field(default_factory=list)  # statuses the receiver gives instead of listening

    async def ask(self, path: str, asked: Mapping[str, object]) -> dict[str, object]:
        reply = await self.net.post(self.sim + path, json=asked)
        assert reply.status_code == 200, reply.text
        answer: dict[str, object] = reply.json()
        return answer

    async def inbox(self) -> list[dict[str, object]]:
        items: list[dict[str, object]] = (await self.net.get(f"{self.sim}/sim/inbox")).json()["items"]
        return items

    async def next_event(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 5)


@asynccontextmanager
async def scene(
    *, aes: bool = False, change: Callable[[WechatSim], WechatSim] = lambda sim: sim
) -> AsyncIterator[Scene]:
    clock = HandClock()
    config = {setting.name: setting.example for setting in SETTINGS} | {"aes_key": KEY if aes else ""}
    sim = WechatSim(
        config["appid"],
        config["secret"],
        config["token"],
        config["aes_key"],
        followers=FOLLOWERS,
        receipt_delay_s=(0.0, 0.02),
        slow_s=(0.05, 0.1),
        callback_try_s=1.0,
        now=clock.now,
    )
    async with running(change(sim)) as url, httpx.AsyncClient(trust_env=False) as net:
        channel = create({**config, "api_base": url}, net, clock)
        it = Scene(channel, net, url, "", clock, asyncio.Queue())
        async with serving(receiver(it)) as it.hub:
            assert await it.ask("/sim/callback", {"url": f"{it.hub}/wechat"}) == {"ok": True, "why": ""}
            yield it


def receiver(it: Scene) -> Starlette:
    """What the hub's `/wechat` route is: read, let the channel say what it means, store, answer."""
    seen: set[str] = set()

    async def wechat(request: Request) -> Response:
        callback = Callback(request.method, dict(request.query_params), await request.body())
        if request.method == "POST" and it.answers:
            return Response(status_code=it.answers.pop(0))
        reply = it.channel.receive(callback, it.clock.now(), seen.__contains__)
        seen.update(kept.key for kept in reply.remember)
        for event in reply.events:
            it.events.put_nowait(event)
        return Response(reply.body, reply.status, media_type=reply.media_type)

    return Starlette(routes=[Route("/wechat", wechat, methods=["GET", "POST"])])


def deliveries(count: int = 1) -> list[Delivery]:
    return [
        Delivery(f"d-{number}", f"n-1/1/{number}/wechat", MESSAGE, Address("wechat", FOLLOWERS[number]))
        for number in range(count)
    ]


@pytest.mark.parametrize("aes", [False, True], ids=["plain", "aes"])
async def test_a_notice_reaches_the_phone_and_its_receipt_comes_back(aes: bool) -> None:
    async with scene(aes=aes) as it:
        [outcome] = await it.channel.send(deliveries())
        assert isinstance(outcome, Accepted)
        [arrived] = await it.inbox()
        assert arrived["who"] == "openid-0"
        assert str(arrived["msgid"]) == outcome.provider_id
        assert arrived["fields"] == {
            "thing1": "【紧急】停水通知",
            "thing2": "今晚20:00至23:00停水。",
            "thing3": "浏河社区居委会",
            "time4": "2026年11月22日 09:30",
        }
        receipt = await it.next_event()
        assert isinstance(receipt, Receipt)
        assert (receipt.provider_id, receipt.level) == (outcome.provider_id, "delivered")


async def test_a_message_the_resident_blocks_comes_back_as_failed() -> None:
    async with scene() as it:
        await it.ask("/sim/mode", {"receipt": "failed:user block"})
        [outcome] = await it.channel.send(deliveries())
        receipt = await it.next_event()
        assert isinstance(receipt, Receipt)
        assert isinstance(outcome, Accepted)
        assert (receipt.provider_id, receipt.level) == (outcome.provider_id, "failed")
        assert receipt.why == "the resident blocks this account's messages"


async def test_a_notice_taken_back_is_followed_by_a_correction() -> None:
    async with scene() as it:
        await it.channel.send(deliveries())
        [outcome] = await it.channel.recall(deliveries())
        assert isinstance(outcome, Accepted)
        newest, first = await it.inbox()
        assert newest["fields"]["thing1"] == "【已撤回】停水通知"  # type: ignore[index]
        assert newest["msgid"] != first["msgid"]


async def test_someone_who_left_is_gone() -> None:
    async with scene() as it:
        await it.ask("/sim/followers", {"openids": ["openid-1"]})
        gone, sent = await it.channel.send(deliveries(2))
        assert isinstance(gone, AddressGone)
        assert isinstance(sent, Accepted)


async def test_every_error_code_over_the_wire_has_its_outcome() -> None:
    async with scene() as it:
        for errcode, rule in RULES.items():
            if rule.action != "refresh token":
                await it.ask("/sim/mode", {"errcode": errcode})
                assert await it.channel.send(deliveries()) == [outcome_of(errcode, it.clock.now())]
                assert isinstance((await it.channel.send(deliveries()))[0], Accepted)


async def test_a_token_that_expires_midway_costs_nothing_but_a_repeat() -> None:
    async with scene() as it:
        assert isinstance((await it.channel.send(deliveries()))[0], Accepted)
        await it.ask("/sim/mode", {"expire_tokens": True})
        outcomes = await it.channel.send(deliveries(20))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert len(await it.inbox()) == 20


async def test_a_token_the_platform_refuses_but_still_hands_out_is_forced() -> None:
    async with scene() as it:
        assert isinstance((await it.channel.send(deliveries()))[0], Accepted)
        await it.ask("/sim/mode", {"errcode": 40001, "times": 1})
        assert isinstance((await it.channel.send(deliveries(2)))[1], Accepted)
        await it.ask("/sim/mode", {"errcode": 40001, "times": 2})
        assert (await it.channel.send(deliveries(1)))[0] == Retry(30.0, "WeChat refuses the access token")
        it.clock.advance(31)
        await it.ask("/sim/mode", {"errcode": 40001, "times": 0})


async def test_days_go_by_and_the_token_is_always_good() -> None:
    async with scene() as it:
        for _ in range(20):
            assert isinstance((await it.channel.send(deliveries()))[0], Accepted)
            it.clock.advance(1_801)


async def test_the_same_delivery_sent_twice_arrives_once() -> None:
    async with scene() as it:
        first, again = await it.channel.send(deliveries()), await it.channel.send(deliveries())
        assert first == again
        assert len(await it.inbox()) == 1


async def test_a_flapping_server_gets_every_notice_through_and_none_twice() -> None:
    async with scene() as it:
        await it.ask("/sim/mode", {"mode": "flap"})
        waiting, rounds = deliveries(30), 0
        while waiting and rounds < 200:
            rounds += 1
            outcomes = [
                outcome
                for start in range(0, len(waiting), 20)
                for outcome in await it.channel.send(waiting[start : start + 20])
            ]
            assert all(isinstance(outcome, Accepted | Retry) for outcome in outcomes)
            waiting = [
                delivery for delivery, outcome in zip(waiting, outcomes, strict=True) if isinstance(outcome, Retry)
            ]
        assert not waiting
        assert sorted(str(item["who"]) for item in await it.inbox()) == sorted(FOLLOWERS)
        assert rounds > 1


async def test_a_faulty_server_is_retried() -> None:
    async with scene() as it:
        await it.ask("/sim/mode", {"mode": "5xx"})
        assert await it.channel.send(deliveries()) == [Retry(None, "the provider has a fault", "http 502")]
        await it.ask("/sim/mode", {"mode": "slow"})
        assert isinstance((await it.channel.send(deliveries()))[0], Accepted)


async def test_a_hung_server_holds_a_whole_batch_no_longer_than_one_deadline() -> None:
    async with scene() as it:
        await it.channel.send(deliveries())
        await it.ask("/sim/mode", {"mode": "hang"})
        began = time.monotonic()
        outcomes = await it.channel.send(deliveries(20))
        assert time.monotonic() - began < DEADLINE_S + 1
        assert outcomes == [Retry(None, "the provider did not answer in time")] * 20
        await it.ask("/sim/mode", {"mode": "ok"})
        assert isinstance((await it.channel.send(deliveries()))[0], Accepted)


async def test_a_server_that_is_not_there_is_retried() -> None:
    async with scene() as it:
        config = {setting.name: setting.example for setting in SETTINGS}
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                async with running(WechatSim("a", "s", "t"), port=port):
                    pass
        nobody = create({**config, "api_base": f"http://127.0.0.1:{port}"}, it.net, it.clock)
        assert await nobody.send(deliveries()) == [Retry(None, "the provider cannot be reached", "ConnectError")]


async def test_a_spent_quota_waits_for_midnight_and_stops_asking() -> None:
    async with scene(change=lambda sim: replace(sim, daily_quota=2)) as it:
        outcomes = await it.channel.send(deliveries(20))
        assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 2
        midnight = Retry(14.5 * 3600, "today's quota of the official account is used up", "45009")
        assert outcomes.count(midnight) == 18
        it.clock.advance(14.5 * 3600)
        assert isinstance((await it.channel.send(deliveries(19)[-1:]))[0], Accepted)


async def test_what_followers_do_arrives_as_events() -> None:
    async with scene(aes=True) as it:
        for asked, kind, value in (
            ({"type": "scan", "scene": "k7", "openid": "new"}, "subscribed", "k7"),
            ({"type": "scan", "scene": "k8", "openid": "new"}, "scanned", "k8"),
            ({"type": "click", "key": "my-points", "openid": "new"}, "clicked", "my-points"),
            ({"type": "text", "content": "我知道了]]>", "openid": "new"}, "said", "我知道了]]>"),
            ({"type": "unsubscribe", "openid": "new"}, "unsubscribed", ""),
        ):
            answer = await it.ask("/sim/message", asked)
            assert (answer["answers"], answer["shown"]) == (["200"], "")
            happened = await it.next_event()
            assert isinstance(happened, Inbound)
            assert (happened.kind, happened.value, happened.address) == (kind, value, Address("wechat", "new"))


async def test_the_platform_tries_a_callback_three_times_and_it_counts_once() -> None:
    async with scene() as it:
        it.answers = [503, 500]
        answer = await it.ask("/sim/message", {"type": "text", "content": "积分", "openid": "openid-0"})
        assert answer["answers"] == ["503", "500", "200"]
        assert isinstance(await it.next_event(), Inbound)
        it.answers = [503] * 3
        answer = await it.ask("/sim/message", {"type": "text", "content": "积分", "openid": "openid-0"})
        assert answer["answers"] == ["503"] * 3
        assert answer["shown"]
        assert it.events.empty()


async def test_an_address_that_cannot_prove_itself_is_not_taken() -> None:
    async with scene() as it, running(WechatSim("another", "s", "another token", now=it.clock.now)) as other:
        answer = (await it.net.post(f"{other}/sim/callback", json={"url": f"{it.hub}/wechat"})).json()
        assert answer == {"ok": False, "why": "token验证失败 (HTTP 403)"}


async def test_menu_and_scene_codes_are_made() -> None:
    async with scene() as it:
        assert await it.channel.set_menu(BUTTONS) == Accepted("")
        too_many = await it.channel.set_menu([*BUTTONS, BUTTONS[0]])
        assert not isinstance(too_many, Accepted)
        shown = (await it.net.get(f"{it.sim}/sim/inbox")).json()["menu"]
        assert [each["key"] for each in shown] == list(MENU)
        ticket = await it.channel.scene_ticket("k7-one-time", 600)
        assert isinstance(ticket, str)
        assert ticket


async def test_a_key_of_the_menu_is_pressed_on_the_phone_that_is_looked_at() -> None:
    async with scene() as it:
        await it.channel.set_menu(BUTTONS)
        everybody = (await it.net.get(f"{it.sim}/")).text
        assert "<button" not in everybody, "the phones of all are nobody's to press on"
        assert 'value="answer-help">需要帮助</button>' in (await it.net.get(f"{it.sim}/?openid={FOLLOWERS[0]}")).text
        pressed = await it.net.post(f"{it.sim}/press", data={"openid": FOLLOWERS[0], "key": "answer-help"})
        assert (pressed.status_code, pressed.headers["location"]) == (303, f"/?openid={FOLLOWERS[0]}")
        heard = await it.next_event()
        assert (heard.kind, heard.value, heard.address.value) == ("clicked", "answer-help", FOLLOWERS[0])


async def test_the_same_seed_gives_the_same_ids() -> None:
    async def ids() -> list[object]:
        async with scene() as it:
            for delivery in deliveries(5):
                await it.channel.send([delivery])
            return [item["msgid"] for item in await it.inbox()]

    assert await ids() == await ids()


async def test_the_phones_can_be_looked_at_and_text_stays_text() -> None:
    async with scene() as it:
        assert "还没有收到消息" in (await it.net.get(it.sim)).text
        hostile = replace(MESSAGE, title="<script>1</script>")
        await it.channel.send([replace(deliveries()[0], message=hostile)])
        page = (await it.net.get(it.sim, params={"openid": "openid-0"})).text
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
        assert "还没有收到消息" in (await it.net.get(it.sim, params={"openid": "openid-1"})).text


RENDERER = create(
    {setting.name: setting.example for setting in SETTINGS},
    httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500))),
    HandClock(),
)


@given(
    st.text(max_size=80),
    st.text(max_size=200),
    st.text(max_size=40),
    st.sampled_from(["routine", "urgent", "drill"]),
    st.sampled_from(["zh", "en"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_the_templates_rules_are_kept(
    title: str, text: str, issuer: str, priority: str, lang: str
) -> None:
    platform = Platform(
        "a", "s", {"t": ("thing1", "thing2", "thing3", "time4")}, random.Random(1), HandClock().now, followers={"o"}
    )
    message = replace(MESSAGE, title=title, text=text, issuer=issuer, priority=priority, lang=lang)  # type: ignore[arg-type]
    rendered = RENDERER.render(message)
    if isinstance(rendered, Rendered):
        data = {name: {"value": value} for name, value in rendered.fields}
        _, arrival = platform.send({"touser": "o", "template_id": "t", "data": data})  # raises what it would refuse
        assert arrival
        assert arrival.fields == dict(rendered.fields)

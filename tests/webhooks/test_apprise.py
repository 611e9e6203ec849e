"""Staff are told in their group chat, by Apprise, with the same rows, tries and page as any other system."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from channels import apprise, webhook_net
from channels.apprise import Apprise
from channels.base import Accepted, Address, Dead, Delivery, Message, Retry
from hub.bus import Bus
from hub.civic import webhooks
from hub.civic.webhooks import book, carrier
from hub.civic.webhooks.book import Wish
from hub.civic.webhooks.models import Telling
from hub.clock import ManualClock
from hub.db import Store
from hub.errors import Refused
from hub.events import HelpWanted
from hub.module import load_tables
from simulators.far_end import serving
from tests import world
from tests.world import LIUHE, START

pytestmark = pytest.mark.anyio
HOME = webhook_net.networks("127.0.0.1/32")
SECRET = "geheim12345"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    load_tables()
    world.wire(bus := Bus(), (webhooks.MODULE,))
    made = world.make_store(tmp_path, clock=ManualClock(START), bus=bus)
    made.write_now(world.people)
    yield made
    made.close()


class Chat:
    """A service as Apprise's `json://` meets it."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 200
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        if self.status == 200:
            self.heard.append(await request.json())
        return Response(status_code=self.status)


def message(**changes: Any) -> Message:
    given: dict[str, Any] = {
        "notice_id": "n-1", "revision": 1, "priority": "urgent", "kind": "water", "title": "停水通知",
        "text": "明天停水。", "area_name": "浏河社区", "issuer": "浏河社区居委会", "sent_at": START, "expires": None,
        "url": "https://hub.example/n/1",
    }  # fmt: skip
    return Message(**(given | changes))


def subscribed(store: Store, url: str) -> str:
    operator = world.staff(store, "s-operator")
    wish = Wish("网格群", url, ("help.wanted",), LIUHE)
    made, secret = store.write_now(lambda tx: book.subscribe(tx, operator, wish, HOME))
    assert secret == ""
    return made.host


def called(store: Store) -> None:
    store.write_now(
        lambda tx: tx.emit(
            HelpWanted, task="t-1", area=LIUHE, household="h-wang", resident="r-wang", owner="s-grid",
            priority="urgent", title="停水通知", due=START + timedelta(minutes=15),
        )
    )  # fmt: skip


async def carry(store: Store) -> None:
    house: Any = SimpleNamespace(store=store, clock=store.clock, config={"public_url": "https://hub.example"})
    chats = Apprise(HOME)
    async with webhook_net.client(HOME) as net:
        while await carrier.tell(house, net, chats):
            pass
    chats.close()


def tellings(store: Store) -> list[Telling]:
    return store.read_now(lambda read: list(read.session.execute(select(Telling)).scalars()))


async def test_a_call_for_help_is_in_the_staff_s_chat_in_words_and_without_a_resident(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat()
    async with serving(chat.app) as url:
        with caplog.at_level(logging.DEBUG):
            host = subscribed(store, f"{url.replace('http', 'json')}/{SECRET}?key={SECRET}")
            called(store)
            await carry(store)
    [heard] = chat.heard
    assert heard["title"] == "【紧急】居民请求帮助"
    assert "浏河社区" in heard["message"]
    assert "https://hub.example/desk/answers/t-1" in heard["message"]
    assert "wang" not in str(heard)
    assert [each.state for each in tellings(store)] == ["told"]
    assert host == "json"
    ours = [each.getMessage() for each in caplog.records if not each.name.startswith("uvicorn")]
    assert SECRET not in " ".join(ours)


async def test_a_service_that_refuses_is_tried_again_and_then_has_it_once(store: Store) -> None:
    chat, clock = Chat(), store.clock
    assert isinstance(clock, ManualClock)
    chat.status = 500
    async with serving(chat.app) as url:
        subscribed(store, f"{url.replace('http', 'json')}/x")
        called(store)
        await carry(store)
        assert [(each.state, each.why) for each in tellings(store)] == [("waiting", "the service did not take it")]
        chat.status = 200
        await carry(store)
        assert chat.heard == []  # not before its time
        clock.advance(10)
        await carry(store)
        await carry(store)
    assert len(chat.heard) == 1
    assert [each.state for each in tellings(store)] == ["told"]


async def test_each_outcome_says_what_happened_and_no_secret_is_in_any_repr() -> None:
    closed, chat = Apprise(), Chat()
    async with serving(chat.app) as url:
        address = Address("apprise", f"{url.replace('http', 'json')}/{SECRET}")
        delivery = Delivery("d", "k", message(), address)
        assert SECRET not in repr(delivery)
        assert await closed.send([delivery]) == [Dead("a network that is closed to webhooks")]
        open_ = Apprise(HOME)
        wrong = [Delivery("d", "k", message(), Address(kind, value))
                 for kind, value in (("apprise", "no-such-thing://x"), ("wechat", "openid"))]  # fmt: skip
        assert [type(each) for each in await open_.send([delivery, *wrong])] == [Accepted, Dead, Dead]
        assert isinstance((await open_.recall([delivery]))[0], Accepted)
    assert chat.heard[-1]["title"].startswith("【已撤回】")
    closed.close()
    open_.close()


async def test_the_number_that_was_looked_at_is_the_one_connected_to_also_where_a_service_sends_us_on() -> None:
    """A name that changes its number between look and call, or a redirect into the house, finds the door closed."""
    numbers, asked = {"chat.example": "127.0.0.1", "inner.example": "127.0.0.2"}, list[str]()

    def ask(host: str, port: int, *_more: Any, **_named: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (numbers.get(host, host), port))]

    async def elsewhere(_request: Request) -> Response:
        return RedirectResponse("http://inner.example/", status_code=307)

    speaker, chat = Apprise(HOME, ask), Chat()
    chat.app.router.routes.insert(0, Route("/moved", elsewhere, methods=["POST"]))
    async with serving(chat.app) as url:
        port = url.rpartition(":")[2]

        def to(path: str) -> Delivery:
            return Delivery("d", "k", message(), Address("apprise", f"json://chat.example:{port}/{path}"))

        assert isinstance((await speaker.send([to("here")]))[0], Accepted)
        assert asked == ["chat.example"], "a second question could have another answer"
        assert await speaker.send([to("moved")]) == [Dead("a network that is closed to webhooks")]
        numbers["chat.example"] = "10.0.0.7"
        assert await speaker.send([to("here")]) == [Dead("a network that is closed to webhooks")]
    assert len(chat.heard) == 1
    speaker.close()


async def test_without_the_extra_the_hub_says_so_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed(store, "dingtalk://token1234567890")
    monkeypatch.setattr(apprise, "installed", lambda: False)
    with pytest.raises(Refused, match="apprise"):
        subscribed(store, "feishu://token1234567890")
    called(store)
    await carry(store)
    assert [(each.state, each.why) for each in tellings(store)] == [("waiting", apprise.NOT_INSTALLED)]
    speaker = Apprise()
    address = Address("apprise", "dingtalk://token1234567890")
    assert isinstance((await speaker.send([Delivery("d", "k", message(), address)]))[0], Retry)
    speaker.close()


@pytest.mark.parametrize("length", [1, 119, 120, 121, 2_000])
def test_what_is_too_long_is_cut_at_a_character(length: int) -> None:
    speaker = Apprise()
    shown: Any = speaker.render(message(title="水" * length, text="停" * length * 2))
    assert len(shown.title) <= apprise.TITLE_CHARS_MAX
    assert len(shown.body) <= apprise.BODY_CHARS_MAX
    assert speaker.render(message(title=" ")) == speaker.render(message(title=""))
    speaker.close()

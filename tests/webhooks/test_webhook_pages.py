"""The operator's page: a webhook is opened, its secret seen once, what was given up told again; nobody else gets in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.base import Dead
from hub import login
from hub.access import Permissions
from hub.bus import Bus
from hub.civic import webhooks
from hub.civic.webhooks import book
from hub.clock import SystemClock
from hub.events import NoticeReleased
from hub.feed import Feed
from hub.services import Services
from tests import world
from tests.web.shell_world import Shell, running
from tests.world import LIUHE
from web.app import create_app
from web.render import make_render


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    modules, clock = (webhooks.MODULE,), SystemClock()
    world.wire(bus := Bus(), modules)
    store = world.make_store(tmp_path, clock=clock, bus=bus, inline=False)  # type: ignore[arg-type]
    store.write_now(world.people)
    render = make_render(modules, None)
    feed = Feed(store, webhooks.MODULE.topics, render, clock)
    bus.observe(feed.committed)
    hub = Services(
        store=store, feed=feed, registry=None, ingest=None, clock=clock, rng=store.rng,  # type: ignore[arg-type]
        net=httpx.AsyncClient(trust_env=False), permissions=Permissions([webhooks.MODULE.permissions or {}]),
        modules=modules, render=render, data=tmp_path, config={},
    )  # fmt: skip
    made: Any = Shell(None, store, hub, create_app(hub))  # type: ignore[arg-type]
    with running(made):
        yield made


def browser(shell: Shell, ident: str) -> httpx.Client:
    made = httpx.Client(base_url=shell.url, trust_env=False, timeout=30, follow_redirects=True)
    token = shell.write(lambda tx: login.open_session(tx, "staff", "staff", ident, proved=True))
    made.cookies.set("linli_staff", token)
    return made


def test_an_operator_opens_a_webhook_and_sees_its_secret_once(shell: Shell) -> None:
    path = "/operate/webhooks"
    with browser(shell, "s-operator") as operator, browser(shell, "s-staff") as staff:
        assert staff.get(path).status_code == 403
        for lang, word in (("zh", "推送给其他系统"), ("en", "Tell another system")):
            assert word in operator.get(path, headers={"accept-language": lang}).text
        csrf = re.findall(r'name="csrf" value="(\w+)"', operator.get(path).text)[0]
        fields = {"csrf": csrf, "name": "<b>12345</b>", "area": LIUHE, "kinds": ["notice.released", "device.changed"]}
        for wrong in ("http://10.0.0.1/", "https://u:p@x.example/"):
            assert operator.post(path, data={**fields, "url": wrong}).status_code in (400, 422)
        made = operator.post(path, data={**fields, "url": "https://hooks.example/take?key=geheim"})
        secret = re.search(r"whsec_[\w+/=]+", made.text)
        assert secret is not None
        again = operator.get(path).text
        assert "hooks.example" in again
        assert "&lt;b&gt;12345" in again
        for hidden in (secret[0], "geheim", "<b>12345"):
            assert hidden not in again
        _tell_in_vain(shell)
        page = operator.get(path, headers={"accept-language": "en"}).text
        assert "http 401" in page
        ident = re.findall(r"/operate/webhooks/([\w-]+)/replay", page)[0]
        operator.post(f"{path}/{ident}/replay", data={"csrf": csrf})
        assert "http 401" not in operator.get(path).text
        for step in ("pause", "resume", "remove"):
            assert operator.post(f"{path}/{ident}/{step}", data={"csrf": csrf}).status_code == 200
        assert "hooks.example" not in operator.get(path).text


def _tell_in_vain(shell: Shell) -> None:
    shell.write(lambda tx: tx.emit(NoticeReleased, notice="n-1", revision=1, priority="urgent", areas=(LIUHE,)).id)
    batch = shell.write(book.claim)
    shell.write(
        lambda tx: book.settle(tx, [(each, Dead("the receiver refuses the message", "http 401")) for each in batch])
    )

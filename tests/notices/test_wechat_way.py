"""From the desk's button to a follower's phone and back: outbox, courier, simulated WeChat server, callback, ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

from channels.base import Address, Inbound, Menued
from hub import audience, breaker, courier, menu, reach
from hub.civic.notices import callback, desk, letters_pages
from hub.i18n import speaking
from hub.outbox import Outbox
from simulators.wechat_api import WechatSim
from simulators.wechat_api import running as wechat_running
from tests.notices.office import Office
from tests.notices.office_app import make_shell
from tests.web.shell_world import Shell, running
from tests.world import START

pytestmark = pytest.mark.anyio
SECRET = {"wechat.appid": "wx-test", "wechat.secret": "a-secret", "wechat.token": "callback-token",
          "wechat.template_id": "tpl-notice"}  # fmt: skip
WAIT_S = 15.0


@contextmanager
def at_work(shell: Shell) -> Iterator[None]:
    """The slice's jobs on the running hub's own loop."""
    assert shell.loop is not None
    jobs = [courier.fan_out(shell.services), courier.carry(shell.services, "wechat")]
    started = [asyncio.run_coroutine_threadsafe(job, shell.loop) for job in jobs]
    yield
    for job in started:
        job.cancel()


def begin(shell: Shell, channel: Menued) -> Future[None]:
    assert shell.loop is not None
    return asyncio.run_coroutine_threadsafe(menu.keep_set(shell.services, channel), shell.loop)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Office, Shell, httpx.AsyncClient]]:
    config = dict(SECRET)
    office, shell = make_shell(folder, config, inline=False)
    with running(shell):
        sim = WechatSim(
            "wx-test", "a-secret", "callback-token", callback_url=f"{shell.url}/wechat",
            followers=("openid-wang", "openid-lin"), receipt_delay_s=(0.05, 0.1),
        )  # fmt: skip
        async with wechat_running(sim) as address, httpx.AsyncClient(base_url=address, trust_env=False) as far_end:
            config["wechat.api_base"] = address
            with at_work(shell):
                yield office, shell, far_end


async def until(office: Office, true: Callable[[], bool]) -> None:
    """Looks again after each transaction of the hub."""
    loop, moved = asyncio.get_running_loop(), asyncio.Event()
    office.store.bus.observe(lambda _events, _touched: loop.call_soon_threadsafe(moved.set))
    async with asyncio.timeout(WAIT_S):
        while not true():
            await moved.wait()
            moved.clear()


async def test_a_release_is_in_both_followers_inbox_and_their_receipts_in_the_ledger(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        made = office.draft()
        await asyncio.to_thread(shell.write, lambda tx: desk.release(tx, office.staff, made.id))

        def delivered() -> bool:
            sums = office.store.read_now(lambda read: reach.sums(read, made.id))
            return sums.at_least("wechat", "delivered") == 2

        await until(office, delivered)
        inbox = (await far_end.get("/sim/inbox")).json()
        assert sum("停水通知" in str(item) for item in inbox.get("items", inbox)) == 2


async def test_a_provider_that_fails_is_tried_again_and_nobody_gets_it_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        await far_end.post("/sim/mode", json={"mode": "5xx"})
        made = office.draft()
        await asyncio.to_thread(shell.write, lambda tx: desk.release(tx, office.staff, made.id))

        def tried() -> bool:
            rows = office.store.read_now(lambda read: list(read.session.execute(select(Outbox)).scalars()))
            return len(rows) == 2 and all(row.attempts == 1 and row.state == "planned" for row in rows)

        await until(office, tried)
        await far_end.post("/sim/mode", json={"mode": "ok"})

        def delivered() -> bool:
            sums = office.store.read_now(lambda read: reach.sums(read, made.id))
            return sums.at_least("wechat", "delivered") == 2

        await until(office, delivered)
        inbox = (await far_end.get("/sim/inbox")).json()
        assert len(inbox.get("items", inbox)) == 2


async def test_a_forged_callback_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, _far_end):
        body = "<xml><FromUserName>openid-wang</FromUserName><CreateTime>1</CreateTime></xml>"
        query = {"signature": "0" * 40, "timestamp": "1", "nonce": "n"}
        async with httpx.AsyncClient(base_url=shell.url, trust_env=False) as stranger:
            reply = await stranger.post("/wechat", params=query, content=body)
        assert reply.status_code == 403
        assert office.store.read_now(lambda read: audience.of_resident(read, "r-wang"))


def test_a_scanned_token_binds_once_and_a_word_unbinds(tmp_path: Path) -> None:
    office, _shell = make_shell(tmp_path)
    token = office.store.write_now(lambda tx: callback.binding_token(tx, "r-wang"))

    def scan(openid: str) -> None:
        event = Inbound("scanned", Address("wechat", openid), token, START, f"k {openid}")
        office.store.write_now(lambda tx: callback.inbound(tx, event))

    scan("openid-new")
    scan("openid-thief")
    bound = office.store.read_now(lambda read: audience.of_resident(read, "r-wang"))
    assert [each.address for each in bound] == ["openid-new"]
    leave = Inbound("said", Address("wechat", "openid-new"), " 退订 ", START, "k2")
    office.store.write_now(lambda tx: callback.inbound(tx, leave))
    assert not office.store.read_now(lambda read: audience.of_resident(read, "r-wang"))
    office.store.close()


async def test_the_keys_of_the_menu_are_set_when_the_worker_begins_and_a_refusal_stands_on_the_desk(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        refused = 48001  # the account has no right to menus

        def said(why: str) -> Callable[[], bool]:
            return lambda: office.store.read_now(lambda read: [each.menu for each in breaker.states(read)]) == [why]

        async with asyncio.timeout(WAIT_S):
            while not (await far_end.get("/sim/inbox")).json()["menu"]:
                pass  # the courier has not come to it yet
        channel = courier.open_channel(shell.services, "wechat")
        assert isinstance(channel, Menued)
        await far_end.post("/sim/mode", json={"errcode": refused, "times": 1})
        trying = begin(shell, channel)
        await until(office, said("the account has no right to this interface"))
        with speaking("en"):
            shown = await asyncio.to_thread(
                office.store.read_now, lambda read: letters_pages.sending(read, "all")["ways"][0]["menu"]
            )
        assert shown == "the account has no right to this interface"
        trying.cancel()
        await asyncio.wrap_future(begin(shell, channel))  # as the next start does
        assert said("")()
        found = (await far_end.get("/sim/inbox")).json()["menu"]
        assert [(each["type"], each["name"]) for each in found] == [
            ("click", "收到"), ("click", "有疑问"), ("click", "需要帮助"),
        ]  # fmt: skip

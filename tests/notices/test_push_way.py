"""From the desk's button to a lock screen and back: subscription, courier, simulated push service, the phone's word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from channels.webpush import topic
from hub import audience, courier, login, reach, sweep
from hub.civic.notices import desk
from hub.events import PersonalMessage
from hub.outbox import Outbox
from simulators.push_service import PushSim
from simulators.push_service import running as push_running
from tests.notices.office import Office
from tests.notices.office_app import make_shell
from tests.notices.test_wechat_way import until
from tests.web.shell_world import Shell, running

pytestmark = pytest.mark.anyio
CONFIG = {"webpush.key": "ab" * 32, "webpush.subject": "mailto:office@linli.example"}


@contextmanager
def at_work(shell: Shell) -> Iterator[None]:
    assert shell.loop is not None
    services = shell.services
    jobs = [courier.fan_out(services), courier.carry(services, "webpush"), sweep.keep_sweeping(services)]
    started = [asyncio.run_coroutine_threadsafe(job, shell.loop) for job in jobs]
    yield
    for job in started:
        job.cancel()


class Town:
    """The office, its hub, the push service, and a browser of each resident."""

    def __init__(self, office: Office, shell: Shell, far_end: httpx.AsyncClient) -> None:
        self.office, self.shell, self.far_end = office, shell, far_end

    async def offer(self, who: str, said: object, *, csrf: str | None = None) -> httpx.Response:
        """What push.js sends for a signed-in resident."""
        token = await asyncio.to_thread(
            self.shell.write, lambda tx: login.open_session(tx, "resident", "resident", who)
        )
        async with httpx.AsyncClient(base_url=self.shell.url, trust_env=False) as browser:
            browser.cookies.set("linli_resident", token)
            page = (await browser.get("/me/ways")).text
            found = page.split('name="linli-csrf" content="')[1].split('"')[0] if csrf is None else csrf
            return await browser.post("/me/ways/push", json=said, headers={"X-CSRF": found})

    async def subscribe(self, who: str) -> None:
        said = (await self.far_end.post("/sim/subscribe", json={"who": who})).json()
        assert (await self.offer(who, said)).status_code == 204

    async def inbox(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.far_end.get("/sim/inbox")).json()["items"]
        return found

    async def release(self) -> str:
        made = self.office.draft(expires=self.office.store.clock.now() + timedelta(hours=2))
        await asyncio.to_thread(self.shell.write, lambda tx: desk.release(tx, self.office.staff, made.id))
        return made.id

    def sums(self, notice: str) -> reach.Sums:
        return self.office.store.read_now(lambda read: reach.sums(read, notice))

    def channels_of(self, who: str) -> list[str]:
        return [each.channel for each in self.office.store.read_now(lambda read: audience.of_resident(read, who))]

    def rows(self) -> list[Outbox]:
        found = select(Outbox).where(Outbox.channel == "webpush")
        return self.office.store.read_now(lambda read: list(read.session.execute(found).scalars()))


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    config = dict(CONFIG)
    office, shell = make_shell(folder, config, inline=False)
    with running(shell):
        sim = PushSim(callback_url=f"{shell.url}/callback/webpush", receipt_delay_s=(0.02, 0.05))
        async with push_running(sim) as address, httpx.AsyncClient(base_url=address, trust_env=False) as far_end:
            config["webpush.services"] = address
            with at_work(shell):
                yield Town(office, shell, far_end)


async def test_a_release_is_on_the_lock_screen_and_the_phone_says_so(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.subscribe("r-wang")
        notice = await here.release()
        await until(here.office, lambda: here.sums(notice).at_least("webpush", "delivered") == 1)
        [arrived] = await here.inbox()
        assert (arrived["title"], arrived["url"], arrived["tag"]) == ("停水通知", f"/n/{notice}", topic(notice))
        assert here.sums(notice).at_least("webpush", "seen") == 0
        assert (await here.far_end.post("/sim/tap", json={"token": arrived["token"]})).json()["answer"] == "204"
        assert here.sums(notice).at_least("webpush", "seen") == 1


async def test_a_withdrawal_takes_the_place_of_what_a_phone_shows(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.subscribe("r-wang")
        notice = await here.release()
        await until(here.office, lambda: here.sums(notice).at_least("webpush", "delivered") == 1)
        await asyncio.to_thread(
            here.shell.write, lambda tx: desk.retract(tx, here.office.staff, notice, "The matter is settled")
        )
        await until(here.office, lambda: [row.state for row in here.rows() if row.purpose == "recall"] == ["delivered"])
        later, first = await here.inbox()
        assert later["title"] == "【已撤回】停水通知"
        assert later["tag"] == first["tag"]
        assert later["token"] != first["token"]


async def test_a_phone_that_left_is_never_asked_again(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.subscribe("r-wang")
        await here.far_end.post("/sim/leave", json={"who": "r-wang"})
        await here.release()
        await until(here.office, lambda: [row.state for row in here.rows()] == ["unreachable"])
        assert here.channels_of("r-wang") == ["wechat"]
        assert await here.inbox() == []


async def test_a_phone_that_was_off_gets_the_latest_word_of_a_matter(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.subscribe("r-wang")
        await here.far_end.post("/sim/phone", json={"who": "r-wang", "online": False})
        notice = await here.release()
        await until(here.office, lambda: [row.state for row in here.rows()] == ["accepted"])
        await asyncio.to_thread(
            here.shell.write, lambda tx: desk.retract(tx, here.office.staff, notice, "The matter is settled")
        )
        await until(here.office, lambda: {row.state for row in here.rows()} == {"accepted"} and len(here.rows()) == 2)
        assert (await here.far_end.post("/sim/phone", json={"who": "r-wang", "online": True})).json() == {"arrived": 1}
        assert [each["title"] for each in await here.inbox()] == ["【已撤回】停水通知"]


async def test_a_second_phone_takes_over_and_what_is_personal_is_not_on_its_lock_screen(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.subscribe("r-wang")
        await here.subscribe("r-wang")
        assert sorted(here.channels_of("r-wang")) == ["webpush", "wechat"]
        await asyncio.to_thread(
            here.shell.write,
            lambda tx: tx.emit(PersonalMessage, resident="r-wang", kind="health", title="血压 182/110", text="请复测"),
        )
        await until(here.office, lambda: [row.state for row in here.rows()] == ["delivered"])
        [arrived] = await here.inbox()
        assert (arrived["title"], arrived["body"], arrived["url"]) == ("您有一条新消息", "", "/me")


async def test_nobody_makes_the_hub_knock_at_a_door_of_his_choice(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        said = (await here.far_end.post("/sim/subscribe", json={"who": "x"})).json()
        inner = {**said, "endpoint": "http://127.0.0.1:1/admin"}
        for offered in (inner, {**said, "endpoint": "https://10.0.0.1/x"}, {**said, "keys": {}}, {}, [], "x"):
            assert (await here.offer("r-wang", offered)).status_code == 422
        assert (await here.offer("r-wang", said, csrf="guessed")).status_code == 403
        assert here.channels_of("r-wang") == ["wechat"]


async def test_a_report_without_a_token_of_ours_changes_nothing(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.subscribe("r-wang")
        await here.far_end.post("/sim/mode", json={"receipts": False})
        notice = await here.release()
        await until(here.office, lambda: [row.state for row in here.rows()] == ["accepted"])
        [arrived] = await here.inbox()
        token = str(arrived["token"])
        forged = token[:-1] + ("0" if token[-1] != "0" else "1")
        async with httpx.AsyncClient(base_url=here.shell.url, trust_env=False) as stranger:
            for body, status in (
                ({"r": forged, "did": "opened"}, 403),
                ({"r": token, "did": "acknowledged"}, 403),
                ({"r": [token]}, 403),
                ([], 403),
            ):
                reply = await stranger.post("/callback/webpush", content=json.dumps(body))
                assert reply.status_code == status
            assert (await stranger.post("/callback/webpush", content=b"{" * 400)).status_code == 400
            assert (await stranger.post("/callback/webpush", content=b" " * 600)).status_code == 413
        assert here.sums(notice).at_least("webpush", "delivered") == 0

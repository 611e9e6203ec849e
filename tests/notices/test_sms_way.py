"""From the desk's button to a telephone and back: outbox, courier, simulated SMS gateway, callback, ledger, costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

from channels.sms_sign import header
from channels.sms_text import approved_texts
from hub import audience, charges, courier, directory, login, reach
from hub.civic.notices import desk, ladder
from hub.db import Tx
from hub.events import PersonalMessage
from hub.outbox import Outbox
from simulators.sms_gateway import SmsSim
from simulators.sms_gateway import running as sms_running
from tests.notices.office import Office
from tests.notices.office_app import make_shell
from tests.notices.test_wechat_way import until
from tests.web.shell_world import Shell, running

pytestmark = pytest.mark.anyio
WANG, LIN = "10000000001", "10000000002"
CONFIG = {"sms.access_id": "linli", "sms.secret": "sms-secret", "sms.sign": "邻里", "sms.contact": "12345"}


@contextmanager
def at_work(shell: Shell) -> Iterator[None]:
    assert shell.loop is not None
    jobs = [courier.fan_out(shell.services), courier.carry(shell.services, "sms")]
    started = [asyncio.run_coroutine_threadsafe(job, shell.loop) for job in jobs]
    yield
    for job in started:
        job.cancel()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Office, Shell, httpx.AsyncClient]]:
    config = dict(CONFIG)
    office, shell = make_shell(folder, config, inline=False)
    for resident, number in (("r-wang", WANG), ("r-lin", LIN)):
        office.store.write_now(lambda tx, who=resident, to=number: audience.bind(tx, who, "sms", to))  # type: ignore[misc]
    with running(shell):
        sim = SmsSim(
            "linli", "sms-secret", templates=approved_texts("12345"), callback_url=f"{shell.url}/callback/sms",
            report_delay_s=(0.02, 0.05),
        )  # fmt: skip
        async with sms_running(sim) as address, httpx.AsyncClient(base_url=address, trust_env=False) as far_end:
            config["sms.url"] = address
            with at_work(shell):
                yield office, shell, far_end


async def inbox(far_end: httpx.AsyncClient) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await far_end.get("/sim/inbox")).json()["items"]
    return found


async def release(office: Office, shell: Shell) -> str:
    """The desk does not wait the hour after which text messages follow an important notice."""
    made = office.draft(priority="important")

    def follow(tx: Tx) -> None:
        desk.release(tx, office.staff, made.id)
        ladder.climb_now(tx, office.staff, made.id, {"sms"})

    await asyncio.to_thread(shell.write, follow)
    return made.id


def sums(office: Office, notice: str) -> reach.Sums:
    return office.store.read_now(lambda read: reach.sums(read, notice))


async def test_a_release_is_on_both_telephones_its_reports_in_the_ledger_and_its_cost_beside_it(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        notice = await release(office, shell)
        await until(office, lambda: sums(office, notice).at_least("sms", "delivered") == 2)
        arrived = await inbox(far_end)
        assert {each["number"] for each in arrived} == {WANG, LIN}
        assert all(str(each["text"]).startswith("【邻里】") and "停水通知" in str(each["text"]) for each in arrived)
        assert not any("0724" in str(each["text"]) for each in arrived)
        [spent] = office.store.read_now(lambda read: charges.of_notice(read, notice))
        assert (spent.channel, spent.messages) == ("sms", 2)
        assert spent.parts == sum(int(str(each["parts"])) for each in arrived)
        assert spent.fen == 5 * spent.parts


async def test_answering_1_acknowledges_the_latest_and_td_is_the_last_message(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        notice = await release(office, shell)
        await until(office, lambda: sums(office, notice).at_least("sms", "delivered") == 2)
        await far_end.post("/sim/reply", json={"number": WANG, "text": "1"})
        await until(office, lambda: sums(office, notice).best.get("acknowledged") == 1)
        assert sums(office, notice).channels["sms"] == {"acknowledged": 1, "delivered": 1}
        answer = (await far_end.post("/sim/reply", json={"number": LIN, "text": "退订"})).json()
        assert answer["answers"] == ["200"]
        left = office.store.read_now(lambda read: audience.of_resident(read, "r-lin"))
        assert [each.channel for each in left] == ["wechat"]


async def test_an_answer_is_for_the_youngest_message_and_never_for_an_older(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        older = await release(office, shell)
        await until(office, lambda: sums(office, older).at_least("sms", "delivered") == 2)
        younger = await release(office, shell)
        await until(office, lambda: sums(office, younger).at_least("sms", "delivered") == 2)
        await far_end.post("/sim/reply", json={"number": WANG, "text": "收到"})
        await far_end.post("/sim/reply", json={"number": WANG, "text": "1"})
        assert sums(office, younger).best.get("acknowledged") == 1
        assert sums(office, older).at_least("sms", "acknowledged") == 0


async def test_a_resident_switches_text_messages_to_the_number_on_file(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, _far_end):
        token = await asyncio.to_thread(
            shell.write, lambda tx: login.open_session(tx, "resident", "resident", "r-wang")
        )
        async with httpx.AsyncClient(base_url=shell.url, trust_env=False) as browser:
            browser.cookies.set("linli_resident", str(token))
            page = (await browser.get("/me/ways")).text
            csrf = page.split('name="linli-csrf" content="')[1].split('"')[0]

            async def press(do: str) -> list[str]:
                form = {"csrf": csrf, "do": do, "number": LIN}
                assert (await browser.post("/me/ways/sms", data=form)).status_code == 303
                bound = office.store.read_now(lambda read: audience.of_resident(read, "r-wang"))
                return [each.address for each in bound if each.channel == "sms"]

            on_file = office.store.read_now(lambda read: directory.resident(read, "r-wang")).phone
            assert await press("off") == []
            assert await press("on") == [on_file]
            assert WANG not in page
            assert on_file
            assert on_file not in page


async def test_a_busy_gateway_is_asked_again_and_bills_once(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        await far_end.post("/sim/mode", json={"code": "BUSY", "times": 2})
        notice = await release(office, shell)

        def tried() -> bool:
            rows = office.store.read_now(
                lambda read: list(read.session.execute(select(Outbox).where(Outbox.channel == "sms")).scalars())
            )
            return len(rows) == 2 and all(row.attempts == 1 and row.why == "the SMS gateway is busy" for row in rows)

        await until(office, tried)
        await until(office, lambda: sums(office, notice).at_least("sms", "delivered") == 2)
        assert len(await inbox(far_end)) == 2
        [spent] = office.store.read_now(lambda read: charges.of_notice(read, notice))
        assert spent.messages == 2


async def test_a_number_out_of_use_leaves_the_directory(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        await far_end.post("/sim/mode", json={"report": "MK:0001"})
        await release(office, shell)
        await until(
            office,
            lambda: (
                not [
                    each
                    for who in ("r-wang", "r-lin")
                    for each in office.store.read_now(lambda read, who=who: audience.of_resident(read, who))  # type: ignore[misc]
                    if each.channel == "sms"
                ]
            ),
        )
        rows = office.store.read_now(
            lambda read: [row for row in read.session.execute(select(Outbox)).scalars() if row.channel == "sms"]
        )
        assert {(row.state, row.why) for row in rows} == {("unreachable", "this number is not in use")}


async def test_a_personal_message_names_nothing_on_a_telephone(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, far_end):
        await asyncio.to_thread(
            shell.write,
            lambda tx: tx.emit(PersonalMessage, resident="r-wang", kind="health", title="血压 182/110", text="请复测"),
        )
        await until(
            office,
            lambda: office.store.read_now(
                lambda read: any(row.state == "delivered" for row in read.session.execute(select(Outbox)).scalars())
            ),
        )
        [arrived] = await inbox(far_end)
        assert arrived["text"] == "【邻里】您有一条新消息，请在手机网页或小屋查看。（详询12345，回T退订）"


async def test_a_forged_report_and_an_unknown_channel_change_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (office, shell, _far_end):
        said = {"type": "reply", "id": "u", "number": WANG, "text": "退订", "at": office.store.clock.now().isoformat()}
        body = json.dumps({"events": [said]}).encode()
        mark = header("guessed", "callback", "linli", office.store.clock.now(), "0123456789", body)
        async with httpx.AsyncClient(base_url=shell.url, trust_env=False) as stranger:
            for path, status in (("/callback/sms", 403), ("/callback/tv", 404), ("/callback/nobody", 404)):
                reply = await stranger.post(path, content=body, headers={"authorization": mark})
                assert reply.status_code == status
            large = await stranger.post("/callback/sms", content=b" " * 70_000)
            assert large.status_code == 413
        assert len(office.store.read_now(lambda read: audience.of_resident(read, "r-wang"))) == 2

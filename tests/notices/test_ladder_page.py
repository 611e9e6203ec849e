"""The whole ladder before the desk's eyes, on a clock that the test moves, with simulated WeChat and SMS far ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from channels.sms_text import approved_texts
from hub import audience, courier, login, registry
from hub.civic.notices import desk, jobs
from hub.clock import ManualClock
from hub.events import VisitWanted
from simulators.sms_gateway import SmsSim
from simulators.sms_gateway import running as sms_running
from simulators.wechat_api import WechatSim
from simulators.wechat_api import running as wechat_running
from tests.conftest import needs
from tests.notices.office import Office
from tests.notices.office_app import make_shell
from tests.web.shell_world import Shell, running
from tests.world import LIUHE, START

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")
WANG, LIN = "10000000001", "10000000002"
ANSWER_S_MAX = 20
LINE = "() => document.documentElement.getAttribute('data-line') === 'on'"
CONFIG = {
    "sms.access_id": "linli", "sms.secret": "sms-secret", "sms.sign": "邻里", "sms.contact": "12345",
    "wechat.appid": "wx-test", "wechat.secret": "a-secret", "wechat.token": "callback-token",
    "wechat.template_id": "tpl-notice",
}  # fmt: skip


@dataclass
class Night:
    office: Office
    shell: Shell
    clock: ManualClock
    far: dict[str, str]  # the addresses of the simulators
    visits: list[VisitWanted]

    def run(self, work: Any) -> Any:
        assert self.shell.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.shell.loop).result(ANSWER_S_MAX)

    def wait(self, seconds: float) -> None:
        """Time passes; what sleeps in the hub wakes up."""
        assert self.shell.loop is not None
        self.shell.loop.call_soon_threadsafe(self.clock.advance, seconds)

    def inbox(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.far[name]}/sim/inbox", trust_env=False).json()["items"]
        return found

    def released(self) -> str:
        made = self.office.draft(priority="urgent", title="高温橙色预警", title_en="Orange heat warning")
        self.shell.write(lambda tx: desk.approve(tx, self.office.staff, made.id))
        self.shell.write(lambda tx: desk.release(tx, self.office.second, made.id))
        return made.id


@contextmanager
def night(folder: Path) -> Iterator[Night]:
    config, clock = dict(CONFIG), ManualClock(START)
    office, shell = make_shell(folder, config, inline=False, clock=clock)
    visits = list[VisitWanted]()
    office.store.bus.on(VisitWanted, lambda _tx, event: visits.append(event))

    def fill(tx: Any) -> None:
        audience.bind(tx, "r-wang", "sms", WANG)
        audience.bind(tx, "r-lin", "sms", LIN)
        registry.grant_credential(tx, "horn-1", "speaker", LIUHE)

    shell.write(fill)
    with running(shell):
        made, far_ends = Night(office, shell, clock, {}, visits), AsyncExitStack()
        sms = SmsSim("linli", "sms-secret", templates=approved_texts("12345"), now=clock.now,
                     callback_url=f"{shell.url}/callback/sms", report_delay_s=(0.01, 0.02))  # fmt: skip
        wechat = WechatSim("wx-test", "a-secret", "callback-token", now=clock.now, callback_url=f"{shell.url}/wechat",
                           followers=("openid-wang", "openid-lin"), receipt_delay_s=(0.01, 0.02))  # fmt: skip
        made.far["sms"] = made.run(far_ends.enter_async_context(sms_running(sms)))
        made.far["wechat"] = made.run(far_ends.enter_async_context(wechat_running(wechat)))
        config |= {"sms.url": made.far["sms"], "wechat.api_base": made.far["wechat"]}
        assert shell.loop is not None
        hub = shell.services
        work = [courier.fan_out(hub), courier.carry(hub, "sms"), courier.carry(hub, "wechat"), jobs.climb(hub)]
        started = [asyncio.run_coroutine_threadsafe(each, shell.loop) for each in work]
        try:
            yield made
        finally:
            for each in started:
                each.cancel()
            made.run(far_ends.aclose())


def signed_in(browser: Browser, night: Night, **more: Any) -> Page:
    token = str(night.shell.write(lambda tx: login.open_session(tx, "staff", "staff", "s-staff")))
    context = browser.new_context(**more)
    context.add_cookies([{"name": "linli_staff", "value": token, "url": night.shell.url}])
    return context.new_page()


def test_an_urgent_notice_goes_from_the_screens_to_the_last_door_before_the_desks_eyes(
    browser: Browser, tmp_path: Path
) -> None:
    with night(tmp_path) as here:
        ident = here.released()
        page = signed_in(browser, here, locale="en-GB")
        page.goto(f"{here.shell.url}/desk/notices/{ident}")
        page.wait_for_function(LINE)
        here.wait(1)
        page.get_by_text("messages: 2; had seen it already: 0; no address here: 1").wait_for()
        page.get_by_text("Left out: nobody has given an address for it").wait_for()
        page.get_by_text("3 of 3 people have not seen it yet").wait_for()
        assert page.locator(".ladder-due").inner_text().startswith("in ")
        assert here.inbox("sms") == []

        here.wait(119)
        page.locator(".ladder-rung", has_text="After 2 min").get_by_text("messages: 2; had seen").wait_for()
        page.wait_for_function("() => document.querySelector('.ladder-next strong').textContent === 'After 5 min'")
        for _look in range(200):
            if len(here.inbox("sms")) == 2:
                break
            here.wait(1)
            page.wait_for_timeout(50)
        assert {each["number"] for each in here.inbox("sms")} == {WANG, LIN}
        assert len(here.inbox("wechat")) == 2

        said = httpx.post(f"{here.far['sms']}/sim/reply", json={"number": LIN, "text": "1"}, trust_env=False)
        assert said.status_code == 200
        page.get_by_text("2 of 3 people have not seen it yet").wait_for()

        here.wait(200)
        page.get_by_text("communities asked: 1; reached well enough: 0").wait_for()
        page.get_by_role("button", name="Take the next step now").click()
        page.wait_for_function(LINE)
        here.wait(1)
        page.get_by_text("Every step has been taken").wait_for()
        page.get_by_text("doors to knock at: 1; doors that need none: 1 · taken by hand").wait_for()
        assert [(each.household, each.reason) for each in here.visits] == [("h-wang", "unseen")]
        page.context.close()

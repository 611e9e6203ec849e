"""The kiosk in a real Chromium at its real size: live, large enough for an old eye and finger, and empty afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from hub import login
from hub.civic.health import idle, kiosk
from hub.civic.health.idle import Patience
from tests.conftest import needs
from tests.health.hutrig import ALL_NAN, HUT, WANG, Hut, digits_of, running
from tests.world import LIUHE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")
HIGH = {"sys": "152", "dia": "88", "map": "109", "pulse": "76"}
SIZE = {"width": 1080, "height": 1920}
SOON_MS = 5_000  # from the cuff to the people: no wait here may be longer


@pytest.fixture
def hut(tmp_path: Path) -> Iterator[Hut]:
    made = Hut(tmp_path, inline=False)
    yield made
    made.store.close()


def open_kiosk(browser: Browser, hut: Hut, url: str, lang: str = "zh-CN") -> Page:
    token = str(hut.write(lambda tx: login.open_session(tx, "kiosk", "kiosk", HUT, area=LIUHE)))
    context = browser.new_context(viewport=SIZE, locale=lang)  # type: ignore[arg-type]
    context.add_cookies([{"name": "linli_kiosk", "value": token, "url": url}])
    page = context.new_page()
    page.goto(f"{url}/kiosk/{HUT}")
    page.wait_for_function("() => window.linliLive && window.linliLive.messages > 0")
    return page


def test_a_visit_from_card_to_cleared_page(browser: Browser, hut: Hut) -> None:
    with running(hut) as url:
        page = open_kiosk(browser, hut, url)
        page.get_by_role("button", name="刷卡测量").click()
        page.wait_for_selector("[data-stage=card]")
        page.wait_for_load_state()  # the keys have no script before that
        for digit in "000001":
            page.locator(f'[data-key="{digit}"]').click()
        page.get_by_role("button", name="确定").click()
        page.get_by_role("button", name="同意并开始").click()
        page.get_by_role("button", name="血压").first.click()
        page.wait_for_selector("[data-stage=measuring]")
        hut.measure(values=HIGH)
        page.wait_for_selector("[data-stage=result]")  # by the live feed: nothing was loaded anew
        sizes = page.eval_on_selector_all(
            ".hk-number", "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
        )
        assert len(sizes) == 2
        assert min(sizes) >= 160
        heights = page.eval_on_selector_all(".hk .btn", "all => all.map(each => each.getBoundingClientRect().height)")
        assert min(heights) >= 120
        assert page.evaluate("document.documentElement.scrollWidth") <= 1080
        hut.clock.advance(60)
        hut.act(idle.sweep, Patience())
        page.wait_for_selector("text=还在使用吗？")
        hut.clock.advance(20)
        hut.act(idle.sweep, Patience())
        page.wait_for_selector("[data-stage=idle]")
        left = page.content()
        for trace in ("152", "王奶奶", "偏高", "还在使用"):
            assert trace not in left, trace
        page.context.close()


def open_desk(browser: Browser, hut: Hut, url: str, who: str, path: str) -> Page:
    token = str(hut.write(lambda tx: login.open_session(tx, "staff", "staff", who, area=LIUHE)))
    context = browser.new_context(locale="zh-CN")
    context.add_cookies([{"name": "linli_staff", "value": token, "url": url}])
    page = context.new_page()
    page.goto(f"{url}{path}")
    page.wait_for_function("() => window.linliLive && window.linliLive.messages > 0")
    return page


def test_an_urgent_value_goes_from_the_cuff_to_the_doctor_and_shows_on_no_shared_screen(
    browser: Browser, hut: Hut
) -> None:
    hut.visit(WANG)
    with running(hut) as url:
        kiosk_page = open_kiosk(browser, hut, url)
        pad = open_desk(browser, hut, url, "s-attendant", "/desk/pad")
        triage = open_desk(browser, hut, url, "s-doctor", "/desk/triage")
        hut.measure(values={"sys": "186", "dia": "112", "map": "137", "pulse": "80"})
        kiosk_page.wait_for_selector("text=数值明显偏高。请坐下休息5分钟", timeout=SOON_MS)
        pad.wait_for_selector("[data-call]", timeout=SOON_MS)
        assert pad.title().startswith("(1)")
        pad.get_by_role("button", name="我来了").click()
        kiosk_page.wait_for_selector("text=工作人员马上就到", timeout=SOON_MS)
        hut.clock.advance(360)
        hut.measure(values={"sys": "184", "dia": "108", "map": "133", "pulse": "80"})
        kiosk_page.wait_for_selector("text=建议今天就医", timeout=SOON_MS)
        assert triage.locator("text=王奶奶").count() == 0  # nobody has agreed yet
        kiosk_page.get_by_role("button", name="告诉家庭医生").click()
        triage.wait_for_selector("text=王奶奶", timeout=SOON_MS)
        due = (hut.clock.now() + timedelta(days=14)).astimezone(ZoneInfo("Asia/Shanghai"))
        row = triage.locator("li", has_text="王奶奶").inner_text()
        for words in ("紧急", "血压", "偏高", f"{due.month}月{due.day}日"):
            assert words in row, words
        for shared in (pad, triage):
            assert not re.search(r"\b(186|112|184|108)\b", shared.locator("body").inner_text())
        triage.get_by_role("button", name="已电话随访").click()
        triage.wait_for_selector("text=近 7 天已办结", timeout=SOON_MS)
        for page in (kiosk_page, pad, triage):
            page.context.close()


def test_earlier_readings_stand_on_one_screen_in_english_too(browser: Browser, hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values={"sys": "121", "dia": "78", "map": "92", "pulse": "53"})  # the longest of words: in range, but
    with running(hut, demo=True) as url:
        page = open_kiosk(browser, hut, url, "en-GB")
        page.get_by_role("button", name="See earlier ones").click()
        page.wait_for_selector("[data-stage=history]")
        assert "Blood pressure" in page.locator(".hk-row-what").all_inner_texts()
        heights = page.eval_on_selector_all(".hk-rows > li", "all => all.map(each => each.offsetHeight)")
        assert max(heights) <= 130, "no word breaks letter by letter"
        assert page.evaluate("document.documentElement.scrollHeight") <= SIZE["height"]
        page.context.close()


def test_a_card_reader_that_types_opens_the_visit(browser: Browser, hut: Hut) -> None:
    hut.visit(WANG)
    hut.act(kiosk.end, HUT)
    with running(hut) as url:
        page = open_kiosk(browser, hut, url)
        page.keyboard.type(WANG)
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-stage=ready]")
        assert page.locator("text=王奶奶，您好").count() == 1
        page.context.close()


def test_a_failed_cuff_shows_no_digit_in_the_browser_either(browser: Browser, hut: Hut) -> None:
    with running(hut) as url:
        page = open_kiosk(browser, hut, url)
        page.get_by_role("button", name="不登录直接测").click()
        page.wait_for_selector("[data-stage=ready]")
        hut.send("bp", ALL_NAN)
        page.wait_for_selector("text=测量未成功,请再测一次")
        assert digits_of(page.locator("[data-stage]").evaluate("each => each.outerHTML")) == ""
        page.context.close()

"""The acceptance walk in a real browser on the README's own program: cuff to phone, desk to TV, sheet to balance."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.conftest import needs
from tests.e2e.conftest import ROOT, DemoUnderTest, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")
PHONE, KIOSK, TV, DESK = (390, 844), (1080, 1920), (1280, 720), (1440, 900)


class Glass:
    """A browser of one's own for each screen, at its real size; what a page complains about fails the test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.complaints: list[str] = []

    def open(self, url: str, size: tuple[int, int]) -> Page:
        context = self._browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.goto(url)
        return page


@pytest.fixture
def glass(browser: Browser) -> Iterator[Glass]:
    made = Glass(browser)
    yield made
    for context in browser.contexts:
        context.close()
    assert made.complaints == []


def linli(demo: DemoUnderTest, *words: str) -> dict[str, Any]:
    """The command line on the running hub's own store, as an operator uses it."""
    command = [sys.executable, "-P", "-m", "hub", *words, "--json", "--data", demo.said["data"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    return dict(json.loads(done.stdout))


def invitation(demo: DemoUnderTest, kind: str, ident: str) -> str:
    return demo.http + str(linli(demo, "user", "invite", kind, ident)["path"])


def live(page: Page) -> None:
    """The page's socket is open and has delivered: pages look right without it, so this is asserted everywhere."""
    page.wait_for_function("() => window.linliLive && window.linliLive.messages > 0", timeout=10_000)


def enter(page: Page, label: str) -> None:
    """Sign-in links may show a button first, so that link previews open nothing."""
    if "code=" in page.url and page.locator("form button").count():
        page.locator("form button").first.click()
    page.wait_for_load_state()
    assert page.url.split("?")[0].endswith(label) or label in page.url


def test_card_cuff_number_on_the_kiosk_and_the_reading_on_the_phone(demo: DemoUnderTest, glass: Glass) -> None:
    phone = glass.open(invitation(demo, "resident", demo.said["resident"]), PHONE)
    enter(phone, "/")
    live(phone)
    before = phone.locator("[data-live^='health.home']").inner_html()
    kiosk = glass.open(next(hut["url"] for hut in demo.said["huts"] if hut["id"] == "lh-hut-1"), KIOSK)
    live(kiosk)
    kiosk.get_by_text("演示:刷卡").click()
    kiosk.wait_for_load_state()
    if kiosk.get_by_text("同意并开始").count():
        kiosk.get_by_text("同意并开始").click()
    kiosk.get_by_text("演示:量血压").click()
    kiosk.wait_for_selector("[data-stored]", timeout=5_000)
    numbers = [int(text) for text in kiosk.locator(".hk-number").all_inner_texts()]
    assert len(numbers) == 2
    assert 60 <= numbers[1] < numbers[0] <= 260
    words = kiosk.inner_text("main")
    assert "不作为诊断依据" in words
    assert "已保存" in words
    phone.wait_for_function(
        "was => document.querySelector(\"[data-live^='health.home']\").innerHTML !== was", arg=before, timeout=5_000
    )
    assert f"{numbers[0]}/{numbers[1]}" in phone.locator("[data-live^='health.home']").inner_text()
    kiosk.get_by_text("结束使用").click()
    kiosk.wait_for_selector("text=不登录直接测")
    assert str(numbers[0]) not in kiosk.inner_text("main"), "nothing of the last visitor stays"


def test_a_frame_by_hand_shows_on_the_kiosk_and_a_failed_one_shows_no_number(demo: DemoUnderTest, glass: Glass) -> None:
    from datetime import datetime

    from tests.e2e.test_by_hand import LOCAL, cuff, hand_cuff, publish

    kiosk = glass.open(_pair(demo, "lh-hut-1"), KIOSK)
    live(kiosk)
    kiosk.get_by_text("不登录直接测").click()
    kiosk.wait_for_load_state()
    assert publish(demo, cuff(147, 92, datetime.now(LOCAL)), device=hand_cuff(demo)).startswith("0")
    kiosk.wait_for_selector("[data-stored]", timeout=5_000)
    assert kiosk.locator(".hk-number").all_inner_texts() == ["147", "92"]
    assert "未记名保存" in kiosk.inner_text("main")
    # The captured frame of a loose cuff, its minute changed so that it is another record than any sent before.
    minute = datetime.now(LOCAL).minute
    failed = bytes.fromhex("16ff07ff07ff07e80706170e") + bytes([minute]) + bytes.fromhex("0aff070000")
    assert publish(demo, failed, device=hand_cuff(demo)).startswith("0")
    kiosk.wait_for_selector("text=测量未成功", timeout=5_000)
    assert not re.search(r"\d{2,}", kiosk.locator("[data-live^='health.kiosk']").inner_text())
    kiosk.get_by_text("结束使用").click()


def _pair(demo: DemoUnderTest, hut: str) -> str:
    return demo.http + str(linli(demo, "kiosk", "pair", hut)["path"])


def test_a_notice_goes_from_the_desk_to_every_screen_and_back(demo: DemoUnderTest, glass: Glass) -> None:
    phone = glass.open(invitation(demo, "resident", demo.said["resident"]), PHONE)
    enter(phone, "/")
    tv = glass.open(demo.url("TV"), TV)
    live(tv)
    live(phone)
    desk = glass.open(demo.url("desk"), DESK)
    desk.goto(f"{demo.http}/desk/notices/new")
    title = f"试水通知{int(time.time()) % 100000}"
    desk.fill("#title", title)
    desk.fill("#text", "明日9时至11时试水,<b>请勿饮用</b>。")
    desk.check("input[name=areas][value='420802002001']")
    desk.click("button[value=release]")
    began = time.monotonic()
    tv.wait_for_function("t => document.body.textContent.indexOf(t) >= 0", arg=title, timeout=5_000)
    phone.wait_for_function("t => document.body.textContent.indexOf(t) >= 0", arg=title, timeout=5_000)
    reached_s = time.monotonic() - began
    print(f"desk to TV and phone: {reached_s:.2f} s")
    assert tv.locator("b", has_text="请勿饮用").count() == 0, "what a person types is text, never markup"
    inbox = eventually(
        lambda: [each for each in _inbox(demo) if title in json.dumps(each, ensure_ascii=False)], 20, "WeChat"
    )
    assert inbox
    desk.wait_for_selector(".card")
    eventually(lambda: re.search(r"\d", desk.locator("[data-live^='notices.reach']").inner_text()), 10, "the live line")
    desk.locator("form[action$='/retract'] button").click()
    tv.wait_for_function("t => document.body.textContent.indexOf(t) < 0", arg=title, timeout=5_000)
    phone.wait_for_function("t => document.body.textContent.indexOf(t) < 0", arg=title, timeout=5_000)


def _inbox(demo: DemoUnderTest) -> list[dict[str, Any]]:
    said = httpx.get(f"{demo.said['sims']['wechat']}/sim/inbox", timeout=10, trust_env=False).json()
    return list(said["items"])


def test_the_signed_board_carries_the_notice_and_loses_it(demo: DemoUnderTest) -> None:
    account = linli(demo, "screen", "create", f"e2e-{time.time_ns() % 10**9}", "--area", demo.home)
    mqtt = demo.said["mqtt"]

    def board() -> dict[str, Any]:
        listen = ["mosquitto_sub", "-h", mqtt["host"], "-p", str(mqtt["port"]), "-V", "mqttv5", "-C", "1", "-W", "5"]
        listen += [
            "-i",
            f"{account['user']}-{time.time_ns()}",
            "-u",
            account["user"],
            "-P",
            account["password"],
            "-q",
            "1",
        ]
        heard = subprocess.run(
            [*listen, "-t", f"linli/1/{demo.home}/board"], capture_output=True, text=True, check=False, timeout=20
        )
        return dict(json.loads(heard.stdout)) if heard.stdout else {}

    first = eventually(board, 10, "a screen account made on the running hub reads the board")
    with demo.api("staff") as api:
        body = {
            "kind": "water",
            "title": "板上通知",
            "text": "试验",
            "audience": {"areas": [demo.home]},
            "priority": "routine",
        }
        ident = api.post("/notices", json=body).json()["id"]
        assert api.post(f"/notices/{ident}/release").status_code == 200
        began = time.monotonic()
        shown = eventually(
            lambda: [b for b in [board()] if any(n["id"] == ident for n in b["notices"])], 5, "on the board"
        )
        print(f"release to board: {time.monotonic() - began:.2f} s")
        assert shown[0]["seq"] > first["seq"]
        assert shown[0]["sig"]
        assert api.post(f"/notices/{ident}/retract", json={"reason": "演示"}).status_code == 200
        eventually(lambda: all(n["id"] != ident for n in board()["notices"]), 5, "off the board")


def test_an_attendance_sheet_becomes_points_on_the_phone(demo: DemoUnderTest, glass: Glass) -> None:
    phone = glass.open(invitation(demo, "resident", demo.said["resident"]), PHONE)
    enter(phone, "/")
    live(phone)
    card = phone.locator("[data-live^='points.home']")

    def balance() -> int:
        return int(re.sub(r"[^\d]", "", re.search(r"[\d,]+", card.inner_text()).group()))  # type: ignore[union-attr]

    before = balance()
    with demo.api("staff") as first, demo.api("second_staff") as second:
        past = [
            each
            for each in first.get("/activities", params={"area": demo.home}).json()["items"]
            if each["ends"] < _now()
        ]
        activity = past[0]["id"]
        accounts = first.get("/points/accounts", params={"owner": demo.said["resident"]}).json()["items"]
        account = next(each["id"] for each in accounts if each["kind"] == "person")
        sheet = first.post("/points/sheets", json={"activity": activity, "rows": [{"account": account, "hours": 1}]})
        assert sheet.status_code in (200, 201), sheet.text
        ident = sheet.json()["id"]
        refused = first.post(f"/points/sheets/{ident}/approve")
        assert refused.status_code in (403, 409), "nobody signs twice"
        assert second.post(f"/points/sheets/{ident}/approve").status_code == 200
    eventually(lambda: balance() > before, 5, "the figure on the phone changed without reload")
    after = balance()
    with demo.api("second_staff") as second:
        second.post(f"/points/sheets/{ident}/approve")
    assert balance() == after


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()


@pytest.mark.parametrize("size", [TV, (640, 530)])
def test_six_tiles_and_the_home_are_reached_and_left_by_the_remote_alone(
    demo: DemoUnderTest, glass: Glass, size: tuple[int, int]
) -> None:
    page = glass.open(demo.url("TV"), size)
    page.wait_for_function("() => window.linliLive && linliLive.messages >= 6")
    names = page.locator(".tile-name").all_inner_texts()
    assert names == ["通知公告", "社区动态", "办事指南", "积分光荣榜", "活动预告", "联系社区"]
    for place, name in enumerate(names):
        if place:
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.inner_text("#list-title") == name
        assert page.locator(".line").count() > 0
        page.keyboard.press("Enter")
        assert page.is_visible("#text")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
        for _ in range(2):
            page.keyboard.press("Backspace")
        assert page.is_visible("#tiles")
    page.evaluate("() => { var e = new Event('keydown'); e.keyCode = 278; document.dispatchEvent(e); }")
    assert page.inner_text("#list-title") == "我家"
    page.keyboard.press("Backspace")
    assert page.is_visible("#tiles")

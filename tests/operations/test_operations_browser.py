"""The board in a real Chromium: at its size nothing is cut, it is alive, and its one button works by keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub.civic.operations import acts
from tests.conftest import needs
from tests.operations.opsrig import CANARY, Ops, running, token

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")
BOARD, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = Ops(tmp_path, inline=False)
    made.busy_day()
    yield made
    made.store.close()


def open_board(
    browser: Browser, ops: Ops, url: str, size: dict[str, int], theme: str = "light", lang: str = "zh"
) -> Page:
    context = browser.new_context(viewport=size)  # type: ignore[arg-type]
    context.add_cookies(
        [
            {"name": "linli_staff", "value": token(ops), "url": url},
            {"name": "linli_theme", "value": theme, "url": url},
            {"name": "linli_lang", "value": lang, "url": url},
        ]
    )
    page = context.new_page()
    page.goto(f"{url}/operate")
    page.wait_for_selector("html[data-line=on]")
    return page


@pytest.mark.parametrize(
    ("size", "theme", "lang"),
    [(BOARD, "light", "zh"), (BOARD, "dark", "en"), (PHONE, "light", "zh"), (PHONE, "dark", "en")],
)
def test_nothing_is_cut_and_the_queue_stands_first(
    browser: Browser, ops: Ops, size: dict[str, int], theme: str, lang: str
) -> None:
    with running(ops) as url:
        page = open_board(browser, ops, url, size, theme, lang)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        first = page.eval_on_selector_all(".ops section.card", "all => all[0].className")
        assert "ops-work" in first
        cut = page.evaluate(
            """() => [...document.querySelectorAll('.ops .chart text')].filter(each => {
              const box = each.getBoundingClientRect(), frame = each.closest('svg').getBoundingClientRect();
              return box.width && (box.left < frame.left - 2 || box.right > frame.right + 2);
            }).map(each => each.textContent)"""
        )
        assert not cut
        shot = os.environ.get("LINLI_SHOTS")
        if shot:
            page.screenshot(path=f"{shot}/operate-{size['width']}-{theme}-{lang}.png", full_page=True)
        page.context.close()


def test_at_1440_the_lower_third_is_in_use(browser: Browser, ops: Ops) -> None:
    with running(ops) as url:
        page = open_board(browser, ops, url, BOARD)
        covered = page.evaluate(
            """() => [...Array(30).keys()].map(n => 604 + 10 * n)
                .map(y => !!document.elementFromPoint(700, y).closest('.ops .card'))"""
        )
        assert sum(covered) >= 24, "between two cards there is a gap, and no more than gaps"
        page.context.close()


def test_a_reading_moves_the_counters_and_the_plot_of_an_open_page(browser: Browser, ops: Ops) -> None:
    with running(ops) as url:
        page = open_board(browser, ops, url, BOARD)
        before = page.locator(".ops-plot .chart .ops-mark-ok").count()
        ops.send(ops.up(CANARY[:-1] + b"\x05"))
        loop = ops.loop
        assert loop is not None
        for _tick in range(4):
            loop.call_soon_threadsafe(ops.clock.advance, 1)
            page.wait_for_timeout(100)  # the job's own steps run in the server's thread
        page.locator(".ops-plot .chart .ops-mark-ok").nth(before).wait_for(state="attached")
        page.wait_for_selector(".ops-law b:has-text('7')")
        page.context.close()


def test_dealt_with_is_pressed_by_keyboard(browser: Browser, ops: Ops) -> None:
    with running(ops) as url:
        page = open_board(browser, ops, url, BOARD)
        page.locator(".ops-aside form button").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".ops-aside .ops-seen")
        assert sum(1 for row in ops.quarantined() if row.seen) == 1
        page.context.close()


def test_the_queue_is_worked_by_keyboard_and_the_last_act_taken_back(browser: Browser, ops: Ops) -> None:
    with running(ops) as url:
        page = open_board(browser, ops, url, BOARD)
        first = page.locator(".ops-work .ops-task[data-key]").first.get_attribute("data-key")
        page.keyboard.press("?")
        page.wait_for_selector("#ops-keys:not([hidden])")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.locator(".ops-chosen").get_attribute("data-key") == first
        page.keyboard.press("a")
        page.wait_for_selector("[data-undo]")
        page.wait_for_selector(f".ops-taken[data-key='{first}']")
        page.keyboard.press("u")
        page.wait_for_url(f"{url}/operate")
        assert page.locator(".ops-taken").count() == 0
        held = ops.store.read_now(acts.holds)
        assert held[str(first)].acked_at is None
        assert not page.locator("[data-undo]").count(), "nothing is left to take back"
        page.context.close()

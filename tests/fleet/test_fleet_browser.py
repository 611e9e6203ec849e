"""A phone before a device: the label's address opens, the hut is chosen, the place said, done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub import login
from hub.civic.fleet import claims
from hub.civic.fleet.book import ACT
from hub.registry import Device
from tests.conftest import needs
from tests.fleet.fleetrig import BP, CITY, HUT, Fleet, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path, inline=False)
    yield made
    made.store.close()


def axe(page: Page) -> list[str]:
    """What axe finds; a page on which it never ends fails at the wait."""
    from axe_playwright_python.base import AXE_SCRIPT

    page.evaluate(AXE_SCRIPT)
    page.evaluate("() => { axe.run().then(found => { window.axeFound = found.violations; }); }")
    page.wait_for_function("() => window.axeFound", timeout=30_000)
    found = page.evaluate("() => window.axeFound")
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def test_an_attendant_sets_a_device_up_with_a_phone(browser: Browser, fleet: Fleet) -> None:
    label: claims.Label = fleet.act(claims.enter, fleet.who(), ACT, CITY, BP, "PLATE-77")
    token = fleet.act(login.open_session, "staff", "staff", "s-attendant")
    with running(fleet) as url:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        context.add_cookies(
            [{"name": "linli_staff", "value": token, "url": url}, {"name": "linli_lang", "value": "zh", "url": url}]
        )
        page = context.new_page()
        page.goto(f"{url}/claim?code={label.code}")  # what the label's QR says
        page.get_by_role("button", name="下一步").click()
        page.get_by_text("PLATE-77").wait_for()
        page.get_by_label("摆放位置").fill("左侧台面")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        small = page.eval_on_selector_all(
            "main button, main input[type=text], main .choice",
            "all => all.filter(each => each.getBoundingClientRect().height < 44).map(each => each.outerHTML)",
        )
        assert not small, "a thumb must hit it"
        assert not axe(page)
        if shots := os.environ.get("LINLI_SHOTS"):
            page.screenshot(path=f"{shots}/claim-390-zh.png", full_page=True)
        page.get_by_role("button", name="确认安装在这里").click()
        page.get_by_role("heading", name="设备已安装").wait_for()
        context.close()
    device = fleet.look(lambda read: read.session.get(Device, label.device))
    assert (device.state, device.gateway, device.place) == ("provisioned", HUT, "左侧台面")

"""The stage from the outside: who opens it plays every part; each act goes the ordinary way and is seen to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub import quarantine
from hub.civic.points.models import Account
from hub.civic.stage.playing import ACTS
from hub.main import wiring
from tests.conftest import needs
from tests.stage.rig import House, csrf, house, settings
from web.app import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("stage")) as it:
        yield it


@pytest.fixture
def visitor(home: House) -> Iterator[httpx.Client]:
    with home.visitor() as client:
        yield client


def play(client: httpx.Client, name: str) -> httpx.Response:
    page = client.get("/stage")
    return client.post(f"/stage/act/{name}", headers={"x-csrf": csrf(page.text)})


def seen(look: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Looking again is how an outsider waits for a screen."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def trail(client: httpx.Client) -> str:
    return client.get("/stage").text.split('class="st-trail"')[1]


def test_whoever_opens_the_stage_is_signed_in_on_every_screen(home: House, visitor: httpx.Client) -> None:
    page = visitor.get("/stage")
    assert (page.status_code, page.url.path, page.url.query) == (200, "/stage", b"")
    assert {f"linli_{family}" for family in ("resident", "kiosk", "staff")} <= set(visitor.cookies)
    assert all(f"/stage/act/{name}" in page.text for name in ACTS)
    for path in (f"/kiosk/{home.services.stage.hut_id}", "/", f"/tv/{home.services.stage.area}", "/operate"):
        screen = visitor.get(path)
        assert screen.status_code == 200, path
        assert "frame-ancestors 'self'" in screen.headers["content-security-policy"]
        assert screen.headers["x-frame-options"] == "SAMEORIGIN"


def test_the_cookies_are_the_shells_own_kind_and_stay_when_they_are_good(home: House) -> None:
    with home.visitor() as visitor:
        first = visitor.get("/stage", follow_redirects=False)
        given = first.headers.get_list("set-cookie")
        assert len(given) == 3
        assert all("HttpOnly" in each and "SameSite=lax" in each and "Path=/" in each for each in given)
        visitor.get("/stage")
        before = dict(visitor.cookies)
        visitor.get("/stage")
        assert dict(visitor.cookies) == before


def test_a_browser_without_cookies_is_told_so_and_not_sent_in_circles(home: House) -> None:
    refused = httpx.get(f"{home.url}/stage?signed=1", trust_env=False, timeout=30)
    assert refused.status_code == 422
    assert "Cookie" in refused.text


def test_an_act_needs_the_pages_token_and_our_own_origin(home: House, visitor: httpx.Client) -> None:
    token = csrf(visitor.get("/stage").text)
    assert visitor.post("/stage/act/points").status_code == 403
    foreign = {"x-csrf": token, "origin": "http://elsewhere.example"}
    assert visitor.post("/stage/act/points", headers=foreign).status_code == 403
    assert visitor.get("/stage", headers={"host": "elsewhere.example"}).status_code == 421


def test_there_is_no_other_act(visitor: httpx.Client) -> None:
    answer = play(visitor, "encore")
    assert answer.status_code == 404


def test_without_script_a_button_is_a_form_that_comes_back(visitor: httpx.Client) -> None:
    token = csrf(visitor.get("/stage").text)
    answer = visitor.post("/stage/act/device", data={"csrf": token}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/stage")
    seen(lambda: "no longer answers" in trail(visitor), "the device's silence is on the trail")
    assert play(visitor, "device").status_code == 204
    seen(lambda: "answers again" in trail(visitor), "pressed again, it comes back")


def test_grandma_measures_and_the_way_is_drawn_from_frame_to_screens(home: House, visitor: httpx.Client) -> None:
    assert play(visitor, "grandmother").status_code == 204
    seen(lambda: "Tied to the visit" in trail(visitor), "the reading is bound to her visit")
    kiosk = visitor.get(f"/kiosk/{home.services.stage.hut_id}").text
    assert 'data-stage="result"' in kiosk
    drawn = trail(visitor)
    for words in ("A device speaks", "lh1-bp-1", "Stored", "ms</b>"):
        assert words in drawn


def test_a_notice_is_on_the_phone_and_on_the_tv(home: House, visitor: httpx.Client) -> None:
    assert play(visitor, "notice").status_code == 204
    seen(lambda: "Power off" in visitor.get("/").text, "the notice is on the phone")
    assert "停电通知" in visitor.get(f"/tv/{home.services.stage.area}", headers={"accept-language": "zh"}).text
    seen(lambda: "Notice released by a second person" in trail(visitor), "the release is on the trail")


def test_an_activitys_points_are_credited_once_per_press(home: House, visitor: httpx.Client) -> None:
    def balance() -> int:
        owner = home.services.stage.cast["resident"]
        held = select(func.sum(col(Account.balance))).where(col(Account.owner) == owner)
        return int(home.read(lambda read: read.session.execute(held).scalar()) or 0)

    before = balance()
    assert play(visitor, "points").status_code == 204
    seen(lambda: balance() > before, "the points are hers")
    seen(lambda: "Points posted" in trail(visitor), "the postings are on the trail")
    assert balance() == before + 20


def test_a_bad_frame_is_set_aside_and_said_so(home: House, visitor: httpx.Client) -> None:
    before = len(home.read(quarantine.newest))
    assert play(visitor, "bad_frame").status_code == 204
    seen(lambda: len(home.read(quarantine.newest)) == before + 1, "it is in quarantine")
    seen(lambda: "Unreadable: set aside" in trail(visitor), "the trail says where it ended")


def test_what_gathered_while_the_line_was_cut_comes_and_is_nobodys(home: House, visitor: httpx.Client) -> None:
    assert play(visitor, "flood").status_code == 204
    seen(lambda: "line is cut" in trail(visitor) or "A device speaks" in trail(visitor), "the cut is on the trail")
    seen(lambda: home.hut.gateway.journal.pending() == [] and "Stored" in trail(visitor), "all of it has come")
    assert "Tied to the visit" not in trail(visitor)


def test_under_serve_there_is_no_stage(tmp_path: Path) -> None:
    knobs = settings(tmp_path)
    services = wiring.services(knobs, demo=False)
    assert "stage" not in [module.name for module in services.modules]
    app = create_app(services)
    paths = {getattr(route, "path", "") for route in app.routes}
    assert not [path for path in paths if path.startswith("/stage")]
    services.store.close()


@pytest.fixture
def glass(browser: Browser, home: House) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{home.url}/stage")
    page.wait_for_function("() => window.linliLive && window.linliLive.connected")
    yield page
    context.close()
    assert complaints == []


@needs("chromium")
def test_every_button_changes_a_screen(home: House, glass: Page) -> None:
    stage = home.services.stage
    kiosk = glass.frame_locator(f"iframe[src='/kiosk/{stage.hut_id}']")
    phone = glass.frame_locator("iframe[src='/']")
    tv = glass.frame_locator(f"iframe[src='/tv/{stage.area}']")
    board = glass.frame_locator("iframe[src='/operate']")
    for screen in (kiosk, phone, tv, board):
        screen.locator("body").wait_for()

    def press(name: str) -> None:
        glass.click(f"form[action='/stage/act/{name}'] button")
        glass.locator(".st-way header p").filter(
            has_text=glass.locator(f"[action='/stage/act/{name}']").inner_text()
        ).wait_for()

    press("grandmother")
    kiosk.locator("[data-stage=result]").wait_for()
    press("urgent")
    kiosk.get_by_text("186").first.wait_for()
    points = phone.locator("[data-live^='points.']").first.inner_text()
    press("points")
    seen(lambda: phone.locator("[data-live^='points.']").first.inner_text() != points, "her points on the phone")
    press("notice")
    phone.get_by_text("停电通知").first.wait_for()
    tv.get_by_text("停电通知").first.wait_for(state="attached")
    press("drill")
    tv.get_by_text("演练：暴雨红色预警").first.wait_for()
    before = board.locator("body").inner_text()
    press("bad_frame")
    seen(lambda: board.locator("body").inner_text() != before, "the quarantine on the board")
    press("device")
    glass.get_by_text("设备不再应答").wait_for()
    press("device")
    glass.get_by_text("设备恢复应答").wait_for()
    press("flood")
    seen(lambda: home.hut.gateway.journal.pending() == [], "what gathered has come")


@needs("chromium")
def test_everything_is_in_sight_at_its_true_proportion(glass: Page) -> None:
    for box, wide, high in (
        (".st-kiosk", 1080, 1920),
        (".st-phone", 390, 844),
        (".st-tv", 1280, 720),
        (".st-board", 1440, 900),
    ):
        found = glass.locator(f"{box} iframe").bounding_box()
        assert found is not None
        assert abs(found["width"] / found["height"] - wide / high) < 0.01
        assert found["x"] + found["width"] <= 1440
        assert found["y"] + found["height"] <= 900
    assert glass.evaluate("document.documentElement.scrollWidth") <= 1440

"""The shell in a real browser: live messages, the D-pad, elder mode, offline, and no axe finding on any page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults

from hub.login import close_sessions_of
from tests.conftest import needs
from tests.web import tv_layout
from tests.web.shell_world import Shell, make_shell, running
from tests.world import LIUHE
from web.live import Proof

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")
PHONE, DESK, KIOSK, TV = (390, 844), (1440, 900), (1080, 1920), (1280, 720)
BODY = "因二期供水管网抢修，今日 14:00 至 16:00 对 5、6、7 号楼停水，请居民朋友提前储水。给您带来不便，敬请谅解。"
BROKEN: list[str] = []
OLD_TITLE = "志愿者手工花课，参加可得 5 积分"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    made = make_shell(tmp_path_factory.mktemp("pages"), inline=False)
    with running(made):
        yield made


@pytest.fixture(autouse=True)
def quiet(shell: Shell) -> Iterator[None]:
    """Each test begins with one notice and no emergency, and ends without a script having failed."""
    BROKEN.clear()
    shell.tiny.notes.clear()
    shell.tiny.emergency.clear()
    shell.write(lambda tx: (shell.tiny.note(tx, OLD_TITLE, BODY), tx.touch("tiny.alarm", LIUHE)))
    yield
    assert BROKEN == []


def visit(
    browser: Browser,
    shell: Shell,
    path: str,
    size: tuple[int, int],
    lang: str = "zh",
    *,
    worker: bool = False,
    **cookies: str,
) -> Page:
    # Only what is about the service worker waits for one: a context has no bound for closing beside its set-up.
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale="zh-CN" if lang == "zh" else "en-GB",
        service_workers="allow" if worker else "block",
    )
    page = context.new_page()
    eat(page, shell, cookies)
    page.on("pageerror", lambda error: BROKEN.append(f"{page.url}: {error}"))
    page.goto(shell.url + path)
    return page


def eat(page: Page, shell: Shell, cookies: dict[str, str]) -> None:
    jar = [{"name": name, "value": value, "url": shell.url} for name, value in cookies.items()]
    page.context.add_cookies(jar)  # type: ignore[arg-type]


def resident(shell: Shell) -> str:
    return shell.token("resident", "resident", "r-wang")


def live(page: Page, messages: int = 1) -> None:
    until(page, f"linliLive.messages >= {messages}")


def until(page: Page, expression: str, argument: Any = None, *, timeout_s: float = 10) -> None:
    """Playwright's own wait evaluates strings in the page, which our policy forbids; this asks from outside."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(expression, argument):
        if time.monotonic() > end:
            pytest.fail(f"never came true: {expression}")
        page.wait_for_timeout(20)


def test_a_notice_comes_to_the_phone_without_reload(browser: Browser, shell: Shell) -> None:
    page = visit(browser, shell, "/", PHONE, linli_resident=resident(shell))
    live(page, 2)
    assert page.evaluate("linliLive.way") == "socket"
    shell.write(lambda tx: shell.tiny.note(tx, "二期停水"))
    page.wait_for_selector("text=二期停水")
    assert page.evaluate("linliLive.messages") == 3
    assert page.locator("[data-live].fresh").count() == 1
    page.context.close()


@pytest.mark.parametrize("missing", ["WebSocket", "WebSocket EventSource"])
def test_without_websocket_the_page_listens_to_events_and_without_those_it_polls(
    browser: Browser, shell: Shell, missing: str
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.add_init_script("".join(f"delete window.{name};" for name in missing.split()))
    page = context.new_page()
    page.goto(f"{shell.url}/tv/{LIUHE}")
    live(page, 3)
    assert page.evaluate("linliLive.way") == ("poll" if "EventSource" in missing else "events")
    shell.write(lambda tx: shell.tiny.note(tx, "二期停水"))
    until(page, "document.getElementById('hero-title').textContent === '二期停水'", timeout_s=12)
    context.close()


def test_what_someone_is_typing_is_never_taken_from_under_the_fingers(browser: Browser, shell: Shell) -> None:
    page = visit(browser, shell, "/me", PHONE, linli_resident=resident(shell))
    live(page)
    page.fill("#say", "半句话")
    shell.write(lambda tx: tx.touch("tiny.form", LIUHE))
    shell.write(lambda tx: (shell.tiny.note(tx, "x"), tx.touch("tiny.form", LIUHE)))
    until(page, "linliLive.messages >= 2")
    assert page.input_value("#say") == "半句话"
    token = page.locator("meta[name=linli-csrf]").get_attribute("content")
    assert page.locator("form[action='/tiny-say'] input[name=csrf]").input_value() == token
    page.context.close()


def test_a_title_full_of_markup_is_only_text(browser: Browser, shell: Shell) -> None:
    page = visit(browser, shell, "/", PHONE, linli_resident=resident(shell))
    page.on("dialog", lambda dialog: BROKEN.append("a script ran"))
    live(page, 2)
    for title in ("<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "<svg onload=alert(1)>"):
        shell.write(lambda tx, title=title: shell.tiny.note(tx, title, title))
        until(page, "title => document.body.textContent.indexOf(title) >= 0", title)
    assert page.locator("main img, main script, [onload], [onerror]").count() == 0
    tv = visit(browser, shell, f"/tv/{LIUHE}", TV)
    tv.keyboard.press("Enter")
    tv.keyboard.press("Enter")
    assert tv.locator("#text-title").text_content() == "<svg onload=alert(1)>"
    assert tv.locator("#stage img:not(#text-code), #stage svg").count() == 0
    for each in (page, tv):
        each.context.close()


def test_in_view_is_shown_and_pressed_is_seen(browser: Browser, shell: Shell) -> None:
    got: list[Proof] = []

    async def keep(who: Any, terminal: str, proofs: list[Proof]) -> None:
        got.extend(proofs)

    shell.app.state.live.on_proof = keep
    page = visit(browser, shell, "/", PHONE, linli_resident=resident(shell))
    page.evaluate("document.body.setAttribute('data-shown-ms', '600')")
    until(page, "linliLive.proofs >= 1")
    page.click("[data-notice]")
    until(page, "linliLive.proofs >= 2")
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), shell.loop).result(5)  # type: ignore[arg-type]
    until(page, "linliLive.connected")
    assert {(proof.notice, proof.level) for proof in got} >= {("n0", "shown")}
    page.context.close()
    shell.app.state.live.on_proof = None


def test_a_revoked_session_s_page_goes_to_the_sign_in(browser: Browser, shell: Shell) -> None:
    token = shell.token("staff", "staff", "s-staff")
    page = visit(browser, shell, "/desk/tiny", DESK, linli_staff=token)
    live(page)
    shell.write(lambda tx: close_sessions_of(tx, "s-staff"))
    page.wait_for_selector("input[name=password]")  # how soon: test_live.py, which loads no page
    assert page.is_visible("input[name=password]")
    page.context.close()


def test_the_first_page_reads_offline_and_signing_out_clears_it(browser: Browser, shell: Shell) -> None:
    page = visit(browser, shell, "/", PHONE, worker=True, linli_resident=resident(shell))
    until(page, "navigator.serviceWorker.controller !== null")
    page.reload()
    until(page, "caches.match('/').then(function (kept) { return Boolean(kept); })")
    context = page.context
    context.set_offline(True)
    page.close()
    page = context.new_page()
    page.goto(shell.url)
    assert "王奶奶" in page.inner_text("h1")
    page.context.set_offline(False)
    page.goto(f"{shell.url}/me")
    page.click("form[data-leave] button")
    page.wait_for_selector("a[href='/login?surface=resident']")
    kept = page.evaluate("caches.match('/').then(function (kept) { return kept ? kept.text() : ''; })")
    assert "王奶奶" not in kept
    page.context.close()


KEY = """function (kind, code) {
  var event = document.createEvent("Event");
  event.initEvent(kind, true, true);
  event.keyCode = code;
  document.dispatchEvent(event);
}"""


def tv(browser: Browser, shell: Shell, size: tuple[int, int] = TV) -> Page:
    page = visit(browser, shell, f"/tv/{LIUHE}", size)
    live(page, 3)
    return page


def shown(page: Page) -> list[str]:
    return [name for name in ("hero", "tiles", "list", "text", "alarm", "strip") if page.is_visible(f"#{name}")]


def test_six_keys_reach_everything_on_the_tv(browser: Browser, shell: Shell) -> None:
    page = tv(browser, shell)
    assert page.locator(".on").inner_text().startswith("1")
    page.keyboard.press("ArrowDown")
    assert page.locator(".on").inner_text().startswith("2")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert shown(page) == ["list"]
    assert page.locator(".line.on b").inner_text() == OLD_TITLE
    page.keyboard.press("Enter")
    assert shown(page) == ["text"]
    assert page.inner_text("#text-body").startswith("因二期供水管网抢修")
    page.keyboard.press("Backspace")
    assert shown(page) == ["list"]
    page.keyboard.press("Backspace")
    assert shown(page) == ["hero", "tiles"]
    page.keyboard.press("ArrowLeft")
    assert page.locator("#hero.on").count() == 1
    page.keyboard.press("2")
    assert shown(page) == ["list"]
    page.keyboard.press("Escape")
    page.context.close()


def test_a_box_that_only_knows_keypress_works_too(browser: Browser, shell: Shell) -> None:
    page = tv(browser, shell)
    page.evaluate(f"({KEY})('keypress', 13)")
    assert shown(page) == ["list"]
    told = {"type": "EVENT_MEDIA_END"}  # the box's own event: a film has ended, and nobody reads less for it
    page.evaluate("told => { window.Utility = {getEvent: () => JSON.stringify(told)}; }", told)
    page.evaluate(f"({KEY})('keypress', 768)")
    assert shown(page) == ["list"]
    page.evaluate("() => { window.Utility = {getEvent: () => JSON.stringify({type: 'EVENT_GO_CHANNEL'})}; }")
    page.evaluate(f"({KEY})('keypress', 768)")
    assert shown(page) == ["hero", "tiles"], "another channel was called"
    page.context.close()


def test_back_on_the_first_page_returns_to_the_operator_s_portal_and_nowhere_strange(
    browser: Browser, shell: Shell
) -> None:
    page = visit(browser, shell, f"/tv/{LIUHE}?back=javascript:alert(1)", TV)
    page.keyboard.press("Backspace")
    assert f"/tv/{LIUHE}" in page.url
    portal = f"{shell.url}/login"
    page.goto(f"{shell.url}/tv/{LIUHE}?back={portal}")
    # A key from outside would wait for ever for the page it has just left.
    page.evaluate(f"setTimeout(function () {{ ({KEY})('keydown', 8); }}, 0); true")
    page.wait_for_url("**/login")
    page.context.close()


def alarm(shell: Shell, *, drill: bool = False, rev: int = 1, end: str = "") -> None:
    shell.tiny.emergency[:] = [
        {"id": "e1", "rev": rev, "title": f"暴雨红色预警：请立即转移{end}", "body": BODY * 8, "drill": drill}
    ]
    shell.write(lambda tx: tx.touch("tiny.alarm", LIUHE))


def test_an_emergency_covers_the_tv_says_how_to_close_and_is_read_whole(browser: Browser, shell: Shell) -> None:
    page = tv(browser, shell)
    alarm(shell)
    page.wait_for_selector("#alarm-title:visible")
    assert page.locator("#alarm").bounding_box() == {"x": 0, "y": 0, "width": 1280, "height": 720}
    assert "返回" in page.inner_text("#alarm-close")
    first = page.inner_text("#alarm-page")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#alarm-page") != first
    page.keyboard.press("Backspace")
    assert shown(page) == ["hero", "tiles", "strip"]
    for red in (275, 1108):
        page.evaluate(f"({KEY})('keydown', {red})")
        assert page.is_visible("#alarm"), "the red key reads it again"
        page.keyboard.press("Backspace")
    shell.write(lambda tx: tx.touch("tiny.alarm", LIUHE))
    until(page, "linliLive.messages >= 5")
    assert not page.is_visible("#alarm")  # closed stays closed, until there is a new revision
    alarm(shell, rev=2)
    page.wait_for_selector("#alarm-title:visible")
    until(page, "document.getElementById('chime').currentTime > 0")
    shell.tiny.emergency.clear()
    shell.write(lambda tx: tx.touch("tiny.alarm", LIUHE))
    page.wait_for_selector("#alarm", state="hidden")
    assert shown(page) == ["hero", "tiles"]
    page.context.close()


def test_without_a_line_the_tv_keeps_what_it_has_and_says_how_old_it_is(browser: Browser, shell: Shell) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN", service_workers="block")
    page = context.new_page()
    page.clock.install()
    page.goto(f"{shell.url}/tv/{LIUHE}")
    live(page, 3)
    day = page.inner_text("#day")
    context.set_offline(True)  # as when a plug is pulled: it cuts no socket that stands, and no word of an end comes
    page.clock.run_for(45_000)
    assert page.evaluate("linliLive.connected"), "quiet for less than two beats is no cut"
    page.clock.run_for(10_000)
    page.clock.fast_forward(25_000)
    assert page.inner_text("#day") == "线路暂时中断"
    page.clock.fast_forward(4 * 60_000)
    assert page.inner_text("#day") == "线路中断，显示的是4分钟前的内容"
    assert page.inner_text("#hero-title") == OLD_TITLE
    page.clock.fast_forward(7 * 3_600_000)  # it would ask for itself anew after six hours, and find nothing
    assert page.inner_text("#hero-title") == OLD_TITLE
    context.set_offline(False)
    with page.expect_navigation():
        page.clock.fast_forward(40_000)
        until(page, "linliLive.connected")
        page.clock.fast_forward(10_000)
    assert page.inner_text("#day") == day
    context.close()


def test_a_box_whose_clock_is_set_back_shows_no_nonsense_and_asks_for_the_time(browser: Browser, shell: Shell) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN", service_workers="block")
    page = context.new_page()
    page.clock.install()
    page.goto(f"{shell.url}/tv/{LIUHE}")
    live(page, 3)
    before = page.inner_text("#clock")
    page.keyboard.press("1")  # while somebody reads nothing is taken away
    page.clock.set_system_time(0)
    page.clock.run_for(10_000)
    told = [int(part) for part in page.inner_text("#clock").split(":")]
    was = [int(part) for part in before.split(":")]
    assert 0 <= (told[0] * 60 + told[1]) - (was[0] * 60 + was[1]) <= 2 or told[0] == 0
    assert page.inner_text("#list-title")
    page.keyboard.press("Backspace")
    with page.expect_navigation():
        page.clock.run_for(10_000)
    context.close()


def test_a_drill_looks_like_no_emergency(browser: Browser, shell: Shell) -> None:
    page = tv(browser, shell)
    grounds = []
    for drill, rev in ((False, 1), (True, 2)):
        page.evaluate("() => { var it = document.getElementById('chime'); it.pause(); it.currentTime = 0; }")
        alarm(shell, drill=drill, rev=rev)
        page.wait_for_selector("#alarm-title:visible")
        until(page, "drill => /drill/.test(document.body.className) === drill", drill)
        grounds.append(page.evaluate("getComputedStyle(document.getElementById('alarm')).backgroundColor"))
    assert grounds[0] != grounds[1]
    assert page.evaluate("document.getElementById('chime').currentTime") == 0  # a drill has no chime
    assert "演练" in page.inner_text("#alarm-word")
    page.context.close()


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (640, 530), (800, 450)])
def test_the_tv_fits_its_screen_with_a_safe_margin(browser: Browser, shell: Shell, size: tuple[int, int]) -> None:
    page = tv(browser, shell, size)
    for name in ("#place", "#tiles", "#foot"):
        box = page.locator(name).bounding_box()
        assert box is not None
        assert box["x"] >= size[0] * 0.045
        assert box["x"] + box["width"] <= size[0] * 0.955
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.context.close()


@pytest.mark.parametrize(("size", "lang"), [((1280, 720), "zh"), ((640, 530), "en")])
def test_nothing_on_the_tv_is_cut_small_or_over_something_else(
    browser: Browser, shell: Shell, size: tuple[int, int], lang: str
) -> None:
    account = "请汇到账号" + "6222" * 25  # a number without its end is another number
    shell.write(lambda tx: shell.tiny.note(tx, OLD_TITLE * 2, account + BODY * 4))
    page = visit(browser, shell, f"/tv/{LIUHE}", size, lang)
    live(page, 3)
    found = tv_layout.faults(page, size)
    for key in ("1", "Enter", "ArrowRight"):
        page.keyboard.press(key)
        found += [f"after {key}: {each}" for each in tv_layout.faults(page, size)]
    assert not page.is_visible("#foot-digits"), "digits answer the notice that is open"
    for rev, end in enumerate(("", "，地点：社区服务中心二楼", "，请互相转告" * 16)):
        alarm(shell, rev=rev, end=end)
        page.wait_for_function(f"() => document.getElementById('alarm-title').textContent.endsWith('转移{end}')")
        found += tv_layout.faults(page, size)
        title = page.locator("#alarm-title")
        whole = title.evaluate("node => node.scrollHeight <= node.clientHeight + 12")
        again = page.inner_text("#alarm-body").startswith(title.text_content() or "?")
        assert again is not whole, "where to go is lost, or said twice"
    page.keyboard.press("Backspace")
    assert found + tv_layout.faults(page, size) == []
    page.context.close()


VIEWS = [
    ("/", PHONE, "resident"),
    ("/me", PHONE, "resident"),
    ("/", DESK, "resident"),
    (f"/?area={LIUHE}", PHONE, ""),
    ("/login", PHONE, ""),
    ("/nothing", PHONE, ""),
    ("/desk/tiny", DESK, "staff"),
    ("/desk/tiny", PHONE, "staff"),
]


# Plain on every page, elder on the richer half; the looks that only change colours on the richest ones,
# and there the one rule of axe that asks about colours.
LOOKS: list[tuple[str, dict[str, str], list[int]]] = [
    ("zh", {}, list(range(8))),
    ("en", {"linli_mode": "elder"}, [0, 1, 6, 7]),
    ("zh", {"linli_mode": "elder"}, [7]),
    ("zh", {"linli_theme": "dark"}, [6]),
    ("zh", {"linli_theme": "dark", "linli_mode": "elder"}, [1]),
    ("en", {"linli_contrast": "high"}, [6]),
]


@pytest.mark.parametrize(("lang", "look", "views"), LOOKS, ids=lambda each: each if isinstance(each, str) else None)
def test_every_shell_page_fits_and_has_no_axe_finding(
    browser: Browser, shell: Shell, lang: str, look: dict[str, str], views: list[int]
) -> None:
    tokens = {"resident": resident(shell), "staff": shell.token("staff", "staff", "s-staff")}
    # One tab walks through them all: a context for each page would cost as much again as the page.
    page = visit(browser, shell, "/static/web.css", DESK, lang)
    for path, size, who in [VIEWS[view] for view in views]:
        cookies = {**look, **({f"linli_{who}": tokens[who]} if who else {})}
        page.context.clear_cookies()
        eat(page, shell, cookies)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(shell.url + path)
        assert page.url == shell.url + path, "another page than the one to be looked at"
        tap_px = 30 if who == "staff" else 60 if look.get("linli_mode") else 44
        colours_only = bool(look.keys() - {"linli_mode"})
        check(page, f"{path} {size} {look} {lang}", size, tap_px, ("color-contrast",) if colours_only else ())
    page.context.close()


def examined(page: Page, only: tuple[str, ...] = ()) -> AxeResults:
    """What axe finds. The package's own call waits without a bound for a promise; this one says when none comes."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    page.evaluate(
        """options => { window.axeFound = null; axe.run(options).then(
          found => { window.axeFound = found; }, error => { window.axeFound = {failed: String(error)}; }); }""",
        {"resultTypes": ["violations"], "preload": False, **({"runOnly": list(only)} if only else {})},
    )
    page.wait_for_function("() => window.axeFound", timeout=60_000, polling=50)
    found = page.evaluate("() => window.axeFound")
    assert "failed" not in found, found
    return AxeResults(found)


def check(page: Page, what: str, size: tuple[int, int], tap_px: float, only: tuple[str, ...] = ()) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], what
    found = examined(page, only)
    assert found.violations_count == 0, what + "\n" + found.generate_report()
    low = page.evaluate(
        """least => Array.from(document.querySelectorAll(".btn, .input, .bar a, .choice")).filter(function (part) {
          return part.offsetHeight && part.offsetHeight < least;
        }).map(function (part) { return part.outerHTML.slice(0, 120) + part.offsetHeight; })""",
        tap_px,
    )
    assert low == [], what
    covered = page.evaluate(
        """() => {
          var bar = document.querySelector(".bar"), last = document.querySelector(".foot button");
          window.scrollTo(0, document.documentElement.scrollHeight);
          return bar && last ? last.getBoundingClientRect().bottom - bar.getBoundingClientRect().top : -1;
        }"""
    )
    assert covered <= 0, f"{what}: the language switch lies under the bar"


def test_the_kiosk_and_the_tv_have_no_axe_finding(browser: Browser, shell: Shell) -> None:
    token = shell.token("kiosk", "kiosk", "lh-1", LIUHE)
    page = visit(browser, shell, "/kiosk/lh-1", KIOSK, linli_kiosk=token)
    check(page, "kiosk", KIOSK, 120)
    sizes = page.evaluate(
        """() => Array.from(document.querySelectorAll("main *, header *")).filter(function (part) {
          return part.children.length === 0 && part.textContent.trim();
        }).map(function (part) { return [parseFloat(getComputedStyle(part).fontSize), part.textContent]; })"""
    )
    assert [each for each in sizes if each[0] < 32] == []
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.number')).fontSize)") >= 160
    page.context.close()
    page = tv(browser, shell)
    for key in ("", "1", "Enter"):
        if key:
            page.keyboard.press(key)
        found = examined(page)
        assert found.violations_count == 0, found.generate_report()
    alarm(shell)
    page.wait_for_selector("#alarm-title:visible")
    found = examined(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()


def test_larger_type_stands_on_the_first_screen_and_a_press_makes_it_larger(browser: Browser, shell: Shell) -> None:
    page = visit(browser, shell, "/", PHONE)
    size = "parseFloat(getComputedStyle(document.body).fontSize)"
    before = page.evaluate(size)
    page.click("text=大字")
    page.wait_for_selector("html[data-mode=elder]")
    assert page.evaluate(size) >= before * 1.3
    assert page.evaluate(size) >= 18
    page.context.close()


def test_pages_work_without_script(browser: Browser, shell: Shell, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False, locale="zh-CN", viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{shell.url}/login?surface=staff&next=/desk/tiny")
    page.fill("#name", "s-staff")
    page.fill("#password", "a long pass phrase")
    page.click("main .btn-primary")
    page.fill("#title", "没有脚本也能发")
    page.click("form.card .btn-primary")
    assert "没有脚本也能发" in page.inner_text("main")
    page.click("text=退出登录")
    assert "/login" in page.url
    context.close()

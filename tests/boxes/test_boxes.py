"""A home's own television: bound by its code and a phone, told that there is news and never what, let go of again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from hub import box, login, reach
from hub.access import Permissions, Subject
from hub.civic import boxes, notices, points
from hub.civic.notices import desk as notice_desk
from hub.civic.points import ledger
from hub.clock import SystemClock
from hub.db import Store
from hub.errors import Conflict, NotFound, NotSignedIn
from hub.events import PersonalMessage
from hub.feed import Feed
from hub.services import Services
from tests.conftest import needs
from tests.notices.office import words
from tests.web.shell_world import Shell, running
from tests.world import LIUHE, make_store, people, staff
from web.app import create_app
from web.render import make_render

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PRESS = """code => {
  var event = document.createEvent("Event");
  event.initEvent("keydown", true, true);
  event.keyCode = code;
  document.dispatchEvent(event);
}"""
MODULES = (boxes.MODULE, notices.MODULE, points.MODULE)


@dataclass
class Living:
    shell: Shell
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.shell.store

    def phone(self, resident: str) -> httpx.Client:
        client = httpx.Client(base_url=self.shell.url, trust_env=False, follow_redirects=True, timeout=30)
        client.cookies.set("linli_resident", self.shell.token("resident", "resident", resident))
        client.headers["accept-language"] = "en"
        return client

    def box(self) -> tuple[httpx.Client, Subject]:
        """A new set-top box that has just opened the portal."""
        client = httpx.Client(base_url=self.shell.url, trust_env=False, timeout=30)
        self.clients.append(client)
        client.headers["accept-language"] = "en"
        assert client.get(f"/tv/{LIUHE}").status_code == 200
        token = client.cookies["linli_tv"]
        who = self.store.read_now(lambda read: login.subject_of(read, token, "tv"))
        assert who is not None
        return client, who

    def resident(self, ident: str) -> Subject:
        token = self.shell.token("resident", "resident", ident)
        who = self.store.read_now(lambda read: login.subject_of(read, token, "resident"))
        assert who is not None
        return who

    def tells(self, resident: str, title: str) -> None:
        self.shell.write(lambda tx: tx.emit(PersonalMessage, resident=resident, kind="points", title=title, text=title))

    def takes(self, by: Subject, code: str) -> None:
        terminal = self.shell.write(lambda tx: box.bind(tx, by, code))
        self.shell.app.state.sessions.forget_of(terminal)

    def leaves(self, by: Subject, terminal: Subject) -> None:
        self.shell.write(lambda tx: box.unbind(tx, by, terminal.id))


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    folder = tmp_path_factory.mktemp("boxes")
    store = make_store(folder, clock=SystemClock(), inline=False)  # type: ignore[arg-type]
    store.write_now(people)
    render = make_render(MODULES, None)
    feed = Feed(store, [topic for module in MODULES for topic in module.topics], render, store.clock)
    store.bus.observe(feed.committed)
    hub = Services(
        store=store, feed=feed, registry=None, ingest=None, clock=store.clock, rng=store.rng,  # type: ignore[arg-type]
        net=httpx.AsyncClient(trust_env=False), permissions=Permissions(each.permissions or {} for each in MODULES),
        modules=MODULES, render=render, data=folder,
    )  # fmt: skip
    with running(Shell(None, store, hub, create_app(hub))) as shell:  # type: ignore[arg-type]
        made = Living(shell)
        yield made
        for each in made.clients:
            each.close()


def forms_token(page: str) -> str:
    return str(re.findall(r'name="csrf" value="([^"]*)"', page)[0])


def bound(living: Living, resident: str = "r-lin") -> tuple[httpx.Client, Subject]:
    client, who = living.box()
    code = living.shell.write(lambda tx: box.offer(tx, who))
    living.takes(living.resident(resident), code)
    token = client.cookies["linli_tv"]
    now = living.store.read_now(lambda read: login.subject_of(read, token, "tv"))
    assert now is not None
    return client, now


def test_a_code_binds_the_box_that_shows_it_once_and_opens_nothing(living: Living) -> None:
    client, who = living.box()
    assert client.get(f"/tv/{LIUHE}/home/code.png").headers["content-type"] == "image/png"
    first = living.shell.write(lambda tx: box.offer(tx, who))
    code = living.shell.write(lambda tx: box.offer(tx, who))
    with pytest.raises(NotSignedIn):
        living.shell.write(lambda tx: login.redeem_code(tx, code))
    with living.phone("r-lin") as phone:
        assert "too old" in phone.get(f"/me/tv?code={first}").text
        asked = phone.get(f"/me/tv?code={code}").text
        assert "Is this the television of your home?" in asked
        done = phone.post("/me/tv", data={"csrf": forms_token(asked), "code": code})
        assert "Television 1" in done.text
        assert phone.post("/me/tv", data={"csrf": forms_token(done.text), "code": code}).status_code == 404
        token = client.cookies["linli_tv"]
        now = living.store.read_now(lambda read: login.subject_of(read, token, "tv"))
        assert now is not None
        assert (now.id, now.household, now.person) == (who.id, "h-lin", "r-lin")
        phone.post(f"/me/tv/{who.id}/leave", data={"csrf": forms_token(done.text)})


def test_a_code_is_old_after_five_minutes(living: Living) -> None:
    _client, who = living.box()
    code = living.shell.write(lambda tx: box.offer(tx, who))
    row = living.store.read_now(lambda read: login.code_row(read, code))
    assert row is not None
    assert row.expires - living.store.clock.now() <= timedelta(minutes=box.CODE_MINUTES)


def test_a_box_of_another_home_cannot_be_taken(living: Living) -> None:
    _client, who = bound(living, "r-lin")
    code = living.shell.write(lambda tx: box.offer(tx, who))
    wang = living.resident("r-wang")
    with pytest.raises(Conflict):
        living.takes(wang, code)
    living.leaves(wang, who)
    assert who.id in [each.terminal for each in living.store.read_now(lambda read: box.of_household(read, "h-lin"))]
    living.leaves(living.resident("r-lin"), who)


def test_a_home_keeps_few_boxes(living: Living) -> None:
    taken = [bound(living, "r-wang")[1] for _ in range(box.HOME_MAX)]
    with pytest.raises(Conflict):
        bound(living, "r-wang")
    for each in taken:
        living.leaves(living.resident("r-wang"), each)
    with pytest.raises(NotFound):
        living.takes(living.resident("r-wang"), "nothing")


def test_the_television_says_that_there_is_news_and_never_what(living: Living) -> None:
    client, who = bound(living)
    account = ledger.account_id("household", "h-lin")
    for title in ("林春禾的血压", "积分到账 25"):
        living.tells("r-lin", title)
    shown = client.get(f"/tv/{LIUHE}").text
    assert "Your home has 2 new messages" in shown
    assert not re.search("林春禾|血压|积分到账", shown)
    assert "Press OK to see them" in shown
    assert account not in shown
    token = re.findall(r'linli-csrf" content="([^"]+)"', shown)[0]
    assert client.post(f"/tv/{LIUHE}/home/opened", headers={"x-csrf": token}).status_code == 204
    assert "Nothing new for your home" in client.get(f"/tv/{LIUHE}").text
    other, _who = living.box()
    assert "Make this television ours" in other.get(f"/tv/{LIUHE}").text
    assert "Press OK to see them" not in other.get(f"/tv/{LIUHE}").text
    living.leaves(living.resident("r-lin"), who)


def test_let_go_of_a_box_knows_nothing_of_the_home(living: Living) -> None:
    client, who = bound(living)
    living.leaves(living.resident("r-lin"), who)
    token = client.cookies["linli_tv"]
    assert living.store.read_now(lambda read: login.subject_of(read, token, "tv")) is None
    assert not living.shell.services.feed.may_watch(Subject(id="tv-x", kind="tv"), "points.tv_home:h-lin")
    assert not living.shell.services.feed.may_watch(living.resident("r-lin"), "points.tv_home:h-lin")


def test_a_press_on_a_bound_box_counts_for_who_bound_it(living: Living) -> None:
    client, who = bound(living)
    stranger, _other = living.box()
    ident = released(living)
    for each in (client, stranger):
        page = each.get(f"/tv/{LIUHE}").text
        token = re.findall(r'linli-csrf" content="([^"]+)"', page)[0]
        assert each.post(f"/tv/{LIUHE}/n/{ident}/received", headers={"x-csrf": token}).status_code == 204
        helped = each.post(f"/tv/{LIUHE}/n/{ident}/help", headers={"x-csrf": token}).status_code
        assert helped == (204 if each is client else 404)
    best = living.store.read_now(
        lambda read: {
            person: reach.best_of(read, reach.resident_viewer(person), [ident]) for person in ("r-lin", "r-wang")
        }
    )
    assert best == {"r-lin": {ident: "acknowledged"}, "r-wang": {}}
    living.leaves(living.resident("r-lin"), who)


def released(living: Living) -> str:
    """Something of today, for everybody of the community."""
    director = staff(living.store, "s-director").with_permissions(living.shell.services.permissions)
    made = living.shell.write(lambda tx: notice_desk.draft(tx, director, words()))
    living.shell.write(lambda tx: notice_desk.release(tx, director, made.id))
    return str(made.id)


@needs("chromium")
def test_the_blue_key_binds_and_shows_the_home(living: Living, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN", service_workers="block")
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{living.shell.url}/tv/{LIUHE}")
    page.wait_for_function("() => window.linliLive && linliLive.messages >= 2")
    page.evaluate(PRESS, 278)
    assert page.inner_text("#list-title") == "我家"
    assert page.locator(".line b").all_inner_texts() == ["绑定这台电视"]
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('text-code').naturalWidth > 100")
    [token] = [each["value"] for each in context.cookies() if each["name"] == "linli_tv"]
    who = living.store.read_now(lambda read: login.subject_of(read, token, "tv"))
    assert who is not None
    code = living.shell.write(lambda tx: box.offer(tx, who))
    with page.expect_navigation(timeout=20_000):
        living.takes(living.resident("r-wang"), code)
    page.wait_for_function("() => window.linliLive && linliLive.messages >= 3")
    page.evaluate(PRESS, 1111)
    assert page.locator(".line b").all_inner_texts() == ["您家暂无新消息", "家庭积分"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "家庭账户：0 分" in page.inner_text("#text-body")
    page.evaluate(PRESS, 768)  # the box's own event, with nothing to tell
    assert page.is_visible("#text")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    assert page.is_visible("#tiles")
    with page.expect_navigation(timeout=20_000):
        living.leaves(living.resident("r-wang"), who)
    page.wait_for_function("() => window.linliLive && linliLive.messages >= 2")
    page.evaluate(PRESS, 278)
    assert page.locator(".line b").all_inner_texts() == ["绑定这台电视"]
    assert wrong == []
    context.close()

"""The service worker in a real Chromium: what it shows of a push, and that the hub hears it was shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from channels.base import Accepted, Offered
from channels.webpush import Webpush, payload
from hub import audience, courier, delivery, login, outbox
from hub.civic.notices import desk
from hub.outbox import Outbox
from simulators.push_platform import Platform, seed_of
from tests.conftest import needs
from tests.notices.office_app import make_shell
from tests.web.shell_world import Shell, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

pytestmark = needs("chromium")
CONFIG = {
    "webpush.key": "ab" * 32,
    "webpush.subject": "mailto:office@linli.example",
    "webpush.services": "push.example",
}
LOOKS, LOOK_MS = 200, 50  # ten seconds at most; the browser tells nobody when a notification is up


class PushEnd:
    """The push service's end of one page: it hears of the service worker from the first moment on."""

    def __init__(self, page: Page) -> None:
        self.page, self._known = page, list[str]()
        self._line: CDPSession = page.context.new_cdp_session(page)
        self._line.on("ServiceWorker.workerRegistrationUpdated", self._heard)
        self._line.send("ServiceWorker.enable")

    def _heard(self, said: dict[str, Any]) -> None:
        self._known += [each["registrationId"] for each in said["registrations"] if not each["isDeleted"]]

    def push(self, text: str) -> None:
        """As the browser would hand it over, decrypted."""
        self.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
        for _look in range(LOOKS):
            if self._known:
                break
            self.page.wait_for_timeout(LOOK_MS)  # lets the driver hand over what the browser has said
        assert self._known, "Chromium told of no service worker"
        where = {"origin": self.page.url.split("/me")[0], "registrationId": self._known[-1]}
        self._line.send("ServiceWorker.deliverPushMessage", {**where, "data": text})


def notifications(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(
        """() => navigator.serviceWorker.getRegistration().then(found => found ? found.getNotifications() : []).then(
            all => all.map(each => ({title: each.title, body: each.body, tag: each.tag, path: each.data.path})))"""
    )
    return found


def shown(page: Page, title: str) -> dict[str, Any]:
    """The notification of this title once it is the only one: while one replaces another, Chromium lists either."""
    for _look in range(LOOKS):
        found = notifications(page)
        if [each["title"] for each in found] == [title]:
            return found[0]
        page.wait_for_timeout(LOOK_MS)
    raise AssertionError(f"not shown alone: {title}, but {notifications(page)}")


def shown_beside(page: Page, title: str) -> dict[str, Any]:
    """The notification of this title, whatever else is shown."""
    for _look in range(LOOKS):
        for each in notifications(page):
            if each["title"] == title:
                return each
        page.wait_for_timeout(LOOK_MS)
    raise AssertionError(f"not shown: {title}, but {notifications(page)}")


def accepted(shell: Shell, channel: Webpush, notice: str) -> str:
    """The delivery has left; its payload is what the phone will decrypt."""
    while shell.write(outbox.spread):
        pass
    [one] = shell.write(lambda tx: delivery.claim(tx, "webpush", 10))
    token = channel.token(one.delivery.idempotency_key, "send")
    shell.write(lambda tx: delivery.settle(tx, [one], [Accepted(token)]))
    message = one.delivery.message
    rendered = channel.render(message)
    assert message.notice_id == notice
    return payload(message, rendered, token).decode()  # type: ignore[arg-type]


def state(shell: Shell) -> str:
    from sqlmodel import select

    found = select(Outbox).where(Outbox.channel == "webpush")
    return shell.store.read_now(lambda read: read.session.execute(found).scalars().one().state)


def test_a_push_is_shown_told_and_replaced_and_nonsense_still_shows_something(browser: Browser, tmp_path: Path) -> None:
    office, shell = make_shell(tmp_path, dict(CONFIG), inline=False)
    channel = courier.open_channel(shell.services, "webpush")
    assert isinstance(channel, Webpush)
    assert isinstance(channel, Offered)
    said = Platform("https://push.example", seed_of("t"), office.store.clock.now).subscribe("r-wang")
    shell.write(lambda tx: audience.bind(tx, "r-wang", "webpush", channel.address_of(said).value))
    token = str(shell.write(lambda tx: login.open_session(tx, "resident", "resident", "r-wang")))
    with running(shell):
        context = browser.new_context(permissions=["notifications"])
        context.add_cookies([{"name": "linli_resident", "value": token, "url": shell.url}])
        page = context.new_page()
        end = PushEnd(page)
        page.goto(f"{shell.url}/me/ways")
        page.locator("[data-say=can]").wait_for(state="visible")
        assert page.locator("[data-say=cannot]").is_hidden()
        made = office.draft()
        shell.write(lambda tx: desk.release(tx, office.staff, made.id))
        text = accepted(shell, channel, made.id)
        with page.context.expect_event("response", lambda answer: answer.url.endswith("/callback/webpush")) as told:
            end.push(text)
        assert told.value.status == 204
        assert state(shell) == "delivered"
        first = shown(page, "停水通知")
        assert (first["path"], first["tag"]) == (f"/n/{made.id}", json.loads(text)["g"])
        end.push(text.replace("停水通知", "【已撤回】停水通知"))
        shown(page, "【已撤回】停水通知")
        end.push("no JSON at all")
        assert shown_beside(page, "您有一条新消息")["body"] == ""
        context.close()
    office.store.close()


def test_the_page_says_when_a_browser_cannot(browser: Browser, tmp_path: Path) -> None:
    office, shell = make_shell(tmp_path, dict(CONFIG), inline=False)
    token = str(shell.write(lambda tx: login.open_session(tx, "resident", "resident", "r-wang")))
    with running(shell):
        context = browser.new_context(service_workers="block")
        context.add_init_script("delete window.PushManager")
        context.add_cookies([{"name": "linli_resident", "value": token, "url": shell.url}])
        page = context.new_page()
        page.goto(f"{shell.url}/me/ways")
        page.locator("[data-say=cannot]").wait_for(state="visible")
        assert page.locator("[data-say=can]").is_hidden()
        assert page.locator("[data-say=failed]").is_hidden()
        context.close()
    office.store.close()

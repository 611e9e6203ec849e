"""Group chats and mailboxes of the staff (钉钉, 飞书, 企业微信, mail) through Apprise, an extra: `linli[apprise]`.

Staff only: Apprise says whether a service took it and nothing more, no receipt, no number. One address a delivery, so
that its answer is that delivery's; its calls block, so they run in threads of their own. Its addresses carry tokens and
its log carries addresses, so its log is silenced. No `CHANNEL_NAME`: nobody's notice goes out here.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import socket
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from channels import words
from channels.base import RETRACTION, Accepted, Caps, Dead, Delivery, Message, Outcome, Rendered, Retry, Skip
from channels.text import cut, one_line
from channels.webhook_net import Network, open_to_us

ADDRESS_KIND = "apprise"
DEADLINE_S = 15.0
THREADS_MAX = 8  # services answer in 50-500 ms; more threads only wait for the same service
TITLE_CHARS_MAX, BODY_CHARS_MAX = 120, 1_000
# Services with one address of their own on the Internet: their part between the slashes is a token and no machine.
PUBLIC = frozenset({"dingtalk", "feishu", "lark", "wecombot", "wxpusher", "schan"})
# Services on a machine that the address names.
NAMED = frozenset({"json", "jsons", "ntfy", "ntfys", "mailto", "mailtos", "gotify", "gotifys", "bark", "barks"})
NOT_INSTALLED = "the apprise extra is not installed on this hub"
CAPS = Caps(
    shape="addressed", address_kind="place", ceiling="accepted", title_chars_max=TITLE_CHARS_MAX,
    body_chars_max=BODY_CHARS_MAX, recall=False, obeys_quiet_hours=False, batch_max=20, per_s=5.0, per_day=None,
    idempotency_window_s=None,
)  # fmt: skip

Ask = Callable[..., list[Any]]  # as socket.getaddrinfo


def is_one(url: str) -> bool:
    """Whether this is an address for Apprise, and not a webhook's."""
    return urlsplit(url).scheme in PUBLIC | NAMED


def installed() -> bool:
    return importlib.util.find_spec("apprise") is not None


def fault_of(url: str) -> str:
    """Why nobody could be told at this address; empty where they can. Never the address itself."""
    if not is_one(url):
        return "this is no address"
    if not installed():
        return NOT_INSTALLED
    return "" if _library().Apprise().add(url) else "this is no address"


class Apprise:
    name = "apprise"
    title = "Apprise"
    caps = CAPS

    def __init__(self, allowed: Sequence[Network] = (), ask: Ask | None = None) -> None:
        self._allowed, self._ask = tuple(allowed), ask or _ASK
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="linli-apprise")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        title, badge = one_line(message.title), words.badge(message)
        if not title:
            return Skip("the notice has no title")
        head = f"【{badge}】{title}" if badge else title
        whole = "\n".join(part for part in (message.text.strip(), message.url) if part)
        body = cut(whole, BODY_CHARS_MAX)
        return Rendered(
            title=cut(head, TITLE_CHARS_MAX), body=body, badge=badge, url=message.url, issuer=one_line(message.issuer),
            when=words.when(message), cut=body != whole,
        )  # fmt: skip

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return list(await asyncio.gather(*map(self._deliver, batch)))

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self.send([replace(each, message=replace(each.message, kind=RETRACTION)) for each in batch])

    async def _deliver(self, delivery: Delivery) -> Outcome:
        rendered, url = self.render(delivery.message, delivery.large), delivery.address.value
        if isinstance(rendered, Skip):
            return Dead(rendered.reason)
        if delivery.address.kind != ADDRESS_KIND:
            return Dead("not an address of Apprise")
        if fault := fault_of(url):
            # Somebody may install it yet; what was written then is told then.
            return Retry(None, fault) if fault == NOT_INSTALLED else Dead(fault)
        guard, loop = _Guard(self._allowed, self._ask), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DEADLINE_S):
                taken = await loop.run_in_executor(self._threads, _guarded, guard, url, rendered.title, rendered.body)
        except TimeoutError:
            return Retry(None, "the provider did not answer in time")
        if guard.closed:
            return Dead("a network that is closed to webhooks")
        return Accepted("") if taken else Retry(None, "the service did not take it")


class _Guard:
    """Where one call may connect to. Apprise asks for names by itself, and so does whoever it is sent on to: the look
    is where a name becomes a number, so that the number looked at is the one connected to.
    """

    def __init__(self, allowed: Sequence[Network], ask: Ask) -> None:
        self._allowed, self._ask = allowed, ask
        self.closed = False

    def look(self, *asked: Any, **named: Any) -> list[Any]:
        found = self._ask(*asked, **named)
        if not found or not all(open_to_us(str(each[4][0]), self._allowed) for each in found):
            self.closed = True
            raise socket.gaierror(socket.EAI_FAIL, "a network that is closed to webhooks")
        return found


_ASK: Ask = socket.getaddrinfo
_GUARD: ContextVar[_Guard | None] = ContextVar("linli_apprise", default=None)


def _asked(*asked: Any, **named: Any) -> list[Any]:
    """In the place of socket.getaddrinfo: as ever for everybody but Apprise's own threads."""
    guard = _GUARD.get()
    return _ASK(*asked, **named) if guard is None else guard.look(*asked, **named)


def _guarded(guard: _Guard, url: str, title: str, body: str) -> bool:
    token = _GUARD.set(guard)
    try:
        return _notify(url, title, body)
    finally:
        _GUARD.reset(token)


def _notify(url: str, title: str, body: str) -> bool:
    speaker = _library().Apprise()
    return bool(speaker.add(url)) and bool(speaker.notify(body=body, title=title))


@cache
def _library() -> Any:
    """Imported on first use, a second and 25 MB; what it would log names addresses and so tokens."""
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own plug-ins' imports, no concern of ours
        library = importlib.import_module("apprise")
        library.Apprise().add("json://localhost")  # the first address reads its hundred and seventy plug-ins
    socket.getaddrinfo = _asked
    return library

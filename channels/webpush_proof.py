"""Proof of the Web Push channel: its settings, how notices read on it, and exchanges with their outcomes."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

from channels.base import Accepted, AddressGone, Dead, Outcome, Rendered, Retry, Skip
from channels.proof import Example, Exchange, Setting, Step, water

SETTINGS = (
    Setting(
        "key",
        "64 hexadecimal digits that everything is signed with; another key ends every subscription",
        "5e1f0c3a9b7d2468ace013579bdf02468ace13579bdf02468ace13579bdf0246",
        secret=True,
    ),
    Setting("subject", "where a push service may ask: mailto: or https:", "mailto:office@linli.example"),
    Setting(
        "services",
        "the push services a subscription may name",
        "push.example",
        default="fcm.googleapis.com *.push.services.mozilla.com *.notify.windows.com *.push.apple.com",
    ),
)

_WATER = water("因管道检修，今天上午8时至12时停水，请提前储水，谢谢配合。\n电话：0724-1000001")
_LONG = "因抢修供水管道，今天上午8时至12时停水；" * 8

EXAMPLES = (
    Example(
        _WATER,
        Rendered(
            "【紧急】停水通知",
            "因管道检修，今天上午8时至12时停水，请提前储水，谢谢配合。 电话：0724-1000001",
            "紧急",
            _WATER.url,
            "浏河社区居委会",
            "2026年11月22日 09:30",
        ),
    ),
    Example(
        replace(_WATER, priority="drill", title="Evacuation exercise", text=_LONG, lang="en"),
        Rendered(
            "[Drill] Evacuation exercise",
            "因抢修供水管道，今天上午8时至12时停水；因抢修供水管道，今天上午8时至12时停水；因抢修供水管道，今天上午8时至12时停水；因抢修供水管道，今天上午8时至12时停水；因抢修供水管道…",
            "Drill",
            _WATER.url,
            "浏河社区居委会",
            "2026-11-22 09:30",
            cut=True,
        ),
    ),
    Example(
        replace(_WATER, kind="retraction", priority="routine", text="停水取消"),
        Rendered("【已撤回】停水通知", "停水取消", "已撤回", _WATER.url, "浏河社区居委会", "2026年11月22日 09:30"),
    ),
    Example(
        replace(_WATER, personal=True, priority="routine", title="王桂兰 血压", text="182/110", url="/me"),
        Rendered("您有一条新消息", url="/me", when="2026年11月22日 09:30"),
    ),
    Example(replace(_WATER, title=""), Skip("the notice has no title")),
)

# The browser's half of RFC 8291's own example: its keys are nobody's.
_KEYS = {
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
}
_PATH = "/wpush/v2/a-browsers-own-secret"


def _address(endpoint: str) -> str:
    return json.dumps({"endpoint": endpoint, "keys": _KEYS}, separators=(",", ":"))


def _token() -> str:
    """As the channel makes it for the one delivery of the table of exchanges."""
    name = hashlib.sha256(b"send n-1/1/person-1/webpush").hexdigest()[:24]
    mark = hmac.new(bytes.fromhex(SETTINGS[0].example), b"linli webpush receipts", hashlib.sha256).digest()
    return name + hmac.new(mark, name.encode(), hashlib.sha256).hexdigest()[:32]


def _exchange(claim: str, step: Step, outcome: Outcome) -> Exchange:
    return Exchange(claim, (step,), outcome, _address(f"https://push.example{_PATH}"))


EXCHANGES = (
    _exchange("taken", Step(_PATH, "", status=201), Accepted(_token())),
    _exchange("taken for later", Step(_PATH, "", status=202), Accepted(_token())),
    _exchange("no answer", Step(_PATH, fault="time-out"), Retry(None, "the provider did not answer in time")),
    _exchange(
        "nobody there", Step(_PATH, fault="refused"), Retry(None, "the provider cannot be reached", "ConnectError")
    ),
    _exchange("a fault", Step(_PATH, "", status=503), Retry(None, "the provider has a fault", "http 503")),
    _exchange(
        "too fast",
        Step(_PATH, "", status=429, headers={"retry-after": "30"}),
        Retry(30.0, "the provider asks us to slow down", "http 429"),
    ),
    _exchange(
        "never heard of",
        Step(_PATH, "", status=404),
        AddressGone("the phone no longer takes our notifications", "http 404"),
    ),
    _exchange(
        "unsubscribed",
        Step(_PATH, "", status=410),
        AddressGone("the phone no longer takes our notifications", "http 410"),
    ),
    _exchange("too long", Step(_PATH, "", status=413), Dead("the notification is too long", "http 413")),
    _exchange(
        "our key is refused",
        Step(_PATH, "", status=403),
        Retry(600.0, "the push service does not accept our key", "http 403"),
    ),
    _exchange(
        "a redirect is not followed",
        Step(_PATH, "", status=302, headers={"location": "http://127.0.0.1/"}),
        Dead("the provider refuses the request", "http 302"),
    ),
    _exchange("malformed", Step(_PATH, "", status=400), Dead("the provider refuses the request", "http 400")),
)

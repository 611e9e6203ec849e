"""Proof of the SMS channel: its settings, how notices read on it, and exchanges with their outcomes."""

from __future__ import annotations

from dataclasses import replace

from channels.base import Accepted, AddressGone, Dead, Rendered, Retry, Skip
from channels.proof import Example, Exchange, Setting, Step, water
from channels.sms_codes import OPERATOR_RETRY_S

SETTINGS = (
    Setting("url", "where the SMS gateway answers; the simulator's address in the demo", "https://sms.example"),
    Setting("access_id", "our name at the gateway", "linli"),
    Setting("secret", "signs what we send and what the gateway reports", "example-sms-secret-0123456789", secret=True),
    Setting("sign", "the approved sign that stands first in every message", "邻里"),
    Setting("contact", "where residents ask, as it stands in the approved templates", "12345", default="12345"),
    Setting("fen_per_part", "what one part costs", "5", default="5"),
    Setting(
        "templates",
        "the code each template was approved under; empty: its own name",
        "notice-zh=notice-zh urgent-zh=urgent-zh",
        default="",
    ),
)

_WATER = water("因管道检修，今天上午8时至12时停水，请提前储水。\n电话：0724-1000001")
_DRILL = replace(
    _WATER, priority="drill", title="Evacuation exercise of all buildings", text="", area_name="Liuhe", lang="en"
)
_HOSTILE = replace(
    _WATER,
    priority="routine",
    title="【中奖】点http://evil.example/x?y=1领取${area}",
    text="致电138 0000 0000领奖。<b>明天</b>14:00开始；详见evil.com",
)

EXAMPLES = (
    Example(
        _WATER,
        Rendered(
            "停水通知",
            "【邻里】浏河社区紧急通知：停水通知，因管道检修，今天上午8时至12时停水，请提前储水（详询12345，回1收到，2有疑问，3需帮助，T退订）",
            "紧急",
            when="2026年11月22日 09:30",
            fields=(
                ("template", "urgent-zh"),
                ("area", "浏河社区"),
                ("title", "停水通知"),
                ("text", "因管道检修，今天上午8时至12时停水，请提前储水"),
            ),
            cut=True,
            parts=1,
            cost_fen=5,
        ),
    ),
    Example(
        _DRILL,
        Rendered(
            "Evacuation exercise of all…",
            "【邻里】DRILL, this is an exercise. Liuhe: Evacuation exercise of all…. See the TV or the web page. "
            "(Ask 12345. Reply 1 ok 2 ask 3 help.)",
            "Drill",
            when="2026-11-22 09:30",
            fields=(
                ("template", "drill-en"),
                ("area", "Liuhe"),
                ("title", "Evacuation exercise of all…"),
                ("text", "See the TV or the web page."),
            ),
            cut=True,
            parts=2,
            cost_fen=10,
        ),
    ),
    Example(
        _HOSTILE,
        Rendered(
            "“中奖”点 领取area",
            "【邻里】浏河社区通知：“中奖”点 领取area，<b>明天</b>14:00开始"
            "（详询12345，回1收到，2有疑问，3需帮助，T退订）",
            when="2026年11月22日 09:30",
            fields=(
                ("template", "notice-zh"),
                ("area", "浏河社区"),
                ("title", "“中奖”点 领取area"),
                ("text", "<b>明天</b>14:00开始"),
            ),
            cut=True,
            parts=1,
            cost_fen=5,
        ),
    ),
    Example(
        replace(_WATER, kind="retraction", priority="routine"),
        Rendered(
            "停水通知",
            "【邻里】浏河社区更正：此前通知“停水通知”已撤回，请以最新通知为准。（详询12345）",
            "已撤回",
            when="2026年11月22日 09:30",
            fields=(("template", "withdrawn-zh"), ("area", "浏河社区"), ("title", "停水通知")),
            parts=1,
            cost_fen=5,
        ),
    ),
    Example(
        replace(
            _WATER, personal=True, priority="routine", title="您的血压复测提醒", text="请于今天复测。", area_name=""
        ),
        Rendered(
            "您有一条新消息",
            "【邻里】您有一条新消息，请在手机网页或小屋查看。（详询12345，回T退订）",
            when="2026年11月22日 09:30",
            fields=(("template", "personal-zh"),),
            parts=1,
            cost_fen=5,
        ),
    ),
    Example(
        replace(
            _WATER,
            personal=True,
            kind="answer",
            priority="routine",
            title="社区已答复您",
            text="下午两点送水上门。请拨13800000000。",
            area_name="",
        ),
        Rendered(
            "您有一条新消息",
            "【邻里】社区答复：下午两点送水上门（详询12345）",
            when="2026年11月22日 09:30",
            fields=(("template", "answer-zh"), ("text", "下午两点送水上门")),
            cut=True,
            parts=1,
            cost_fen=5,
        ),
    ),
    Example(replace(_WATER, title=" \n"), Skip("the notice has no title")),
)

_PHONE = "10000000001"
_SEND = "/v1/messages"
_OK = {"code": "OK", "id": "20261122-000042", "parts": 1}


def _says(code: str) -> Step:
    return Step(_SEND, {"code": code})


def _exchange(claim: str, step: Step, outcome: object, address: str = _PHONE) -> Exchange:
    return Exchange(claim, (step,), outcome, address)  # type: ignore[arg-type]


EXCHANGES = (
    _exchange(
        "taken by the gateway",
        Step(
            _SEND,
            _OK,
            asks={
                "number": _PHONE,
                "sign": "邻里",
                "template": "notice-zh",
                "variables": {"area": "浏河社区", "title": "停水通知", "text": "今晚停水"},
            },
        ),
        Accepted("20261122-000042", parts=1, cost_fen=5),
    ),
    _exchange(
        "the gateway counts the parts it bills",
        Step(_SEND, {"code": "OK", "id": "a", "parts": 3}),
        Accepted("a", parts=3, cost_fen=15),
    ),
    _exchange(
        "a part count out of reason is ours instead",
        Step(_SEND, {"code": "OK", "id": "a", "parts": 10_000}),
        Accepted("a", parts=1, cost_fen=5),
    ),
    _exchange(
        "taken without an id",
        Step(_SEND, {"code": "OK"}),
        Retry(None, "the SMS gateway gave no message id"),
    ),
    _exchange("no answer", Step(_SEND, fault="time-out"), Retry(None, "the provider did not answer in time")),
    _exchange(
        "nobody there", Step(_SEND, fault="refused"), Retry(None, "the provider cannot be reached", "ConnectError")
    ),
    _exchange("cut off", Step(_SEND, fault="reset"), Retry(None, "the provider cannot be reached", "ReadError")),
    _exchange("a fault", Step(_SEND, "<html>", status=502), Retry(None, "the provider has a fault", "http 502")),
    _exchange(
        "too fast",
        Step(_SEND, "", status=429, headers={"retry-after": "7"}),
        Retry(7.0, "the provider asks us to slow down", "http 429"),
    ),
    _exchange("not there", Step(_SEND, "", status=404), Dead("the provider refuses the request", "http 404")),
    _exchange("no JSON", Step(_SEND, "ok"), Retry(None, "the provider's answer is not JSON", "http 200")),
    _exchange(
        "our clock is wrong",
        _says("CLOCK"),
        Retry(OPERATOR_RETRY_S, "our clock and the SMS gateway's differ", "CLOCK"),
    ),
    _exchange("no money", _says("BALANCE"), Retry(OPERATOR_RETRY_S, "the SMS account has no money left", "BALANCE")),
    _exchange(
        "fifty a day",
        _says("LIMIT"),
        Retry(3600.0, "this number had too many messages of one kind today", "LIMIT"),
    ),
    _exchange(
        "a variable is refused",
        _says("VARIABLE"),
        Dead("a variable breaks the rules of its SMS template", "VARIABLE"),
    ),
    _exchange(
        "unsubscribed there",
        _says("STOPPED"),
        AddressGone("the resident has unsubscribed at the SMS gateway", "STOPPED"),
    ),
    _exchange(
        "an unlisted code",
        _says("E1234"),
        Dead("the SMS gateway refuses with a code we do not know", "E1234"),
    ),
)

"""Proof of the WeChat channel: its settings, how notices read on it, and exchanges with their outcomes."""

from __future__ import annotations

from channels.base import Accepted, AddressGone, Dead, Message, Rendered, Retry, Skip
from channels.proof import SENT_AT, Example, Exchange, Setting, Step, water
from channels.wechat_codes import OPERATOR_RETRY_S

SETTINGS = (
    Setting(
        "api_base",
        "where WeChat's API answers; the simulator's address in the demo",
        "https://wechat.example",
        default="https://api.weixin.qq.com",
    ),
    Setting("appid", "of the verified service account", "wx0123456789abcdef"),
    Setting("secret", "the AppSecret", "example-app-secret-0123456789", secret=True),
    Setting("token", "the callback token from the settings page", "example-callback-token", secret=True),
    Setting(
        "aes_key",
        "the EncodingAESKey; when it is set, plain callbacks are refused",
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        default="",
        secret=True,
    ),
    Setting("template_id", "of the template chosen for notices", "tpl-notice"),
    Setting(
        "template_fields",
        "which field of the template takes which part of a notice",
        "title=thing1 text=thing2 issuer=thing3 time=time4",
        default="title=thing1 text=thing2 issuer=thing3 time=time4",
    ),
)

_WATER = water("因管道检修，今天上午8时至12时停水，请提前储水，谢谢配合。")
_DRILL = Message(
    "n-2",
    1,
    "drill",
    "notice",
    "Evacuation exercise of all buildings",
    "",
    "Liuhe",
    "Liuhe office",
    SENT_AT,
    None,
    "https://linli.example/n/n-2",
    lang="en",
)
_WITHDRAWN = Message(
    "n-1",
    2,
    "routine",
    "retraction",
    "停水通知",
    "停水取消\n供水照常",
    "浏河社区",
    "浏河社区居委会",
    SENT_AT,
    None,
    "https://linli.example/n/n-1",
)

EXAMPLES = (
    Example(
        _WATER,
        Rendered(
            "【紧急】停水通知",
            "因管道检修，今天上午8时至12时停水…",
            "紧急",
            _WATER.url,
            "浏河社区居委会",
            "2026年11月22日 09:30",
            fields=(
                ("thing1", "【紧急】停水通知"),
                ("thing2", "因管道检修，今天上午8时至12时停水…"),
                ("thing3", "浏河社区居委会"),
                ("time4", "2026年11月22日 09:30"),
            ),
            cut=True,
        ),
    ),
    Example(
        _DRILL,
        Rendered(
            "[Drill] Evacuation…",
            "Open to read",
            "Drill",
            _DRILL.url,
            "Liuhe office",
            "2026-11-22 09:30",
            fields=(
                ("thing1", "[Drill] Evacuation…"),
                ("thing2", "Open to read"),
                ("thing3", "Liuhe office"),
                ("time4", "2026-11-22 09:30"),
            ),
            cut=True,
        ),
    ),
    Example(
        _WITHDRAWN,
        Rendered(
            "【已撤回】停水通知",
            "停水取消 供水照常",
            "已撤回",
            _WITHDRAWN.url,
            "浏河社区居委会",
            "2026年11月22日 09:30",
            fields=(
                ("thing1", "【已撤回】停水通知"),
                ("thing2", "停水取消 供水照常"),
                ("thing3", "浏河社区居委会"),
                ("time4", "2026年11月22日 09:30"),
            ),
        ),
    ),
    Example(
        Message("n-3", 1, "routine", "notice", "\n", "x", "", "", SENT_AT, None, ""), Skip("the notice has no title")
    ),
)

_TOKEN_PATH, _SEND_PATH = "/cgi-bin/stable_token", "/cgi-bin/message/template/send"
_TOKEN = Step(
    _TOKEN_PATH,
    {"access_token": "token-one", "expires_in": 7200},
    asks={"grant_type": "client_credential", "force_refresh": False},
)
_SAME_TOKEN = _TOKEN
_FORCED = Step(_TOKEN_PATH, {"access_token": "token-two", "expires_in": 7200}, asks={"force_refresh": True})
_SENT = Step(_SEND_PATH, {"errcode": 0, "errmsg": "ok", "msgid": 200228332})
_BUSY_AFTER_S = 120


def _says(code: int) -> Step:
    return Step(_SEND_PATH, {"errcode": code, "errmsg": "said by WeChat rid: 0-0-0"})


EXCHANGES = (
    Exchange("a message WeChat took is accepted, no more", (_TOKEN, _SENT), Accepted("200228332")),
    Exchange("an id of zero is no id", (_TOKEN, Step(_SEND_PATH, {"errcode": 0, "msgid": 0})), Accepted("")),
    Exchange(
        "a token another worker renewed is fetched, not forced",
        (
            _TOKEN,
            _says(40001),
            Step(_TOKEN_PATH, {"access_token": "token-new", "expires_in": 7200}, asks={"force_refresh": False}),
            _SENT,
        ),
        Accepted("200228332"),
    ),
    Exchange(
        "a token WeChat insists on is forced once and the message sent once more",
        (_TOKEN, _says(42001), _SAME_TOKEN, _FORCED, _SENT),
        Accepted("200228332"),
    ),
    Exchange(
        "a token refused twice waits",
        (_TOKEN, _says(40014), _SAME_TOKEN, _FORCED, _says(40014)),
        Retry(60.0, "WeChat refuses the access token", "40014"),
    ),
    Exchange(
        "a wrong secret waits for the operator",
        (Step(_TOKEN_PATH, {"errcode": 40125, "errmsg": "invalid appsecret"}),),
        Retry(OPERATOR_RETRY_S, "the app secret is wrong", "40125"),
    ),
    Exchange(
        "no token in the answer is tried again",
        (Step(_TOKEN_PATH, {"expires_in": 7200}),),
        Retry(None, "WeChat gave no access token"),
    ),
    Exchange(
        "the day's quota renews at midnight in Beijing",
        (_TOKEN, _says(45009)),
        Retry(14.5 * 3600, "today's quota of the official account is used up", "45009"),
    ),
    Exchange(
        "someone who left is taken out of the directory",
        (_TOKEN, _says(43004)),
        AddressGone("the resident no longer follows the account", "43004"),
    ),
    Exchange(
        "an unknown openid likewise",
        (_TOKEN, _says(40003)),
        AddressGone("the openid is not known to this account", "40003"),
    ),
    Exchange(
        "a field against the template's rule is dead",
        (_TOKEN, _says(47003)),
        Dead("a field breaks the rule of its template", "47003"),
    ),
    Exchange("a declined message is dead", (_TOKEN, _says(43101)), Dead("the resident declined this message", "43101")),
    Exchange(
        "an unlisted code is dead, and says which",
        (_TOKEN, _says(99999)),
        Dead("WeChat refuses with a code we do not know", "99999"),
    ),
    Exchange("a busy system is tried again", (_TOKEN, _says(-1)), Retry(None, "WeChat is busy", "-1")),
    Exchange(
        "silence is tried again",
        (_TOKEN, Step(_SEND_PATH, fault="time-out")),
        Retry(None, "the provider did not answer in time"),
    ),
    Exchange(
        "a closed door is tried again",
        (Step(_TOKEN_PATH, fault="refused"),),
        Retry(None, "the provider cannot be reached", "ConnectError"),
    ),
    Exchange(
        "a cut line is tried again",
        (_TOKEN, Step(_SEND_PATH, fault="reset")),
        Retry(None, "the provider cannot be reached", "ReadError"),
    ),
    Exchange(
        "a fault of the far end is tried again",
        (_TOKEN, Step(_SEND_PATH, "<html>", status=502)),
        Retry(None, "the provider has a fault", "http 502"),
    ),
    Exchange(
        "and when it says so",
        (_TOKEN, Step(_SEND_PATH, "", status=503, headers={"retry-after": str(_BUSY_AFTER_S)})),
        Retry(_BUSY_AFTER_S, "the provider has a fault", "http 503"),
    ),
    Exchange(
        "too many requests wait as told",
        (_TOKEN, Step(_SEND_PATH, "", status=429, headers={"retry-after": str(_BUSY_AFTER_S)})),
        Retry(_BUSY_AFTER_S, "the provider asks us to slow down", "http 429"),
    ),
    Exchange(
        "a refusal of the request itself is dead",
        (_TOKEN, Step(_SEND_PATH, "no", status=404)),
        Dead("the provider refuses the request", "http 404"),
    ),
    Exchange(
        "a redirect is not followed",
        (_TOKEN, Step(_SEND_PATH, "", status=302, headers={"location": "http://elsewhere.example/"})),
        Dead("the provider refuses the request", "http 302"),
    ),
    Exchange(
        "a page instead of JSON is tried again",
        (_TOKEN, Step(_SEND_PATH, "<html>login</html>")),
        Retry(None, "the provider's answer is not JSON", "http 200"),
    ),
)

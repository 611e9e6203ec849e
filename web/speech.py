"""The language of a request: `?lang=` (remembered in a cookie), else the cookie, else the browser's wish, else zh."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.i18n import LANGUAGES, speaking

COOKIE = "linli_lang"
YEAR_S = 365 * 24 * 3600


class Speech:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[-1]
        wish = language_of(headers.get(b"cookie", ""), headers.get(b"accept-language", ""))
        lang = asked if asked in LANGUAGES else wish

        async def remember(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.setdefault("Content-Language", "zh-CN" if lang == "zh" else "en")
                if asked in LANGUAGES:
                    answer.append("Set-Cookie", f"{COOKIE}={lang}; Path=/; Max-Age={YEAR_S}; SameSite=Lax")
            await send(message)

        with speaking(lang):
            await self._app(scope, receive, remember)


def language_of(cookies: str, accepted: str) -> str:
    kept = cookie_parser(cookies).get(COOKIE, "") if cookies else ""
    if kept in LANGUAGES:
        return kept
    best, weight = "zh", 0.0
    for part in accepted.split(","):
        name, _, rest = part.strip().partition(";q=")
        short = name[:2].lower()
        try:
            share = float(rest or 1)
        except ValueError:
            continue
        if short in LANGUAGES and share > weight:
            best, weight = short, share
    return best

"""Calls to the official account's API: token in the query, one refresh and one repeat, error codes made outcomes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from channels.base import Clock, Retry
from channels.post import Answer, Refusal, post_json
from channels.wechat_codes import outcome_of, rule_for
from channels.wechat_token import Grant, TokenHolder, TokenStore


@dataclass(frozen=True)
class Account:
    """The account's side of the settings page. Secrets stay out of its repr."""

    api_base: str
    appid: str
    secret: str = field(repr=False)


class WechatClient:
    def __init__(self, account: Account, net: httpx.AsyncClient, clock: Clock, store: TokenStore) -> None:
        self._account, self._net, self._clock = account, net, clock
        self._tokens = TokenHolder(self._fetch_token, store, clock)
        _hide_tokens_in_logs()

    def __repr__(self) -> str:
        return f"WechatClient({self._account!r})"

    async def call(self, path: str, payload: Mapping[str, object]) -> Answer:
        """The answer of a call that succeeded, else why not."""
        token = await self._tokens.get()
        if isinstance(token, Refusal):
            return token
        answer = await self._ask(path, payload, token)
        if rule_for(_errcode(answer)).action == "refresh token":
            token = await self._tokens.replace(token)
            if isinstance(token, Refusal):
                return token
            answer = await self._ask(path, payload, token)
        return self._settled(answer)

    async def _ask(self, path: str, payload: Mapping[str, object], token: str) -> Answer:
        return await post_json(self._net, self._account.api_base + path, payload, params={"access_token": token})

    def _settled(self, answer: Answer) -> Answer:
        code = _errcode(answer)
        if isinstance(answer, Refusal) or code == 0:
            return answer
        return Refusal(outcome_of(code, self._clock.now()), for_all=rule_for(code).for_all)

    async def _fetch_token(self, force: bool) -> Grant | Refusal:
        answer = self._settled(
            await post_json(
                self._net,
                f"{self._account.api_base}/cgi-bin/stable_token",
                {
                    "grant_type": "client_credential",
                    "appid": self._account.appid,
                    "secret": self._account.secret,
                    "force_refresh": force,
                },
            )
        )
        if isinstance(answer, Refusal):
            return Refusal(answer.outcome, for_all=True)
        value, expires_in = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(value, str) or not value or not isinstance(expires_in, int):
            return Refusal(Retry(None, "WeChat gave no access token"), for_all=True)
        return Grant(value, float(expires_in))


def _errcode(answer: Answer) -> int:
    """0 for success, for the answers that carry no code, and for a refusal that is settled already."""
    code = answer.get("errcode", 0) if isinstance(answer, Mapping) else 0
    return code if isinstance(code, int) else -1


class _HideTokens(logging.Filter):
    _SECRET = re.compile(r"(access_token=)[^&\s\"']+")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = self._SECRET.sub(r"\1***", message)
        if hidden != message:
            record.msg, record.args = hidden, None
        return True


_HIDE_TOKENS = _HideTokens()


def _hide_tokens_in_logs() -> None:
    """WeChat wants the token in the URL, and httpx logs each URL at INFO: once is enough, the filter is shared."""
    logging.getLogger("httpx").addFilter(_HIDE_TOKENS)

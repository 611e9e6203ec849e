"""The seam to SMS providers, and the one provider we bring: a plain HTTPS gateway with our own signature.

A provider of another make (ACS3, TC3, CMPP behind a proxy) is a `Provider` of its own in a channel file of its own that
hands it to `Sms`; templates, limits, receipts and outcomes stay as they are.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from channels.base import Accepted, Clock, Outcome, Retry
from channels.post import Refusal, json_bytes, post_json
from channels.sms_codes import outcome_of, rule_for
from channels.sms_sign import header

_NUMBER = re.compile(r"\+?\d{5,15}", re.ASCII)
PROVIDER_ID_CHARS_MAX = 64


@dataclass(frozen=True)
class Text:
    """One message to one number, in the words of a reviewed template."""

    key: str  # idempotency key
    number: str = field(repr=False)
    sign: str
    template: str
    variables: tuple[tuple[str, str], ...] = field(repr=False)
    parts: int


class Provider(Protocol):
    async def send(self, text: Text, fen_per_part: int) -> Outcome | Refusal:
        """A `Refusal` with `for_all` stops the batch. Never raises for what the network does."""


@dataclass(frozen=True)
class Account:
    """Ours at the gateway. The secret stays out of its repr."""

    url: str
    access_id: str
    secret: str = field(repr=False)


class PlainGateway:
    """`POST {url}/v1/messages`, one message a request; answers `{"code": "OK", "id": ..., "parts": n}` or a code."""

    def __init__(self, account: Account, net: httpx.AsyncClient, clock: Clock) -> None:
        self._account, self._net, self._clock = account, net, clock

    def __repr__(self) -> str:
        return f"PlainGateway({self._account!r})"

    async def send(self, text: Text, fen_per_part: int) -> Outcome | Refusal:
        if not _NUMBER.fullmatch(text.number):
            return outcome_of("NUMBER")
        body = json_bytes(
            {
                "key": text.key,
                "number": text.number,
                "sign": text.sign,
                "template": text.template,
                "variables": dict(text.variables),
            }
        )
        now = self._clock.now()
        # Unique is enough, for the signature proves the rest: a key is sent again only at another moment.
        nonce = hashlib.sha256(f"{text.key} {now.isoformat()}".encode()).hexdigest()[:32]
        mark = header(self._account.secret, "send", self._account.access_id, now, nonce, body)
        url = f"{self._account.url}/v1/messages"
        answer = await post_json(self._net, url, body, headers={"authorization": mark})
        if isinstance(answer, Refusal):
            return answer
        code, ident, parts = answer.get("code"), answer.get("id"), answer.get("parts")
        if code != "OK":
            return Refusal(outcome_of(str(code)), for_all=rule_for(str(code)).for_all)
        if not isinstance(ident, str) or not 0 < len(ident) <= PROVIDER_ID_CHARS_MAX:
            return Refusal(Retry(None, "the SMS gateway gave no message id"))
        # The provider bills what it counted, not what we foresaw.
        billed = parts if isinstance(parts, int) and 0 < parts <= 10 else text.parts
        return Accepted(ident, parts=billed, cost_fen=billed * fen_per_part)

"""One question over HTTPS, with a deadline for the whole of it and an honest answer whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import httpx

from channels.base import Dead, Outcome, Retry

DEADLINE_S = 5.0  # a healthy provider answers in well under one; a hung one may hold a worker no longer
ANSWER_BYTES_MAX = 256 * 1024  # an API answer is a few hundred bytes; the limit keeps a mad server from filling memory
RETRY_AFTER_S_MAX = 24 * 3600.0
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Refusal:
    """No answer to work with. `for_all`: the next message of the batch would fare no better."""

    outcome: Outcome
    for_all: bool = False


@dataclass(frozen=True)
class Posted:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


Answer: TypeAlias = Mapping[str, object] | Refusal


def json_bytes(payload: Mapping[str, object]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


async def post_json(
    net: httpx.AsyncClient,
    url: str,
    payload: Mapping[str, object] | bytes,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Answer:
    """`payload` as bytes is JSON already: what was signed must be what is sent."""
    body = payload if isinstance(payload, bytes) else json_bytes(payload)
    posted = await post(
        net, url, body, params=params, headers={"content-type": JSON_TYPE, **(headers or {})}, deadline_s=deadline_s
    )
    return posted if isinstance(posted, Refusal) else _meaning(posted)


async def post(
    net: httpx.AsyncClient,
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Posted | Refusal:
    try:
        # httpx limits each read; only an outer deadline stops a server that drips a byte a second.
        async with (
            asyncio.timeout(deadline_s),
            net.stream(
                "POST",
                url,
                content=body,
                params=params,
                follow_redirects=False,
                timeout=deadline_s,
                headers=dict(headers),
            ) as reply,
        ):
            received = bytearray()
            async for chunk in reply.aiter_bytes():
                received += chunk
                if len(received) > ANSWER_BYTES_MAX:
                    return Refusal(Retry(None, "the provider's answer is too long"), for_all=True)
            return Posted(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, bytes(received))
    except (TimeoutError, httpx.TimeoutException):
        # Whether the message went out is unknown: that is what the idempotency key is for.
        return Refusal(Retry(None, "the provider did not answer in time"), for_all=True)
    except httpx.HTTPError as fault:
        return Refusal(Retry(None, "the provider cannot be reached", type(fault).__name__), for_all=True)


def trouble(posted: Posted) -> Refusal | None:
    """What every provider means by these statuses; None for the others."""
    code = f"http {posted.status}"
    if posted.status == 429:
        return Refusal(Retry(_retry_after_s(posted), "the provider asks us to slow down", code), for_all=True)
    if posted.status >= 500 or posted.status == 408:
        return Refusal(Retry(_retry_after_s(posted), "the provider has a fault", code), for_all=True)
    return None


def _meaning(posted: Posted) -> Answer:
    code = f"http {posted.status}"
    if common := trouble(posted):
        return common
    if posted.status != 200:
        return Refusal(Dead("the provider refuses the request", code))
    try:
        answer = json.loads(posted.body)
    except (ValueError, RecursionError):
        return Refusal(Retry(None, "the provider's answer is not JSON", code), for_all=True)
    if not isinstance(answer, dict):
        return Refusal(Retry(None, "the provider's answer is not JSON", code), for_all=True)
    return answer


def _retry_after_s(posted: Posted) -> float | None:
    said = posted.headers.get("retry-after", "")
    return min(float(said), RETRY_AFTER_S_MAX) if said.isascii() and said.isdigit() else None

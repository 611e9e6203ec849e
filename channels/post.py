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


@dataclass(frozen=True)
class Refusal:
    """No answer to work with. `for_all`: the next message of the batch would fare no better."""

    outcome: Outcome
    for_all: bool = False


Answer: TypeAlias = Mapping[str, object] | Refusal


async def post_json(
    net: httpx.AsyncClient,
    url: str,
    payload: Mapping[str, object],
    *,
    params: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Answer:
    body = json.dumps(payload, ensure_ascii=False).encode()
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
                headers={"content-type": "application/json; charset=utf-8"},
            ) as reply,
        ):
            received = bytearray()
            async for chunk in reply.aiter_bytes():
                received += chunk
                if len(received) > ANSWER_BYTES_MAX:
                    return Refusal(Retry(None, "the provider's answer is too long"), for_all=True)
            return _meaning(reply, bytes(received))
    except (TimeoutError, httpx.TimeoutException):
        # Whether the message went out is unknown: that is what the idempotency key is for.
        return Refusal(Retry(None, "the provider did not answer in time"), for_all=True)
    except httpx.HTTPError as fault:
        return Refusal(Retry(None, "the provider cannot be reached", type(fault).__name__), for_all=True)


def _meaning(reply: httpx.Response, received: bytes) -> Answer:
    code = f"http {reply.status_code}"
    if reply.status_code == 429:
        return Refusal(Retry(_retry_after_s(reply), "the provider asks us to slow down", code), for_all=True)
    if reply.status_code >= 500 or reply.status_code == 408:
        return Refusal(Retry(_retry_after_s(reply), "the provider has a fault", code), for_all=True)
    if reply.status_code != 200:
        return Refusal(Dead("the provider refuses the request", code))
    try:
        answer = json.loads(received)
    except (ValueError, RecursionError):
        return Refusal(Retry(None, "the provider's answer is not JSON", code), for_all=True)
    if not isinstance(answer, dict):
        return Refusal(Retry(None, "the provider's answer is not JSON", code), for_all=True)
    return answer


def _retry_after_s(reply: httpx.Response) -> float | None:
    said = reply.headers.get("retry-after", "")
    return min(float(said), RETRY_AFTER_S_MAX) if said.isascii() and said.isdigit() else None

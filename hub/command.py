"""One write of the JSON API: the command in a transaction, at most once for an Idempotency-Key (contracts.md 3)."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse

from hub import idempotency
from hub.access import subject
from hub.db import Tx
from hub.idempotency import Answer
from hub.page import actor, services


async def answered(
    request: Request, key: str | None, command: Callable[[Tx], Answer], *, for_ever: bool = False
) -> JSONResponse:
    """A repeat with the same key gives the first answer; `for_ever` where points or money move."""
    who = subject(request)
    scope = f"{who.kind}:{who.id} {request.method} {request.url.path}"
    body = await request.body()
    found = await services(request).store.write(
        lambda tx: idempotency.once(tx, scope, key, body, command, for_ever=for_ever), actor(request)
    )
    return JSONResponse(found.body, found.status)

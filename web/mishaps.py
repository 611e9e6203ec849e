"""Every error as one clear sentence: a page for people, `application/problem+json` (RFC 9457) for programs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.access import subject
from hub.errors import LinliError, NotSignedIn, ProveAgain, TooMany
from hub.i18n import _, language
from hub.page import services
from hub.rng import code
from web.surfaces import home_of

log = logging.getLogger(__name__)
PROGRAM_PATHS = ("/api/", "/fhir/", "/hooks/", "/live", "/cap", "/wechat", "/callback/", "/metrics")
_SLUGS = {400: "refused", 404: "not-found", 405: "wrong-method", 413: "too-large", 421: "wrong-host", 422: "refused"}


class TooLarge(LinliError):
    status = 413
    slug = "too-large"


def register(app: FastAPI, prove_page: Callable[[Request, ProveAgain], Awaitable[Response]]) -> None:
    async def prove(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProveAgain)  # noqa: S101 - registered for this class only
        if wants_json(request) or request.method == "GET":
            return await _linli(request, error)
        return await prove_page(request, error)

    app.add_exception_handler(LinliError, _linli)
    app.add_exception_handler(ProveAgain, prove)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _linli(request: Request, error: Exception) -> Response:
    assert isinstance(error, LinliError)  # noqa: S101 - registered for this class only
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, TooMany) else {}
    if isinstance(error, NotSignedIn) and not wants_json(request):
        return sign_in_page(request, error.sentence)
    return answer(request, error.status, error.slug, error.sentence, headers=headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if isinstance(error.__cause__, LinliError):
        return await _linli(request, error.__cause__)
    status = error.status_code
    return answer(request, status, _SLUGS.get(status, "error"), _sentence(status), headers=error.headers or {})


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    # What was sent is not repeated: it may be a name or a password.
    places = [_place(each["loc"]) for each in error.errors()]
    fields = ", ".join(dict.fromkeys(place for place in places if place)) or _("the request")
    sentence = _("Please check: {fields}").format(fields=fields)
    problems = [{"field": place, "type": each["type"]} for place, each in zip(places, error.errors(), strict=True)]
    return answer(request, 422, "refused", sentence, errors=problems)


def _place(steps: Sequence[int | str]) -> str:
    return ".".join(str(step) for step in steps if step not in ("body", "query", "path"))


def answer(
    request: Request, status: int, slug: str, sentence: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The error in the form the caller can read."""
    if wants_json(request):
        body = {"type": f"/problems/{slug}", "title": _heading(status), "status": status, "detail": sentence, **more}
        return JSONResponse(body, status, headers=dict(headers or {}), media_type="application/problem+json")
    context = {"status": status, "heading": _heading(status), "sentence": sentence, "number": more.get("number", "")}
    return HTMLResponse(_page(request, "error.html", context), status, headers=dict(headers or {}))


def sign_in_page(request: Request, sentence: str) -> Response:
    """401 with the form itself: who follows a link to the desk signs in and is there."""
    surface = request.app.state.surfaces.of(request.url.path, request.query_params)
    if surface in ("kiosk", "tv"):
        paired = _("This screen is not paired; ask the operator for a pairing link") if surface == "kiosk" else sentence
        context = {"status": 403, "heading": _heading(403), "sentence": paired, "number": ""}
        return HTMLResponse(_page(request, "error.html", context), 401)
    inside = request.url.path != "/login"  # at the form itself, only a code can have been wrong
    after = request.url.path if request.method == "GET" and inside else ""
    context = {"wrong": "" if inside else sentence, "name": "", "next": after}
    return HTMLResponse(_page(request, "login.html", context), 401)


def wants_json(request: Request) -> bool:
    if request.url.path.startswith(PROGRAM_PATHS):
        return True
    accept = request.headers.get("accept", "")
    return "json" in accept and "text/html" not in accept


def _page(request: Request, template: str, context: Mapping[str, Any]) -> str:
    surface = request.app.state.surfaces.of(request.url.path, request.query_params)
    who = subject(request)
    known = who.kind != "nobody"  # who is signed in goes on to a page that is theirs, not to the sign-in form
    home = home_of(request, surface, who) if known else "/login?surface=staff" if surface == "staff" else "/"
    whole = {"request": request, "subject": who, "fragments": {}, "home": home, **context}
    return services(request).render(template, whole, language())


def _heading(status: int) -> str:
    return {
        401: _("Please sign in"),
        403: _("Not allowed here"),
        404: _("Not found"),
        405: _("Not possible this way"),
        409: _("That does not fit"),
        413: _("Too large"),
        422: _("Something is missing"),
        429: _("Too often"),
        503: _("Not available now"),
    }.get(status, _("That did not work"))


def _sentence(status: int) -> str:
    return {
        404: _("There is no such page; the address may be mistyped or the page is gone"),
        405: _("This address does not take that kind of request"),
        413: _("What was sent is too large"),
    }.get(status, _("The request could not be read; load the page again and repeat"))


class Mishaps:
    """The last net, inside the headers: an unknown exception is logged with a number, which the reader is told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            request = Request(scope, receive)
            number = code(services(request).rng, 8)
            log.exception("a request failed", extra={"number": number, "method": request.method})
            if begun:
                raise
            sentence = _("Something broke on our side. Nothing of yours is lost; try again in a moment.")
            await answer(request, 500, "broken", sentence, number=number)(scope, receive, send)

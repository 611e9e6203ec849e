"""Finds the subject of each request from its surface family's cookie or bearer token; signing in, pairing, signing out.

A kiosk's pairing link is taken off the address here, before any page sees it: `/kiosk/{hut}?pair=CODE` answers with the
cookie and the clean address.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.access import NOBODY, Subject, public
from hub.db import Actor, Tx
from hub.errors import LinliError
from hub.i18n import _
from hub.login import (
    SESSION_HOURS,
    SURFACES,
    close_session,
    open_session,
    password_of,
    redeem_code,
    settle_try,
)
from hub.page import page, see_other, services
from web.mishaps import answer
from web.sessions import Sessions
from web.surfaces import Surfaces, cookie_name, home_of

UNSEEN = ("/static/", "/healthz", "/readyz", "/metrics", "/sw.js", "/manifest.webmanifest")


class Auth:
    """ASGI: puts the subject into `request.state`."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions, surfaces: Surfaces, secure: bool) -> None:
        self._app, self._sessions, self._surfaces, self._secure = app, sessions, surfaces, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNSEEN):
            return await self._app(scope, receive, send)
        request = Request(scope, receive)
        state = scope.setdefault("state", {})
        state["subject"] = NOBODY
        if scope["method"] == "GET" and scope["path"].startswith("/kiosk/") and "pair" in request.query_params:
            return await (await self._pair(request))(scope, receive, send)
        bearer = request.headers.get("authorization", "")
        if bearer[:7].lower() == "bearer ":
            state["bearer"] = True
            found = await self._sessions.subject(bearer[7:].strip(), "api")
            if found is None:
                refused = answer(request, 401, "not-signed-in", _("This token is not known or has been revoked"))
                refused.headers["WWW-Authenticate"] = "Bearer"
                return await refused(scope, receive, send)
            state["subject"] = found
        else:
            state["subject"] = await self._by_cookie(request) or NOBODY
        await self._app(scope, receive, send)

    async def _by_cookie(self, request: Request) -> Subject | None:
        path = request.url.path
        families = (
            SURFACES if path.startswith(("/api/", "/fhir/")) else (self._surfaces.of(path, request.query_params),)
        )
        for surface in families:
            token = request.cookies.get(cookie_name(surface, secure=self._secure))
            found = await self._sessions.subject(token, surface) if token else None
            if found is not None:
                return found
        return None

    async def _pair(self, request: Request) -> Response:
        try:
            token, row = await services(request).store.write(lambda tx: redeem_code(tx, request.query_params["pair"]))
        except LinliError as error:
            return answer(request, error.status, error.slug, error.sentence)
        response = see_other(f"/kiosk/{row.subject}")
        response.headers["Referrer-Policy"] = "no-referrer"
        give_cookie(request, response, row.surface, token)
        return response


def give_cookie(request: Request, response: Response, surface: str, token: str) -> None:
    secure: bool = request.app.state.secure if "app" in request.scope else False
    hours = SESSION_HOURS.get(surface, 12)
    name = cookie_name(surface, secure=secure)
    response.set_cookie(name, token, max_age=hours * 3600, path="/", secure=secure, httponly=True, samesite="lax")


def cookie_of(request: Request, surface: str) -> str | None:
    return request.cookies.get(cookie_name(surface, secure=request.app.state.secure))


def local(path: str) -> str:
    """An address on this hub to go on to, or nothing: a sign-in page must not send people to other houses."""
    parts = urlsplit(path)
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if fine and "\n" not in path and "\r" not in path else ""


def router() -> APIRouter:
    routes = APIRouter(dependencies=[public("signing in is for whoever is not signed in yet")], include_in_schema=False)

    @routes.get("/login")
    async def sign_in(request: Request, code: str = "", next: str = "") -> Response:
        """The form; or, with a one-time code, straight in: a link from the demo's table must work by one click."""
        if not code:
            return page(request, "login.html", wrong="", name="", next=local(next))
        token, row = await services(request).store.write(lambda tx: redeem_code(tx, code))
        return await _enter(request, row.surface, token, local(next))

    @routes.post("/login")
    async def check(
        request: Request,
        name: Annotated[str, Form(max_length=64)],
        password: Annotated[str, Form(max_length=200)],
        next: Annotated[str, Form(max_length=400)] = "",
    ) -> Response:
        store = services(request).store
        login = store.seal.mark(name.strip(), "phone") if name.strip().isdigit() else name
        stored = await store.read(lambda read: password_of(read, login))
        proved = await request.app.state.passwords.prove(stored, password)
        opened = await store.write(lambda tx: _open(tx, login, proved), Actor("login"))
        if opened is None:
            wrong = _("That name and password do not belong together")
            return page(request, "login.html", status=401, wrong=wrong, name=name, next=local(next))
        surface, token = opened
        return await _enter(request, surface, token, local(next))

    @routes.post("/logout")
    async def sign_out(request: Request) -> Response:
        surface = request.app.state.surfaces.of(request.url.path, request.query_params)
        await _leave(request, surface)
        response = see_other("/login?surface=staff" if surface == "staff" else "/")
        response.delete_cookie(cookie_name(surface, secure=request.app.state.secure), path="/")
        return response

    return routes


def _open(tx: Tx, login: str, proved: bool) -> tuple[str, str] | None:
    row = settle_try(tx, login, proved)
    if row is None:
        return None
    return row.kind, open_session(tx, row.kind, row.kind, row.subject, proved=True)


async def _enter(request: Request, surface: str, token: str, after: str) -> RedirectResponse:
    """The session begins with a new token, and the old one of this family in this browser ends."""
    await _leave(request, surface)
    who = await request.app.state.sessions.subject(token, surface)
    response = see_other(after or home_of(request, surface, who))
    response.headers["Referrer-Policy"] = "no-referrer"
    give_cookie(request, response, surface, token)
    return response


async def _leave(request: Request, surface: str) -> None:
    old = cookie_of(request, surface)
    if old:
        await services(request).store.write(lambda tx: close_session(tx, old))
        request.app.state.sessions.forget(old)

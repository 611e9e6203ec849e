"""The application: guards outside, slices inside. `create_app(services)` is all the composition root needs to know.

From outside to inside: safe headers, the last net for exceptions, language, host and origin and size, the subject, then
the routes. What a slice brings is found through its MODULE; nothing here names one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import JSONResponse

from hub.access import public
from hub.services import Services
from web import auth, home, hooks, live_http, looks, mishaps, ops, statics, tv
from web.auth import Auth
from web.guards import LOOPBACK, CsrfCheck, OwnHouse, SafeHeaders
from web.live import Live
from web.mishaps import Mishaps
from web.passwords import Passwords
from web.polls import Polls
from web.prove import Prove, prove_page
from web.quick import LIVE
from web.sessions import Sessions
from web.shelf import Shelf
from web.speech import Speech
from web.surfaces import Surfaces


def create_app(services: Services, *, state_folder: Path | None = None) -> FastAPI:
    """`services.config` may say `web.hosts` (by commas) and `web.public_url` (https there means secure cookies)."""
    public_url = services.config.get("web.public_url", "")
    secure = public_url.startswith("https://")
    hosts = {name.strip() for name in services.config.get("web.hosts", "").split(",") if name.strip()}
    hosts |= {urlsplit(public_url).hostname or "localhost", *LOOPBACK}
    surfaces = Surfaces(services.modules)
    sessions = Sessions(services.store, services.clock, services.permissions)
    csrf = CsrfCheck(path for module in services.modules for path in module.csrf_exempt)
    uploads = [path for module in services.modules for path in module.uploads]
    app = FastAPI(
        title="Linli",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(csrf), Depends(Prove())],
    )
    app.state.passwords = Passwords()
    app.state.services, app.state.surfaces, app.state.sessions, app.state.secure = services, surfaces, sessions, secure
    app.state.live = Live(services.feed, sessions, services.clock, frozenset(hosts), secure)
    app.state.quick = {LIVE: Polls(services.feed, frozenset(hosts)).quick}
    app.state.metrics = ops.make_registry(app.state.live)
    # Added from inside to outside.
    app.add_middleware(Auth, sessions=sessions, surfaces=surfaces, secure=secure)
    app.add_middleware(OwnHouse, hosts=hosts, uploads=uploads)
    app.add_middleware(Speech)
    app.add_middleware(Mishaps)
    app.add_middleware(SafeHeaders, frames="'self'" if services.demo else "'none'", secure=secure)
    mishaps.register(app, prove_page)
    shelf = Shelf(state_folder)
    for routes in (
        *map(_routes, (home.router, auth.router, looks.router, live_http.router, hooks.router)),
        ops.router(app.state.metrics),
        statics.router(shelf),
    ):
        app.include_router(routes)
    for module in services.modules:
        if module.router is not None and (services.demo or not module.demo_only):
            app.include_router(_routes(module.router))
    app.include_router(_routes(tv.router))  # after the slices: /tv/playlist.m3u is no area's name
    _describe(app)
    return app


@cache
def _routes(make: Callable[[], APIRouter]) -> APIRouter:
    """The same in every application of one process: a route looks up whom it serves when it is asked."""
    return make()


def _describe(app: FastAPI) -> None:
    open_to_all = public("what programs may ask is no secret")

    @app.get("/api/v1/openapi.json", dependencies=[open_to_all], include_in_schema=False)
    async def openapi() -> JSONResponse:
        whole = app.openapi()
        paths = {path: each for path, each in whole.get("paths", {}).items() if path.startswith("/api/")}
        return JSONResponse({**whole, "paths": paths})
